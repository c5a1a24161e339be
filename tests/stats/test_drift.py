"""The test for drift: how seldom it is wrong, and how soon it is right."""

import numpy as np
import pytest

from ovquant.stats.betting import betting_bound
from ovquant.stats.drift import RESTART, Drift

STREAMS, LENGTH = 1000, 400


def fires(drift: Drift, values: np.ndarray) -> int | None:
    """Return after how many values drift is detected."""
    return next((place for place, value in enumerate(values, start=1) if drift.add(float(value))), None)


@pytest.mark.parametrize("rate", [0.03, 0.01])
def test_it_fires_in_at_most_a_twentieth_of_streams_without_drift(rate: float) -> None:
    generator = np.random.default_rng(0)
    fired = sum(fires(Drift(0.03), generator.random(LENGTH) < rate) is not None for _ in range(STREAMS))
    assert fired <= 0.05 * STREAMS


@pytest.mark.parametrize("quiet", [0, 1000, 10_000])
def test_drift_is_noticed_soon_however_long_it_was_quiet(quiet: int) -> None:
    generator, delays = np.random.default_rng(1), []
    for _ in range(10):
        drift = Drift(0.03)
        assert fires(drift, generator.random(quiet) < 0.005) is None
        delays.append(fires(drift, generator.random(2000) < 0.3))
    assert None not in delays
    assert np.median([delay for delay in delays if delay]) <= 2 * RESTART


def test_shares_of_disagreement_count_too() -> None:
    generator = np.random.default_rng(2)
    assert fires(Drift(0.1), generator.uniform(0.0, 0.18, 2000)) is None
    assert fires(Drift(0.1), generator.uniform(0.0, 0.6, 2000)) is not None


def test_what_was_detected_stays_detected() -> None:
    drift = Drift(0.01)
    assert fires(drift, np.ones(50)) is not None
    assert fires(drift, np.zeros(1)) == 1


def test_the_bound_is_that_of_all_values() -> None:
    drift, values = Drift(0.05), np.array([0.0] * 190 + [1.0] * 10)
    for value in values:
        drift.add(float(value))
    assert drift.mean == pytest.approx(0.05)
    assert drift.bound() == pytest.approx(betting_bound(values, low=0, high=1, confidence=0.95))
    assert Drift(0.05).bound() == 1.0
