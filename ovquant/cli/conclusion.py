"""The end of what a run prints: what was returned, how sure that is, and what to type next."""

from typing import TYPE_CHECKING

from ovquant.plugins.reports.figures import (
    decimal,
    file_size,
    interval,
    milliseconds,
    speedup,
    speedup_interval,
    told_drop,
)

if TYPE_CHECKING:
    from ovquant.api.result import Result

TINY_MS = 0.5
"""Milliseconds below which starting an inference takes so much of the time that there is little for INT8 to save."""


def conclusion(result: "Result") -> dict[str, str]:
    """Return what was returned, how sure that is, and what to type next, a line each."""
    return {"returned": returned(result), "how sure": sure(result), "next": next_step(result)}


def returned(result: "Result") -> str:
    """Say what was returned, and how it compares with float."""
    trial, baseline = result.trial, result.baseline
    what = [f"{result.verdict}: {trial.plan.title}"]
    if trial.timing is not None and not trial.plan.is_float:
        ends = speedup_interval(trial.timing)
        what.append(f"{speedup(trial.timing.ratio)}{f' ({ends})' if ends else ''} the speed of float")
    if trial.size_bytes:
        of = f" of {file_size(baseline.size_bytes)}" if trial.size_bytes != baseline.size_bytes else ""
        what.append(f"{file_size(trial.size_bytes)}{of}")
    return ", ".join(what)


def sure(result: "Result") -> str:
    """Say what the accuracy rests on."""
    scores = result.trial.holdout
    if scores is None:
        return "it was not scored on held-out samples"
    part = scores.nearest
    lost = f"drop {told_drop(part.drop, part.low, part.high)} of {decimal(part.allowed)} in {part.name}, on {part.samples:,} held-out samples"
    if result.budget.max_drop is None:
        return f"{decimal(part.value)} in {part.name}, on {part.samples:,} held-out samples"
    if part.level is not None:
        kind = "certified" if scores.certified else "held, approximately," if scores.holds else "not proven"
        return f"{kind} with {result.budget.confidence:.4g} confidence: {lost}"
    ends = interval(part.low, part.high)
    if part.open:
        more = "" if part.needed is None else f"; about {part.needed:,} samples would decide"
        return f"{lost}; not sure, its 95 % interval is {ends}{more}"
    return f"{lost}{f', 95 % interval {ends}' if ends else ''}; --confidence 0.95 gives a guarantee"


def next_step(result: "Result") -> str:
    """Return what is worth typing next."""
    folder, timing = result.folder, result.baseline.timing
    another = f"ovquant plan --profile {folder}/profile.jsonl --max-drop … (another budget, nothing is measured)"
    match result.verdict:
        case "met":
            return f"ovquant check {folder} --data … (on data that this run has not seen)"
        case "inconclusive":
            needed = _needed(result)
            more = "more samples" if needed is None else f"about {needed:,} samples"
            return f"the same command with --holdout of {more}, or on an idle machine; the candidate is in {folder}/candidate"
        case "float" if timing is not None and timing.p50_ms < TINY_MS and result.provenance.batch == 1:
            return (
                f"the same command with --batch 16 or --optimize throughput: float takes {milliseconds(timing.p50_ms)}, and samples "
                "that are inferred together share what each inference costs"
            )
        case _:
            return another


def _needed(result: "Result") -> int | None:
    candidate = result.candidate
    if candidate is None or candidate.holdout is None:
        return None
    return max((part.needed for part in candidate.holdout.all if part.needed is not None), default=None)
