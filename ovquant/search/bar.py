"""The bar: the fastest float that holds the budget, which plans are timed beside."""

from ovquant.domain.budget import Budget
from ovquant.domain.table import COMFORT, SAVING
from ovquant.domain.trial import Score, Scores, Trial
from ovquant.measure.workbench import Workbench
from ovquant.runtime import PRECISION


def float_bar(bench: Workbench, served: Trial, budget: Budget) -> tuple[Trial, float, list[str]]:
    """Set the bar of a workbench; return its trial, what float as it is served costs relative to it, and notes.

    Where float as it is served is outside the budget, or uses up so much of it that it may be, float in f32 may be inside: then
    that is the bar. So it is where it is faster, which nets of few channels can be. served: the trial of float as it is served.
    """
    assert served.search is not None
    conditions, score = bench.conditions, served.search
    if score.drop == 0 and conditions.is_reference(served.plan):
        return served, 1.0, []
    if budget.max_drop is not None:
        reference = bench.trial(conditions.reference_plan, budget)
        timing, holds = reference.timing, reference.search is not None and reference.search.inside
        faster = timing is not None and conditions.objective != "size" and timing.ratio_high < 1 - SAVING
        if timing is not None and holds and (faster or not score.inside or doubtful(score)):
            bench.bar = conditions.reference_plan
            return bench.timed(reference), 1 / timing.ratio, [outside(bench, score, timing.ratio)]
    return served, 1.0, [below_f32(bench, score.main)] if score.drop else []


def doubtful(scores: Scores) -> bool:
    """Tell whether a score is inside the budget, and yet may well be outside on other samples."""
    return any(score.open and score.drop > COMFORT * score.allowed for score in scores.all)


def below_f32(bench: Workbench, score: Score) -> str:
    """Say that the device computes float below f32, by the score of the whole model; score: float's as it is served."""
    return f"{_said(bench)}: {_compared(score)}. Drops are against f32, speeds against the float model as it runs by default."


def outside(bench: Workbench, scores: Scores, times: float) -> str:
    """Say why plans are compared with float in f32, and not as it is served; times: how long f32 takes beside that."""
    if scores.inside and not doubtful(scores):
        where, long = f"takes {1 / times:.2f} times as long so as in f32", ""
    else:
        where = "may be outside the budget on other data" if scores.inside else "is outside the budget"
        long = f", which takes {times:.2f} times as long"
    return f"{_said(bench)}, which {where}: {_compared(scores.main)}. So drops and speeds are against the float model in f32{long}."


def _said(bench: Workbench) -> str:
    conditions = bench.conditions
    precision = bench.instruments.served(conditions.float_plan).get(PRECISION, "less than f32")
    return f"{conditions.deployment.device} computes the float model in {precision} unless told otherwise"


def _compared(score: Score) -> str:
    return f"its {score.metric} on the {score.split} split is {score.value:.4g}, and {score.float_value:.4g} in f32"
