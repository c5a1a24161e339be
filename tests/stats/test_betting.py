"""Tests and bounds by betting: the properties that any such test must have, and the wealth against plain arithmetic."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from ovquant.stats.betting import betting_bound, betting_p_value, log_wealth, mean_bound, repeats_needed, stakes_of

few = settings(max_examples=40, deadline=None)
values = st.lists(st.sampled_from([-1.0, -0.3, 0.0, 0.2, 1.0]), min_size=1, max_size=80)


@few
@given(values=values, seed=st.integers(0, 9))
def test_betting_does_not_depend_on_order(values: list[float], seed: int) -> None:
    shuffled = np.random.default_rng(seed).permutation(values)
    assert betting_p_value(values, low=-1, high=1) == pytest.approx(betting_p_value(shuffled, low=-1, high=1))


@few
@given(values=values)
def test_betting_bounds_are_monotone(values: list[float]) -> None:
    bound = betting_bound(values, low=-1, high=1, confidence=0.9)
    assert np.mean(values) <= bound <= 1
    assert betting_bound(values, low=-1, high=1, confidence=0.99) >= bound - 1e-6
    assert betting_bound(values * 4, low=-1, high=1, confidence=0.9) <= bound + 0.02
    assert betting_bound([*values, -1.0], low=-1, high=1, confidence=0.9) <= bound + 0.02


@pytest.mark.parametrize("spread", [None, 0.01, 3.0])
def test_the_gambler_is_no_richer_in_expectation(spread: float | None) -> None:
    """Whatever spread was expected: a wrong one costs power, and not validity."""
    generator = np.random.default_rng(0)
    # Worst allowed: a mean excess of exactly zero, skewed both ways.
    for outcomes, chances in (((-0.01, 0.99), (0.99, 0.01)), ((-0.9, 0.1), (0.1, 0.9)), ((-0.5, 0.5), (0.5, 0.5))):
        draws = generator.choice(outcomes, p=chances, size=(1000, 60))
        how = {"low": min(outcomes), "high": max(outcomes), "spread": spread}
        wealth = np.exp([log_wealth(draw, **how) for draw in draws])
        assert wealth.mean() <= 1 + 4 * wealth.std() / 1000**0.5


@pytest.mark.parametrize("rates", [(0.02, 0.01), (0.012, 0.002), (0.05, 0.04)])
def test_betting_seldom_passes_a_plan_just_outside(rates: tuple[float, float]) -> None:
    samples, generator = 400, np.random.default_rng(1)
    draws = generator.multinomial(samples, [*rates, 1 - sum(rates)], size=600)
    margin, passed = rates[0] - rates[1], 0
    for worse, better, _ in draws:
        excess = np.concatenate([np.full(worse, 1.0), np.full(better, -1.0), np.zeros(samples - worse - better)])
        passed += betting_p_value(excess - margin, low=-1 - margin, high=1 - margin) <= 0.05
    # 0.05 and four standard errors of 600 draws.
    assert passed / 600 <= 0.05 + 4 * 0.009


# Wealth ----------------------------------------------------------------------------------------------------------------

EXCESSES = [-0.2, -0.2, 0.1, -0.3, 0.0, -0.1, -0.3, 0.2]


def won(stakes: np.ndarray) -> np.ndarray:
    """Return what each stake has made of one, bet on each excess in turn."""
    wealth = np.ones(len(stakes))
    for excess in EXCESSES:
        wealth *= 1 - stakes * excess
    return wealth


def test_stakes_go_from_next_to_nothing_to_nearly_ruin() -> None:
    stakes = stakes_of(0.5)
    assert len(stakes) == 48
    assert (stakes[0], stakes[-1]) == (pytest.approx(2e-4), pytest.approx(1.96))
    assert np.ptp(np.diff(np.log(stakes))) < 1e-9
    assert stakes[-1] * 0.5 < 1


def test_wealth_is_shared_equally_by_the_stakes() -> None:
    expected = won(stakes_of(0.4)).mean()
    assert log_wealth(EXCESSES, low=-0.6, high=0.4) == pytest.approx(np.log(expected))
    assert expected > 1
    assert betting_p_value(EXCESSES, low=-0.6, high=0.4) == pytest.approx(1 / expected)


def test_most_of_it_is_put_where_an_expected_spread_aims_it() -> None:
    best = (2 * np.log(20) / len(EXCESSES)) ** 0.5 / 0.4
    aimed = np.array([0.7 * best, best, 1.4 * best])
    assert aimed[1] < 0.98 / 0.4 < aimed[2]
    expected = 0.1 * won(stakes_of(0.4)).mean() + 0.9 * won(np.minimum(aimed, 0.98 / 0.4)).mean()
    assert log_wealth(EXCESSES, low=-0.6, high=0.4, spread=0.4) == pytest.approx(np.log(expected))


def test_an_expected_spread_gives_power() -> None:
    excesses = np.random.default_rng(0).normal(-0.02, 0.1, 300).clip(-1, 1)
    plain, aimed = (betting_p_value(excesses, low=-1, high=1, spread=spread) for spread in (None, 0.1))
    assert aimed < plain / 2
    assert 0 < betting_p_value(excesses, low=-1, high=1, spread=0.0) <= 1


def test_values_outside_their_range_are_taken_for_its_ends() -> None:
    assert log_wealth([-3.0, 2.0], low=-0.6, high=0.4) == log_wealth([-0.6, 0.4], low=-0.6, high=0.4)


def test_what_cannot_be_above_zero_is_proven_and_what_cannot_be_below_never() -> None:
    for high in (0.0, -0.1):
        assert betting_p_value([-0.5], low=-1, high=high) == 0
    for low in (0.0, 0.1):
        assert betting_p_value([0.5] * 50, low=low, high=1) == 1
    assert betting_p_value([], low=-1, high=1) == 1
    assert log_wealth([], low=-1, high=1) == 0


def test_a_gambler_who_lost_has_proven_nothing_and_no_less() -> None:
    assert log_wealth([0.5] * 50, low=-1, high=1) < 0
    assert betting_p_value([0.5] * 50, low=-1, high=1) == 1


def test_zeros_with_a_margin_are_proven_as_fast_as_the_largest_stake_wins() -> None:
    """The only thing that 400 samples without a difference say: such as are rarer than one in twenty."""
    bound = betting_bound(np.zeros(400), low=-1, high=1, confidence=0.95)
    assert betting_p_value(np.zeros(400) - bound, low=-1 - bound, high=1 - bound) == pytest.approx(0.05, rel=0.02)
    assert 0.007 < bound < 0.02


# Means -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "shape"), [(300, (0.3, 20)), (300, (2, 8)), (1000, (0.05, 3))])
def test_the_bound_of_a_mean_seldom_lies_below_it_and_not_far_above(count: int, shape: tuple[float, float]) -> None:
    generator = np.random.default_rng(0)
    mean = shape[0] / sum(shape)
    deviation = (mean * (1 - mean) / (sum(shape) + 1)) ** 0.5
    bounds = np.array([mean_bound(generator.beta(*shape, count), confidence=0.95) for _ in range(150)])
    assert (bounds < mean).mean() <= 0.05
    # What a gambler needs for the spread, and for values that could have come and did not.
    assert np.median(bounds) - mean < 2.5 * deviation / count**0.5 + 2.5 * np.log(20) / count / 3


def test_the_bound_of_a_mean_of_zeros_and_ones_is_exact() -> None:
    values = np.repeat([1.0, 0.0], [16, 284])
    assert mean_bound(values, confidence=0.95) == pytest.approx(
        binomtest(16, 300, alternative="less").proportion_ci().high
    )
    assert mean_bound(np.zeros(59), confidence=0.95) == pytest.approx(1 - 0.05 ** (1 / 59))
    assert mean_bound(np.ones(9), confidence=0.95) == 1.0


def test_the_bound_of_a_mean_widens_with_confidence_and_narrows_with_samples() -> None:
    values = np.random.default_rng(0).beta(2, 8, 200)
    bounds = [mean_bound(values, confidence=level) for level in (0.5, 0.9, 0.99)]
    assert values.mean() < bounds[0] < bounds[1] < bounds[2] < 1
    assert mean_bound(np.tile(values, 4), confidence=0.9) < bounds[1]


def test_repeats_that_are_needed_are_enough_and_not_many_too_many() -> None:
    excesses = np.random.default_rng(0).uniform(-0.05, 0.02, 40)
    times = repeats_needed(excesses, low=-0.05, high=0.95, level=0.05)
    assert 1 < times < 100
    more, fewer = np.tile(excesses, math.ceil(times)), np.tile(excesses, math.floor(times / 2))
    assert betting_p_value(more, low=-0.05, high=0.95) <= 0.05 < betting_p_value(fewer, low=-0.05, high=0.95)
    assert math.isinf(repeats_needed(-excesses, low=-0.95, high=0.05, level=0.05))
    # What can never be above zero needs no proof.
    assert repeats_needed([-0.5, 0.0], low=-1.0, high=0.0, level=0.05) == 0
