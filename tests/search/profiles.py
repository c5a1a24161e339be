"""A profile made by hand: float, one recipe, and the recipe with two of its three layers in float."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from ovquant.domain.plan import Plan
from ovquant.domain.profile import Profile
from ovquant.domain.recipe import Recipe
from ovquant.domain.table import LayerRow
from ovquant.domain.trial import Score, Scores, Timing, Trial
from ovquant.testing import in_float

KEY = {"model": "m", "device": "CPU", "batch": 1, "data": "d", "metric": "accuracy", "objective": "latency"}
LAYERS = (LayerRow("one", 0.06, 0.1), LayerRow("two", 0.03, 0.02), LayerRow("three", 0.0, 0.05))


def trial(plan: Plan, drop: float, ratio: float, size: int, divergence: float) -> Trial:
    score = Score("search", 0.9 - drop, 0.9, drop, drop - 0.01, 1000, drop - 0.001, drop + 0.001)
    timing = Timing(10 * ratio, 11 * ratio, 10, 11, ratio, ratio - 0.01, ratio + 0.01, 100)
    return Trial(plan, Scores((score,)), None, timing, size, divergence)


BASE = Plan("default", Recipe())
TRIALS = (
    trial(Plan(), 0.0, 1.0, 100, 0.0),
    trial(BASE, 0.03, 0.5, 25, 0.10),
    trial(BASE.with_levels(in_float("one", "two")), 0.0005, 0.62, 60, 0.01),
)


def recorded(path: Path) -> Profile:
    """Return a profile of these trials, written to a path."""
    made = Profile(path)
    for tried in TRIALS:
        made.record(
            "trial",
            {**KEY, "plan": tried.plan.key},
            {"trial": tried.to_json(), "higher_is_better": [True], "metrics": ["accuracy"]},
        )
        if not tried.plan.is_float:
            made.record("candidate", {"plan": tried.plan.key}, candidate(tried.plan))
    made.record("layers", {"parts": ["default"]}, [dataclasses.asdict(row) for row in LAYERS])
    return made


def candidate(plan: Plan) -> Mapping[str, object]:
    return {
        "plan": plan.key,
        "parts": ["default"],
        "levels": dict(plan.layers),
        "offered": ["default"],
        "alone": [],
        "seed": 0,
    }
