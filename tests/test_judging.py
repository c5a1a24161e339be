"""Trials as a strategy sees them, under a drop, under limits, and under both."""

from dataclasses import replace

import pytest

from ovquant.budgets import Budget, Drop
from ovquant.judging import Judge, front
from ovquant.plans import Plan, Recipe
from ovquant.tables import Candidate, LayerRow
from ovquant.trials import Score, Timing, Trial


def trial(name: str, *, drop: float = 0.0, ratio: float = 0.5, size: int = 50, divergence: float = 0.1) -> Trial:
    score = Score("search", 0.9 - drop, 0.9, drop, drop - 0.01, 100, drop - 0.02, drop + 0.02)
    timing = Timing(10 * ratio, 11 * ratio, 10, 11, ratio, ratio - 0.01, ratio + 0.01, 100)
    return Trial(Plan(name, Recipe()), score, None, timing, size, divergence)


BASELINE = trial("float", ratio=1.0, size=100)
CANDIDATE = Candidate(("a",))


def judge(**budget: float) -> Judge:
    drop = budget.pop("drop", None)
    return Judge(Budget(None if drop is None else Drop(drop), **budget), "latency", BASELINE, drop or 0.0)  # type: ignore[arg-type]


def test_a_drop_is_held_and_the_objective_made_small() -> None:
    row = judge(drop=0.01).row(CANDIDATE, trial("x", drop=0.03))
    assert (row.excess, row.cost, row.cost_high, row.noise) == (pytest.approx(0.02), 0.5, 0.51, pytest.approx(0.02))


def test_a_limit_beside_a_drop_must_hold_too() -> None:
    both = judge(drop=0.01, max_latency_ms=4.0)
    assert both.row(CANDIDATE, trial("x", ratio=0.3)).excess == pytest.approx(-0.01)
    assert both.row(CANDIDATE, trial("x", ratio=0.5)).excess > 0


def test_limits_alone_change_the_two_places() -> None:
    limits = judge(max_latency_ms=4.0)
    assert limits.minimises_drop
    fits, slow = trial("x", drop=0.05, ratio=0.3), trial("y", drop=0.0, ratio=0.5)
    assert limits.row(CANDIDATE, fits).excess <= 0 < limits.row(CANDIDATE, slow).excess
    assert limits.row(CANDIDATE, slow).cost < limits.row(CANDIDATE, fits).cost


def test_under_limits_a_layer_in_float_loses_time_and_wins_accuracy() -> None:
    limits = judge(max_size_bytes=60)
    base = limits.row(CANDIDATE, trial("x", drop=0.09))
    (seen,) = limits.layers([LayerRow("one", 0.05, 0.02)], base, 0.1)
    assert seen.gain == -0.02
    assert seen.cost == pytest.approx(-0.05)


def test_size_is_a_cost_and_a_limit() -> None:
    small = replace(judge(drop=0.01), objective="size")
    assert small.row(CANDIDATE, trial("x", size=25)).cost == 0.25
    assert judge(drop=0.01, max_size_bytes=20).row(CANDIDATE, trial("x", size=25)).excess > 0


def test_the_front_gives_a_tie_to_the_safer_plan() -> None:
    pairs = []
    for name, divergence, ratio in (("safe", 0.1, 0.6), ("tie", 0.2, 0.595), ("faster", 0.3, 0.4), ("worse", 0.4, 0.5)):
        made = trial(name, ratio=ratio, divergence=divergence)
        pairs.append((judge(drop=0.01).row(CANDIDATE, made), made))
    assert [made.plan.name for _, made in front(pairs, surely=True)] == ["safe", "faster"]
    assert [made.plan.name for _, made in front(pairs)] == ["safe", "tie", "faster"]
