"""The finite-sample tests: against brute force, and the properties that any such test must have."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammaln, xlogy
from scipy.stats import binomtest

from ovquant.stats.exact import NUISANCE_ERROR, binomial_low, binomial_p_value, paired_bound, paired_p_value

few = settings(max_examples=40, deadline=None)


def brute_force(worse: int, better: int, samples: int, margin: float) -> float:
    """Sum the probabilities of all outcomes as extreme, over a fine grid of the nuisance parameter's interval."""
    first, second = np.meshgrid(np.arange(samples + 1.0), np.arange(samples + 1.0), indexing="ij")
    real = first + second <= samples

    def score(down: np.ndarray, up: np.ndarray) -> np.ndarray:
        down, up = np.broadcast_arrays(down, up)
        linear = -down - up + (2 * samples - down + up) * margin
        root = np.sqrt(np.maximum(linear**2 + 8 * samples * up * margin * (1 - margin), 0))
        rate = (root - linear) / (4 * samples)
        spread = np.sqrt(np.maximum(samples * (2 * rate + margin * (1 - margin)), 0))
        return np.divide(down - up - samples * margin, spread, out=np.zeros_like(down + up), where=spread > 1e-9)

    region = real & (score(first, second) <= score(np.array(float(worse)), np.array(float(better))) + 1e-9)
    rest = np.where(real, samples - first - second, 0)
    ways = gammaln(samples + 1) - gammaln(first + 1) - gammaln(second + 1) - gammaln(rest + 1)
    interval = binomtest(better, samples).proportion_ci(1 - NUISANCE_ERROR)
    rates = np.linspace(max(interval.low, -margin), min(interval.high, (1 - margin) / 2), 600)
    return max(
        float(
            np.exp(ways + xlogy(first, q + margin) + xlogy(second, q) + xlogy(rest, max(0.0, 1 - 2 * q - margin)))[
                region
            ].sum()
        )
        for q in rates
    )


@pytest.mark.parametrize("samples", [5, 18, 40])
@pytest.mark.parametrize("margin", [-0.1, 0.0, 0.01, 0.1, 0.3])
def test_the_paired_test_is_exact(samples: int, margin: float) -> None:
    for worse in range(4):
        for better in range(6):
            if worse - better >= samples * margin:
                continue
            expected = brute_force(worse, better, samples, margin)
            found = paired_p_value(worse, better, samples, margin)
            assert expected * (1 - 1e-3) <= found <= expected * 1.03 + 2 * NUISANCE_ERROR


def test_a_drop_at_the_margin_proves_nothing() -> None:
    assert paired_p_value(30, 20, 1000, 0.01) == 1.0
    assert paired_p_value(0, 0, 1000, 0.0) == 1.0


def test_without_better_samples_by_construction_it_is_the_binomial_test() -> None:
    assert paired_p_value(0, 0, 300, 0.01, never_better=True) == pytest.approx(0.99**300)
    assert paired_p_value(2, 0, 1000, 0.01, never_better=True) < paired_p_value(2, 0, 1000, 0.01) * 1.001


@few
@given(samples=st.integers(20, 400), worse=st.integers(0, 15), better=st.integers(0, 15), margin=st.floats(0.005, 0.3))
def test_more_harm_is_never_more_convincing(samples: int, worse: int, better: int, margin: float) -> None:
    here = paired_p_value(worse, better, samples, margin)
    assert 0 < here <= 1
    assert paired_p_value(worse + 1, better, samples, margin) >= here * 0.97 - 2 * NUISANCE_ERROR
    assert paired_p_value(worse, better, samples, margin * 1.2) <= here * 1.03 + 2 * NUISANCE_ERROR


@settings(max_examples=15, deadline=None)
@given(samples=st.integers(30, 300), worse=st.integers(0, 10), better=st.integers(0, 10))
def test_the_paired_bound_tightens_with_samples_and_widens_with_confidence(
    samples: int, worse: int, better: int
) -> None:
    bound = paired_bound(worse, better, samples, confidence=0.95)
    assert bound > (worse - better) / samples
    assert paired_bound(2 * worse, 2 * better, 2 * samples, confidence=0.95) <= bound * 1.02 + 1e-3
    assert paired_bound(worse, better, samples, confidence=0.99) >= bound - 1e-4
    assert paired_p_value(worse, better, samples, min(1.0, bound + 0.02)) <= 0.052


def test_a_bound_can_be_an_improvement() -> None:
    assert -0.02 < paired_bound(10, 30, 1000, confidence=0.95) < 0
    assert paired_bound(10, 30, 1000, confidence=0.95) == pytest.approx(-0.0099, abs=0.001)


def test_binomial_bounds_cover() -> None:
    assert binomial_low(0, 50, confidence=0.95) == 0.0
    low = binomial_low(45, 50, confidence=0.95)
    assert binomial_p_value(45, 50, low) == pytest.approx(0.05, abs=1e-6)
    assert binomial_p_value(50, 50, 1.0) == 1.0


@pytest.mark.parametrize("rates", [(0.02, 0.01), (0.012, 0.002), (0.05, 0.04)])
def test_the_paired_test_seldom_passes_a_plan_just_outside(rates: tuple[float, float]) -> None:
    samples, generator = 400, np.random.default_rng(1)
    draws = generator.multinomial(samples, [*rates, 1 - sum(rates)], size=600)
    margin = rates[0] - rates[1]
    known: dict[tuple[int, int], bool] = {}
    passed = 0
    for worse, better, _ in draws:
        pair = (int(worse), int(better))
        if pair not in known:
            known[pair] = paired_p_value(*pair, samples, margin) <= 0.05
        passed += known[pair]
    # 0.05 and four standard errors of 600 draws.
    assert passed / 600 <= 0.05 + 4 * 0.009
