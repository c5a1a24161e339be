"""The bar: the fastest float that holds the budget, which plans are timed beside."""

from ovquant.domain.budget import Budget
from ovquant.domain.table import COMFORT
from ovquant.domain.trial import Score, Scores, Trial
from ovquant.measure.workbench import Workbench
from ovquant.runtime import PRECISION


def float_bar(bench: Workbench, served: Trial, budget: Budget) -> tuple[Trial, float, list[str]]:
    """Set the bar of a workbench; return its trial, what float as it is served costs relative to it, and notes.

    Where float as it is served is outside the budget, or uses up so much of it that it may be, float in f32 may be inside: then
    that is the bar. served: the trial of float as it is served.
    """
    assert served.search is not None
    conditions, score = bench.conditions, served.search
    if score.drop == 0:
        return served, 1.0, []
    if budget.max_drop is not None and (not score.inside or doubtful(score)):
        reference = bench.trial(conditions.reference_plan, budget)
        if reference.search is not None and reference.search.inside and reference.timing is not None:
            bench.bar, times = conditions.reference_plan, reference.timing.ratio
            return bench.timed(reference), 1 / times, [outside(bench, score, times)]
    return served, 1.0, [below_f32(bench, score.main)]


def doubtful(scores: Scores) -> bool:
    """Tell whether a score is inside the budget, and yet may well be outside on other samples."""
    return any(score.open and score.drop > COMFORT * score.allowed for score in scores.all)


def below_f32(bench: Workbench, score: Score) -> str:
    """Say that the device computes float below f32, by the score of the whole model; score: float's as it is served."""
    return f"{_said(bench)}: {_compared(score)}. Drops are against f32, speeds against the float model as it runs by default."


def outside(bench: Workbench, scores: Scores, times: float) -> str:
    """Say that float as it is served is, or may be, outside the budget, and what plans are compared with.

    times: how long f32 takes beside it.
    """
    where = "may be outside the budget on other data" if scores.inside else "is outside the budget"
    return (
        f"{_said(bench)}, which {where}: {_compared(scores.main)}. So drops and speeds are against the float model in f32, which "
        f"takes {times:.2f} times as long."
    )


def _said(bench: Workbench) -> str:
    conditions = bench.conditions
    precision = bench.instruments.served(conditions.float_plan).get(PRECISION, "less than f32")
    return f"{conditions.deployment.device} computes the float model in {precision} unless told otherwise"


def _compared(score: Score) -> str:
    return f"its {score.metric} on the {score.split} split is {score.value:.4g}, and {score.float_value:.4g} in f32"
