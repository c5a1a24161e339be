"""Figures and names as text, the same in every report."""

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ovquant.domain.trial import Timing

TIMED = {
    "latency": "latency",
    "size": "latency",
    "throughput": "time per sample",
    "first-token": "time to the first token",
    "next-token": "time per token",
}
"""What is timed, by objective."""
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def decimal(value: float) -> str:
    """Return a number to four digits."""
    return f"{value:.4g}"


def told_drop(drop: float, low: float | None = None, high: float | None = None) -> str:
    """Return a drop to four digits, and what to think of one below zero, by the 95 % interval where it has one."""
    if drop >= 0:
        return decimal(drop)
    if low is None or high is None:
        return f"{decimal(drop)} (noise, or better than float)"
    return f"{decimal(drop)} ({'noise' if high >= 0 else 'better than float'})"


def signed(value: float) -> str:
    """Return a number to four digits with its sign; zero has none."""
    return f"{value:+.4g}" if value else "0"


def interval(low: float | None, high: float | None) -> str:
    """Return two ends to three digits, or nothing where there is no interval."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"{low:.3g} to {high:.3g}"


def speedup_interval(timing: "Timing") -> str:
    """Return the two ends of a speed-up, or nothing where one compilation was timed."""
    return interval(1 / timing.ratio_high, 1 / timing.ratio_low) if timing.ratio_low > 0 else ""


def milliseconds(value: float) -> str:
    """Return a time in milliseconds to three digits, longer ones whole."""
    return f"{value:.0f} ms" if value >= 1000 else f"{value:.3g} ms"


def per_second(milliseconds: float) -> str:
    """Return how many samples a second there are where one takes so many milliseconds."""
    return f"{1000 / milliseconds:,.4g} samples/s"


def file_size(size_bytes: int) -> str:
    """Return a size in the unit that suits it, or nothing for a size that was not measured."""
    if size_bytes <= 0:
        return ""
    if size_bytes < 10**6:
        return f"{size_bytes / 10**3:.1f} kB"
    return f"{size_bytes / 10**6:.1f} MB"


def speedup(ratio: float) -> str:
    """Return how many times faster a ratio of times is."""
    return f"{1 / ratio:.2f}×"


def printable(text: str) -> str:
    """Return a text with a mark for each control character and lone surrogate, which no text file may hold."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
