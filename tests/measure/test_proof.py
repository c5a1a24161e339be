"""Proofs from paired scores: which method fits, what it claims, and that it seldom claims too much."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ovquant.domain.budget import Drop, Limit
from ovquant.measure.proof import Paired, bootstrap_interval, bootstrap_p_value

ONE_POINT = Limit(max_drop=Drop(0.01))


def paired(worse: int, better: int, samples: int, *, right: float = 0.9, **how: Any) -> Paired:
    truth = np.zeros(samples)
    truth[: int(right * samples)] = 1.0
    items = truth.copy()
    items[:worse] = 0.0
    if better:
        items[-better:] = 1.0
    how = {"higher_is_better": True, **how}
    if not how["higher_is_better"]:
        items, truth = 1 - items, 1 - truth
    return Paired(items, truth, **how)


def test_the_method_follows_from_what_is_known_of_the_scores() -> None:
    assert paired(3, 1, 100).method == "exact"
    assert paired(3, 1, 100, groups=np.arange(100) // 2).method == "betting"
    halves = Paired(np.full(10, 0.5), np.full(10, 0.5), True)
    assert halves.method == "t"
    assert Paired(halves.items, halves.truth, True, (0.0, 1.0)).method == "betting"


@pytest.mark.parametrize("higher", [True, False])
def test_direction_makes_no_difference(higher: bool) -> None:
    one = paired(4, 1, 2000, higher_is_better=higher)
    assert one.drops.mean() == pytest.approx(3 / 2000)
    assert one.p_value(ONE_POINT, 0.05) == pytest.approx(paired(4, 1, 2000).p_value(ONE_POINT, 0.05))
    assert one.interval() == paired(4, 1, 2000).interval()


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 100), kind=st.sampled_from(["exact", "betting", "t", "groups"]))
def test_order_makes_no_difference(seed: int, kind: str) -> None:
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, 2, 120).astype(float)
    items = np.where(generator.random(120) < 0.9, truth, 1 - truth)
    bounds, groups = None, None
    if kind in ("betting", "t"):
        truth, items = truth * 0.8, items * 0.7
        bounds = (0.0, 1.0) if kind == "betting" else None
    if kind == "groups":
        groups = np.arange(120) // 3
    order = generator.permutation(120)
    here = Paired(items, truth, True, bounds, groups=groups)
    there = Paired(items[order], truth[order], True, bounds, groups=None if groups is None else groups[order])
    budget = Limit(max_drop=Drop(0.2))
    assert here.p_value(budget, 0.05) == pytest.approx(there.p_value(budget, 0.05))
    assert here.interval() == pytest.approx(there.interval())


@pytest.mark.parametrize("kind", ["exact", "betting", "t"])
def test_more_confidence_and_a_smaller_budget_are_harder(kind: str) -> None:
    one = paired(10, 4, 3000)
    if kind != "exact":
        one = Paired(one.items * 0.9, one.truth * 0.9, True, (0.0, 1.0) if kind == "betting" else None)
    assert one.method == kind
    p_values = [one.p_value(Limit(max_drop=Drop(allowed)), 0.05) for allowed in (0.005, 0.01, 0.02, 0.05)]
    assert p_values == sorted(p_values, reverse=True)
    assert one.bound(0.01) > one.bound(0.05) > one.drops.mean()
    low, high = one.interval()
    assert low < one.drops.mean() < high


def test_a_relative_budget_allows_no_more_than_float_surely_earns() -> None:
    one = paired(5, 2, 4000, right=0.5)
    relative = one.p_value(Limit(max_drop=Drop(0.02, relative=True)), 0.05)
    absolute = one.p_value(Limit(max_drop=Drop(0.01)), 0.05)
    assert absolute < relative < absolute + 0.02


def test_a_floor_is_proven_too() -> None:
    one = paired(2, 2, 2000, right=0.9)
    assert one.p_value(Limit(max_drop=Drop(0.05), floor=0.85), 0.05) < 0.001
    assert one.p_value(Limit(max_drop=Drop(0.05), floor=0.895), 0.05) > 0.2
    worse = paired(2, 2, 2000, right=0.9, higher_is_better=False)
    assert worse.p_value(Limit(max_drop=Drop(0.05), floor=0.15), 0.05) < 0.001
    assert worse.p_value(Limit(max_drop=Drop(0.05), floor=0.105), 0.05) > 0.2
    bounded = Paired(one.items * 0.5, one.truth * 0.5, True, (0.0, 1.0))
    assert bounded.p_value(Limit(max_drop=Drop(0.05), floor=0.3), 0.05) < 0.001


def test_groups_are_the_units() -> None:
    single = paired(40, 0, 4000, bounds=(0.0, 1.0))
    budget = Limit(max_drop=Drop(0.03))
    copied = Paired(single.items, single.truth, True, groups=np.arange(4000) // 100)
    assert single.p_value(budget, 0.05) < 1e-5
    assert copied.p_value(budget, 0.05) > 0.05
    assert copied.interval()[1] > single.interval()[1]


def test_agreement_with_float_is_the_binomial_test() -> None:
    truth, items = np.ones(1000), np.ones(1000)
    items[:2] = 0.0
    one = Paired(items, truth, True, (0.0, 1.0), against_float=True)
    assert one.p_value(ONE_POINT, 0.05) == pytest.approx(0.0027, abs=2e-4)
    low, high = one.interval()
    assert (low, high) == (pytest.approx(0.00024, abs=1e-4), pytest.approx(0.0072, abs=2e-4))


def test_what_would_decide_is_told() -> None:
    one = paired(10, 5, 1000)
    assert one.p_value(ONE_POINT, 0.05) > 0.05
    needed = one.needed(ONE_POINT, 0.05)
    assert needed is not None
    factor = needed // 1000 + 1
    assert paired(10 * factor, 5 * factor, 1000 * factor).p_value(ONE_POINT, 0.05) <= 0.05
    assert paired(30, 5, 1000).needed(ONE_POINT, 0.05) is None
    assert paired(30, 5, 1000).needed(ONE_POINT, 0.05, either=True) is not None
    assert paired(0, 0, 50).needed(ONE_POINT, 0.05) >= 299  # type: ignore[operator]


def test_groups_of_which_each_may_be_the_largest_need_more() -> None:
    sizes = np.array([40, 3, 3, 3, 3] * 5)

    def times(factor: int) -> Paired:
        items = np.tile(np.random.default_rng(0).uniform(0.98, 1.0, int(sizes.sum())), factor)
        groups = np.repeat(np.arange(sizes.size * factor), np.tile(sizes, factor))
        return Paired(items, np.ones(items.size), True, (0.0, 1.0), groups=groups, against_float=True)

    five = Limit(max_drop=Drop(0.05))
    needed = times(1).needed(five, 0.05)
    assert needed is not None
    factor = needed // int(sizes.sum()) + 1
    assert times(factor).p_value(five, 0.05) <= 0.05 < times(max(1, factor // 3)).p_value(five, 0.05)


def test_nothing_is_proven_of_constant_scores_at_a_budget_of_zero() -> None:
    same = Paired(np.ones(500), np.ones(500), True)
    assert same.p_value(Limit(max_drop=Drop(0.0)), 0.05) == 1.0
    assert same.p_value(ONE_POINT, 0.05) < 0.02


@pytest.mark.parametrize("seed", range(3))
def test_the_whole_proof_seldom_passes_a_plan_just_outside(seed: int) -> None:
    generator = np.random.default_rng(seed)
    passed = 0
    for _ in range(300):
        truth = (generator.random(400) < 0.8).astype(float)
        # Of what float gets right 3 % are lost: just outside a relative budget of 3 %.
        items = np.where(generator.random(400) < 0.03, 0.0, truth)
        passed += Paired(items, truth, True).p_value(Limit(max_drop=Drop(0.03, relative=True)), 0.05) <= 0.05
    assert passed / 300 <= 0.05 + 4 * (0.05 * 0.95 / 300) ** 0.5


def test_a_bootstrap_counts_resamples() -> None:
    drops = np.linspace(-0.01, 0.01, 1001)
    assert bootstrap_interval(drops) == (pytest.approx(-0.0095), pytest.approx(0.0095))
    assert bootstrap_p_value(drops) == pytest.approx(0.5, abs=0.01)
    assert bootstrap_p_value(drops - 1) == pytest.approx(1 / 1002)
