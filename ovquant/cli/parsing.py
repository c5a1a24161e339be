"""The command line as it was typed, so that a result can be made again."""

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ovquant.errors import UsageError

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([smh]?)")


def duration(text: str | None) -> float | None:
    """Return the seconds of `90`, `90s`, `30m`, `1.5h` or `1h30m`."""
    if text is None:
        return None
    lowered = text.strip().lower()
    parts = _PART.findall(lowered)
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != re.sub(r"\s", "", lowered) or seconds <= 0:
        raise UsageError(f"--time-budget is '{text}'; write a time such as 90s, 30m or 1h.")
    return seconds


def milliseconds(text: str | None) -> float | None:
    """Return the milliseconds of `5ms`, `0.8ms`, `500us` or `1s`; a bare number is milliseconds."""
    return None if text is None else _quantity(text, {"": 1, "ms": 1, "us": 1e-3, "s": 1e3}, "--max-latency", "5ms")


def size_bytes(text: str | None) -> int | None:
    """Return the bytes of `10MB`, `800kB`, `10MiB` or `1GB`."""
    units = {"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
    return None if text is None else int(_quantity(text, units, "--max-size", "10MB"))


def _quantity(text: str, units: Mapping[str, float], option: str, example: str) -> float:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*([a-zA-Z]*)\s*", text)
    if match is None or match[2].lower() not in units or float(match[1]) <= 0:
        raise UsageError(f"{option} is '{text}'; write a number and a unit, such as {example}.")
    return float(match[1]) * units[match[2].lower()]


def properties(texts: Sequence[str]) -> dict[str, str]:
    """Return the compile properties of `KEY=VALUE` texts."""
    found: dict[str, str] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name.strip() or not value.strip():
            raise UsageError(f"--property is '{text}'; write KEY=VALUE, such as NUM_STREAMS=1.")
        if name.strip() in found:
            raise UsageError(f"--property gives {name.strip()} twice; give it once.")
        found[name.strip()] = value.strip()
    return found


def default_output(model: str) -> Path:
    """Return the folder for a model's result when none is given: `<model>-ovquant` in the current folder."""
    name, separator, _ = model.partition(".py:")
    return Path(f"{Path(name if separator else model).resolve().stem or 'model'}-ovquant")


def given(**values: Any) -> dict[str, Any]:
    """Return the options that were given: those left out keep the default of the Python function."""
    return {name: value for name, value in values.items() if value is not None and value != [] and value != {}}


def typed() -> str:
    """Return this run's command line."""
    return shlex.join(["ovquant", *sys.argv[1:]])
