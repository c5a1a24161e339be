"""Put trials and timings into words, and verdicts into exit codes."""

from typing import TYPE_CHECKING

from ovquant.reports.facts import METHODS
from ovquant.reports.figures import decimal, interval, milliseconds, speedup

if TYPE_CHECKING:
    from ovquant.trials import Score, Timing, Trial

EXIT_CODES = {"met": 0, "float": 3, "infeasible": 3, "missed": 3, "inconclusive": 4}


def exit_code(verdict: str, *, allow_float: bool = False) -> int:
    """Return the exit code of a verdict."""
    return 0 if verdict == "float" and allow_float else EXIT_CODES[verdict]


def score_change(score: "Score | None") -> str:
    """Return `float → quantized` of one split."""
    if score is None:
        return ""
    return f"{decimal(score.main.float_value)} float → {decimal(score.main.value)} on {score.main.samples:,} samples"


def drop_text(drop: float, low: float | None, high: float | None, method: str = "") -> str:
    """Return a drop with its interval, where it has one, and how that was made."""
    ends, how = interval(low, high), f", {METHODS[method]}" if method in METHODS else ""
    return f"{decimal(drop)} (95 % interval {ends}{how})" if ends else decimal(drop)


def times_text(timing: "Timing | None") -> str:
    """Return the medians and 95th percentiles of float and quantized."""
    if timing is None:
        return ""
    pairs = (("p50", timing.float_p50_ms, timing.p50_ms), ("p95", timing.float_p95_ms, timing.p95_ms))
    return ", ".join(f"{name} {milliseconds(before)} float → {milliseconds(after)}" for name, before, after in pairs)


def speedup_text(timing: "Timing | None") -> str:
    """Return the speed-up with its interval, and say when noise hides it."""
    if timing is None:
        return ""
    noise = "" if timing.decided else f"; not decided: the noise exceeds the difference{timing.company}"
    return f"{speedup(timing.ratio)} (95 % interval {speedup_interval(timing)}{noise})"


def speedup_interval(timing: "Timing") -> str:
    """Return the 95 % interval of a speed-up."""
    return interval(1 / timing.ratio_high, 1 / timing.ratio_low)


def seconds_text(seconds: float) -> str:
    """Return a duration such as 12 s or 3 min 20 s."""
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"


def trial_line(trial: "Trial") -> str:
    """Return one line about a trial, for the log."""
    if trial.problem or trial.search is None:
        what = "not possible: " if trial.timing is None else ""
        return f"{trial.plan.name}: {what}{trial.problem}"
    parts = [f"score {decimal(trial.search.main.value)}"]
    if not trial.plan.is_float:
        inside = "inside" if trial.search.excess <= 0 else "outside"
        parts.append(f"drop {decimal(trial.search.main.drop)} ({inside} the budget)")
        parts += [f"speed {speedup(trial.timing.ratio)}"] if trial.timing else []
    parts += [f"p50 {milliseconds(trial.timing.p50_ms)}"] if trial.timing else []
    took = f" [{seconds_text(trial.seconds)}]" if trial.seconds >= 0.5 else ""
    return f"{trial.plan.name}: {', '.join(parts)}{took}"
