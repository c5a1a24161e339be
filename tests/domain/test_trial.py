"""Timings that are put together."""

import numpy as np
import pytest

from ovquant.domain.trial import Timing


def timing(ratio: float, noise: float = 0.01, rounds: int = 100) -> Timing:
    return Timing(10 * ratio, 12 * ratio, 10, 12, ratio, ratio - noise, ratio + noise, rounds)


def test_one_timing_joined_is_itself() -> None:
    assert Timing.joined([timing(0.5)]) == timing(0.5)


def test_the_interval_is_over_compilations() -> None:
    joined = Timing.joined([timing(0.5), timing(0.54), timing(0.52), timing(0.51)])
    assert joined.ratio == pytest.approx((0.5 * 0.54 * 0.52 * 0.51) ** 0.25)
    # Student's t with three degrees of freedom.
    error = float(np.std(np.log([0.5, 0.54, 0.52, 0.51]), ddof=1)) / 2
    assert joined.ratio_high == pytest.approx(joined.ratio * np.exp(3.1824 * error), rel=1e-4)
    assert (joined.rounds, joined.heats) == (400, 4)


def test_a_stricter_level_widens_it() -> None:
    heats = [timing(0.5), timing(0.54), timing(0.52)]
    wide, narrow = (Timing.joined(heats, confidence=level) for level in (0.99, 0.95))
    assert wide.ratio_low < narrow.ratio_low < narrow.ratio_high < wide.ratio_high


def test_one_heat_decides_nothing() -> None:
    times = np.full(50, 2.0)
    found = Timing.of(times, 2 * times)
    assert found.ratio == pytest.approx(0.5)
    assert found.speedup == pytest.approx(2.0)
    assert not found.decided
    assert Timing.joined([found, found]).decided


def test_times_of_two_modes_have_a_ratio_that_stands_them() -> None:
    """Each round is slow or quick by chance: a ratio of medians jumps between the modes."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(50):
        modes = random.choice([1.0, 1.4], (2, 101))
        found.append(Timing.of(*(modes * random.normal(1, 0.01, modes.shape))).ratio)
    assert np.std(np.log(found)) < 0.06
    assert abs(np.mean(np.log(found))) < 0.02
