"""Intervals: that they cover what they promise, on simulated data with a known truth."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from ovquant.stats.intervals import decided, mean_interval, ratio_of_medians, shrunk, smallest


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_mean_interval_covers_the_mean(confidence: float) -> None:
    generator = np.random.default_rng(0)
    intervals = [mean_interval(generator.normal(0.3, 2, 30), confidence=confidence) for _ in range(2000)]
    covered = np.mean([low <= 0.3 <= high for low, high in intervals])
    assert covered == pytest.approx(confidence, abs=0.02)


def test_the_mean_interval_covers_the_drop_of_right_and_wrong_answers() -> None:
    """Differences of -1, 0 and 1, most of them 0, as exact match gives."""
    generator = np.random.default_rng(1)
    drawn = [generator.choice([-1.0, 0.0, 1.0], 1000, p=[0.02, 0.94, 0.04]) for _ in range(1000)]
    covered = np.mean([low <= 0.02 <= high for low, high in map(mean_interval, drawn)])
    assert 0.93 <= covered <= 0.97


def test_the_mean_interval_is_students() -> None:
    low, high = mean_interval([1.0, 2.0, 3.0])
    assert (low, high) == pytest.approx((2 - 2.484, 2 + 2.484), abs=1e-3)


def test_no_difference_has_no_width() -> None:
    assert mean_interval([0.5] * 10) == (0.5, 0.5)


@pytest.mark.parametrize("values", [[], [0.1]])
def test_too_few_to_say_anything(values: list[float]) -> None:
    assert mean_interval(values) == (-np.inf, np.inf)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=50))
def test_the_mean_lies_inside(values: list[float]) -> None:
    low, high = mean_interval(values)
    assert low - 1e-9 <= np.mean(values) <= high + 1e-9


def test_more_confidence_is_wider_and_more_samples_are_narrower() -> None:
    values = np.random.default_rng(2).normal(size=400)

    def width(sample: np.ndarray, confidence: float) -> float:
        low, high = mean_interval(sample, confidence=confidence)
        return high - low

    assert width(values, 0.99) > width(values, 0.95) > width(values, 0.5)
    assert width(values, 0.95) < width(values[:40], 0.95)


def test_the_ratio_of_equal_series_is_one() -> None:
    times = np.random.default_rng(3).lognormal(2, 0.3, 60)
    assert ratio_of_medians(times, times) == (1.0, 1.0, 1.0)


def test_a_ratio_has_no_unit() -> None:
    generator = np.random.default_rng(4)
    top, bottom = generator.lognormal(1, 0.2, 60), generator.lognormal(2, 0.2, 60)
    assert ratio_of_medians(top * 1000, bottom * 1000) == pytest.approx(ratio_of_medians(top, bottom))


def test_the_ratio_interval_covers_the_ratio() -> None:
    """Both series drift together, as on a machine that throttles."""
    generator = np.random.default_rng(5)
    covered = 0
    for seed in range(300):
        drift = np.exp(0.1 * np.sin(np.arange(60) / 9))
        bottom = 8 * drift * generator.lognormal(0, 0.05, 60)
        top = 0.7 * 8 * drift * generator.lognormal(0, 0.05, 60)
        _, low, high = ratio_of_medians(top, bottom, seed=seed)
        covered += low <= 0.7 <= high
    assert covered / 300 >= 0.9


def test_one_slow_round_changes_little() -> None:
    times = np.full(101, 5.0)
    times[50] = 5000.0
    ratio, low, high = ratio_of_medians(times, np.full(101, 10.0))
    assert (ratio, low, high) == (0.5, 0.5, 0.5)


def test_same_seed_same_interval() -> None:
    generator = np.random.default_rng(6)
    top, bottom = generator.lognormal(size=40), generator.lognormal(size=40)
    assert ratio_of_medians(top, bottom, seed=1) == ratio_of_medians(top, bottom, seed=1)
    assert ratio_of_medians(top, bottom, seed=1) != ratio_of_medians(top, bottom, seed=2)


@given(st.lists(st.tuples(st.floats(0.01, 100), st.floats(0.01, 100)), min_size=1, max_size=30))
def test_the_ends_are_in_order(pairs: list[tuple[float, float]]) -> None:
    top, bottom = zip(*pairs, strict=True)
    ratio, low, high = ratio_of_medians(top, bottom)
    assert 0 < low <= high
    assert ratio == pytest.approx(np.median(top) / np.median(bottom))


@pytest.mark.parametrize(("true_excess", "side"), [(0.08, "outside"), (-0.04, "inside")])
def test_a_clear_case_is_decided_early(true_excess: float, side: str) -> None:
    generator = np.random.default_rng(0)
    # A plan is wrong where float is right on this share of samples; 2 points are allowed.
    items = (generator.random(500) < true_excess + 0.02).astype(float) if true_excess > 0 else np.zeros(500)
    allowed = 0.02 if true_excess > 0 else 0.04
    assert decided(items - allowed, spread=1.0, looks=3) == side


def test_a_close_case_stays_open_and_few_equal_samples_prove_nothing() -> None:
    close = np.where(np.arange(400) % 50 == 0, 1.0, 0.0) - 0.02
    assert decided(close, spread=1.0, looks=3) is None
    assert decided(np.full(64, -0.02), spread=1.0, looks=3) is None


def test_early_decisions_are_seldom_wrong() -> None:
    generator, wrong = np.random.default_rng(1), 0
    for _ in range(400):
        items = (generator.random(512) < 0.03).astype(float) - 0.02
        looks = [decided(items[:end], spread=1.0, looks=4) for end in (64, 128, 256, 512)]
        wrong += next((side for side in looks if side), None) == "inside"
    assert wrong <= 0.02 * 400


@pytest.mark.parametrize(("noise", "left"), [(0.0, 1.0), (0.25, 0.75), (0.5, 0.5), (0.75, 0.25), (1.0, 0.0)])
def test_what_is_left_of_a_figure_is_the_share_of_the_spread_that_is_no_noise(noise: float, left: float) -> None:
    spread = 1 / scipy.stats.norm.ppf(0.75)
    found = shrunk([-2.0, -1.0, 0.0, 1.0, 2.0], [spread * noise**0.5] * 5)
    assert found == pytest.approx([left * value for value in (-2, -1, 0, 1, 2)], abs=1e-3)


@pytest.mark.parametrize("edge", [0.031, 0.4, 7.7])
def test_the_least_value_that_is_rejected_is_found_by_few_questions(edge: float) -> None:
    asked: list[float] = []

    def rejected(value: float) -> bool:
        asked.append(value)
        assert len(asked) < 30
        return value >= edge

    assert smallest(rejected, 0.03, 10.0, step=0.1) == pytest.approx(edge, abs=1e-3)


def test_where_nothing_is_rejected_it_is_the_end() -> None:
    assert smallest(lambda value: False, 0.0, 1.0, step=0.1) == 1.0
