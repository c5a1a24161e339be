"""Put results into words: the sentence of a verdict, and numbers as people read them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ovquant.results import Result
    from ovquant.trials import Score, Timing, Trial

EXIT_CODES = {"met": 0, "float": 3, "infeasible": 3, "missed": 3, "inconclusive": 4}


def exit_code(verdict: str, *, allow_float: bool = False) -> int:
    """Return the exit code of a verdict."""
    return 0 if verdict == "float" and allow_float else EXIT_CODES[verdict]


def verdict_sentence(result: "Result") -> str:
    """Return the verdict in one sentence."""
    held = result.trial.holdout
    samples = f"{held.samples} held-out samples" if held else "the held-out samples"
    budget, device = str(result.budget), result.device["device"]
    if result.verdict == "met":
        return f"Met: {gain(result)} on {device}, and inside the budget ({budget}) on {samples}."
    if result.verdict == "float":
        return (
            f"Float: no quantized model that gains {_aim(result)} on {device} stayed inside the budget ({budget}) "
            "on both halves of the data; the float model is what was saved."
        )
    if result.verdict == "inconclusive":
        return f"Inconclusive: a faster model looks inside the budget ({budget}), but {samples} do not prove it."
    if result.verdict == "infeasible":
        return f"Infeasible: the float model itself is outside the limits ({budget}) on {samples}."
    return f"Missed: the plan is outside the budget ({budget}) on {samples}."


def gain(result: "Result") -> str:
    """Say what a quantized model gains over float, by its objective."""
    trial = result.trial
    if result.objective == "size" and trial.size_bytes and result.baseline.size_bytes:
        return f"{result.baseline.size_bytes / trial.size_bytes:.2f}x smaller than float"
    if trial.timing is None:
        return "quantized"
    if trial.timing.ratio_low <= 1 <= trial.timing.ratio_high:
        return f"about as fast as float ({trial.timing.speedup:.2f}x)"
    return f"{trial.timing.speedup:.2f}x as fast as float"


def _aim(result: "Result") -> str:
    return "in size" if result.objective == "size" else "speed"


def score_change(score: "Score | None") -> str:
    """Return `float → quantized` of one split."""
    if score is None:
        return ""
    return f"{number(score.float_value)} float → {number(score.value)} on {score.samples} samples"


def drop_text(score: "Score | None") -> str:
    """Return a drop with its interval, where it has one."""
    if score is None:
        return ""
    interval = ""
    if score.low is not None and score.high is not None:
        interval = f" (95 % interval {number(score.low)} … {number(score.high)})"
    return f"{number(score.drop)}{interval}"


def latency_text(timing: "Timing | None", *, unit: str) -> str:
    """Return the medians and 95th percentiles of float and quantized."""
    if timing is None:
        return ""
    return (
        f"p50 {timing.float_p50_ms:.3g} float → {timing.p50_ms:.3g} {unit}, "
        f"p95 {timing.float_p95_ms:.3g} float → {timing.p95_ms:.3g} {unit}"
    )


def speedup_text(timing: "Timing | None") -> str:
    """Return the speed-up with its interval, and say when noise hides it."""
    if timing is None:
        return ""
    low, high = 1 / timing.ratio_high, 1 / timing.ratio_low
    noise = "" if timing.decided else ", which the noise does not tell from 1"
    return f"{timing.speedup:.2f}x (95 % interval {low:.2f} … {high:.2f}){noise}"


def size_text(size_bytes: int) -> str:
    """Return a size in the unit that suits it."""
    if not size_bytes:
        return ""
    size, unit = float(size_bytes), "bytes"
    for larger in ("kB", "MB", "GB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.3g} {unit}" if unit != "bytes" else f"{size_bytes} bytes"


def seconds_text(seconds: float) -> str:
    """Return a duration such as 12 s or 3 min 20 s."""
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"


def number(value: float) -> str:
    """Return a score or drop with four significant digits; no minus before a zero."""
    text = f"{value:.4g}"
    return "0" if text == "-0" else text


def trial_line(trial: "Trial") -> str:
    """Return one line about a trial, for the log."""
    if trial.problem or trial.search is None:
        return f"{trial.plan.name}: not possible: {trial.problem}"
    parts = [f"score {number(trial.search.value)}"]
    if not trial.plan.is_float:
        inside = "inside" if trial.search.excess <= 0 else "outside"
        parts.append(f"drop {number(trial.search.drop)} ({inside} the budget)")
        parts += [f"{trial.timing.speedup:.2f}x as fast as float"] if trial.timing else []
    parts += [f"p50 {trial.timing.p50_ms:.3g} ms"] if trial.timing else []
    took = f" [{seconds_text(trial.seconds)}]" if trial.seconds >= 0.5 else ""
    return f"{trial.plan.name}: {', '.join(parts)}{took}"
