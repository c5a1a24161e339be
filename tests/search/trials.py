"""Trials, and a judge of them, made by hand."""

from ovquant.domain.budget import Budget, Drop
from ovquant.domain.plan import Plan
from ovquant.domain.recipe import Recipe
from ovquant.domain.table import Candidate
from ovquant.domain.trial import Score, Scores, Timing, Trial
from ovquant.search.judge import Judge


def trial(name: str, *, drop: float = 0.0, ratio: float = 0.5, size: int = 50, divergence: float = 0.1) -> Trial:
    score = Score("search", 0.9 - drop, 0.9, drop, drop - 0.01, 100, drop - 0.02, drop + 0.02)
    timing = Timing(10 * ratio, 11 * ratio, 10, 11, ratio, ratio - 0.01, ratio + 0.01, 100)
    return Trial(Plan(name, Recipe()), Scores((score,)), None, timing, size, divergence)


BASELINE = trial("float", ratio=1.0, size=100)
CANDIDATE = Candidate(("a",))


def judge(**budget: float) -> Judge:
    drop = budget.pop("drop", None)
    return Judge(Budget(None if drop is None else Drop(drop), **budget), "latency", BASELINE, drop or 0.0)  # type: ignore[arg-type]
