"""Trials as a strategy sees them, under a drop, under limits, and under both."""

from dataclasses import replace

import pytest

from ovquant.domain.table import LayerRow
from tests.search.trials import CANDIDATE, judge, trial


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
