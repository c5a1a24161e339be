"""The verdict of a result or of a check as a sentence."""

from typing import TYPE_CHECKING

from ovquant.plugins.reports.figures import decimal, interval, speedup, told_drop

if TYPE_CHECKING:
    from ovquant.domain.budget import Budget
    from ovquant.domain.result import Checked, ResultRecord
    from ovquant.domain.trial import Scores


def verdict_sentence(result: "ResultRecord") -> str:
    """Return the verdict in one sentence."""
    budget = f"the budget, {result.budget},"
    match result.verdict:
        case "met":
            return f"{result.plan.title} is {_advantage(result)} and holds {budget} {_proof(result)}{_surety(result.trial.holdout, result.budget)}{_doubt(result.trial.holdout, result.budget)}."
        case "float":
            if result.budget.max_drop is None:
                return f"The float model itself holds {budget} so it is what was saved."
            return f"No faster plan holds {budget} so the float model is what was saved."
        case "inconclusive":
            saved = "the float model was saved" if result.plan.is_float else f"{result.plan.title} was built"
            if result.candidate is not None and result.candidate.holdout is not None and result.candidate.holdout.holds:
                return (
                    f"{result.candidate.plan.title} holds {budget} and is not shown to be faster than float; {saved}."
                )
            return f"A faster plan may well be inside {budget} but that is not proven; {saved}."
        case "infeasible":
            return f"Even the float model is outside {budget} and no plan holds it; the float model was saved."
        case "missed":
            return f"{result.plan.title} is outside {budget} {_proof(result)}."


def checked_sentence(found: "Checked") -> str:
    """Return the verdict of a check in one sentence."""
    scores, budget, main = found.score, f"the budget, {found.budget},", found.score.main
    drop = f"with a drop of {told_drop(main.drop, main.low, main.high)} in {main.metric} on {main.samples:,} samples"
    match found.verdict:
        case "met":
            return f"{found.plan} holds {budget} {drop}{_surety(scores, found.budget)}{_doubt(scores, found.budget)}."
        case "inconclusive":
            needed = scores.nearest.needed
            more = "" if needed is None else f"; about {needed:,} samples would decide"
            return f"{found.plan} may well hold {budget} {drop}, but that is not proven{more}."
        case _:
            return f"{found.plan} is outside {budget} {drop}."


def _advantage(result: "ResultRecord") -> str:
    timing, size, float_size = result.trial.timing, result.trial.size_bytes, result.baseline.size_bytes
    if result.provenance.objective == "size" and size and float_size:
        return f"{float_size / size:.2f}× smaller than float"
    if timing is None:
        return "quantized"
    if not timing.decided:
        return "about as fast as float"
    return f"{speedup(timing.ratio)} faster than float" if timing.ratio < 1 else "slower than float"


def _proof(result: "ResultRecord") -> str:
    whole = result.trial.holdout or result.trial.search
    if whole is None:
        return "as far as was measured"
    score = whole.main
    role = "held-out samples" if score.split == "holdout" else "samples of the search split"
    return (
        f"with a drop of {told_drop(score.drop, score.low, score.high)} in {result.metric} on {score.samples:,} {role}"
    )


def _surety(scores: "Scores | None", budget: "Budget") -> str:
    main = None if scores is None else scores.main
    if scores is None or main is None or main.level is None or budget.confidence is None:
        return ""
    how = "certified" if scores.certified else "approximate"
    use = f"use {main.look} of these samples, " if main.look else ""
    return f", {how} with {budget.confidence:.4g} confidence ({use}tested at level {main.level:.4g})"


def _doubt(scores: "Scores | None", budget: "Budget") -> str:
    """Say that a point estimate decides nothing where its interval reaches outside the budget, and what would."""
    if scores is None or budget.max_drop is None:
        return ""
    part = next((part for part in scores.all if part.level is None and part.open), None)
    if part is None:
        return ""
    more = "" if part.needed is None else f"; about {part.needed:,} samples would"
    return f", which decides nothing: the 95 % interval of the drop in {part.name} is {interval(part.low, part.high)}, and {decimal(part.allowed)} is allowed{more}"
