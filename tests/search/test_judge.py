"""Trials as a strategy sees them, under a drop, under limits, and under both."""

from dataclasses import replace

import pytest

from ovquant.domain.table import LayerRow
from ovquant.domain.trial import Scores
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


def test_what_a_proof_will_take_is_held_in_reserve() -> None:
    plain = trial("x")
    assert plain.search is not None
    noisy = replace(plain, search=Scores((replace(plain.search.main, deviation=0.1),)))
    sure = replace(judge(drop=0.01), level=0.05, proving=400)
    # One side of 5 % is 1.645 standard errors, of 0.1/√400 each.
    assert sure.row(CANDIDATE, noisy).excess == pytest.approx(-0.01 + 0.00822, abs=1e-4)
    assert judge(drop=0.01).row(CANDIDATE, noisy).excess == pytest.approx(-0.01)


def test_a_metric_with_a_limit_of_its_own_counts_by_the_share_of_that_limit() -> None:
    two = trial("x")
    assert two.search is not None
    # Of the four points that the other may lose it has lost three.
    other = replace(two.search.main, metric="other", drop=0.03, excess=-0.01, low=0.01, high=0.05)
    row = judge(drop=0.01).row(CANDIDATE, replace(two, search=Scores((two.search.main, other))))
    assert (row.excess, row.noise) == (pytest.approx(-0.01 / 4), pytest.approx(0.02 / 4))
