"""How long it will take to try a recipe, from how long others took on the same model and data."""

import statistics
from collections.abc import Iterable

from ovquant.domain.recipe import Recipe
from ovquant.domain.trial import Trial

RANGES = {"histogram": 1.5, "mean-quantile": 2.0, "quantile": 2.0}
"""How many times as long as the default one an estimator takes that goes by all values of a tensor."""
ACCURATE = 2.0
"""How many times as long accurate bias correction takes as the fast one."""


def effort(recipe: Recipe) -> float | None:
    """Return about how many times as long as the default recipe one takes to try; None for other algorithms.

    What is scored and timed takes as long for all: this counts it as if it grew alike, and so is rather too much.
    """
    if recipe.algorithm != "post-training":
        return None
    longer = RANGES.get(recipe.activation_range, 1.0) * (ACCURATE if recipe.bias_correction == "accurate" else 1.0)
    return longer * recipe.calibration_size / Recipe.calibration_size


def expected_seconds(recipe: Recipe | None, trials: Iterable[Trial]) -> float | None:
    """Return about how many seconds a recipe will take; None where nothing of its kind was tried from beginning to end."""
    if recipe is not None and recipe.trainer and not recipe.trained:
        return recipe.train_seconds
    mine = None if recipe is None else effort(recipe)
    if mine is None:
        return None
    rates = [
        trial.seconds / effort_of
        for trial in trials
        if trial.search is not None and trial.plan.recipe is not None and not trial.plan.layers
        if (effort_of := effort(trial.plan.recipe)) is not None
    ]
    return mine * statistics.median(rates) if rates else None
