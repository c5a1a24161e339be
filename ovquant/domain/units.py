"""Times and sizes as people write them."""

import re
from collections.abc import Mapping

from ovquant.errors import UsageError

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
_MILLISECONDS = {"": 1, "ms": 1, "us": 1e-3, "s": 1e3}
_BYTES = {"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([smh]?)")


def seconds(value: str | float | None, option: str) -> float | None:
    """Return the seconds of a number, or of `90`, `90s`, `30m`, `1.5h` or `1h30m`; raises UsageError naming the option."""
    if not isinstance(value, str):
        return value
    lowered = value.strip().lower()
    parts = _PART.findall(lowered)
    found = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != re.sub(r"\s", "", lowered) or found <= 0:
        raise UsageError(f"{option} is '{value}'; write a time such as 90s, 30m or 1h.")
    return found


def milliseconds(value: str | float | None) -> float | None:
    """Return the milliseconds of a number, or of `5ms`, `0.8ms`, `500us` or `1s`; a bare number is milliseconds."""
    return _quantity(value, _MILLISECONDS, "--max-latency", "5ms") if isinstance(value, str) else value


def size_bytes(value: str | int | None, option: str = "--max-size") -> int | None:
    """Return the bytes of a number, or of `10MB`, `800kB`, `10MiB` or `1GB`; option: where it was given."""
    return int(_quantity(value, _BYTES, option, "10MB")) if isinstance(value, str) else value


def _quantity(text: str, units: Mapping[str, float], option: str, example: str) -> float:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*([a-zA-Z]*)\s*", text)
    if match is None or match[2].lower() not in units or float(match[1]) <= 0:
        raise UsageError(f"{option} is '{text}'; write a number and a unit, such as {example}.")
    return float(match[1]) * units[match[2].lower()]
