"""Timings that are put together."""

import numpy as np
import pytest

from ovquant.trials import Timing


def timing(ratio: float, noise: float = 0.01, rounds: int = 100) -> Timing:
    return Timing(10 * ratio, 12 * ratio, 10, 12, ratio, ratio - noise, ratio + noise, rounds)


def test_one_timing_joined_is_itself() -> None:
    assert Timing.joined([timing(0.5)]).ratio == pytest.approx(0.5)
    assert Timing.joined([timing(0.5)]).heats == 1


def test_the_interval_reaches_around_all_compilations() -> None:
    joined = Timing.joined([timing(0.5), timing(0.54)])
    assert joined.ratio == pytest.approx((0.5 * 0.54) ** 0.5)
    assert (joined.ratio_low, joined.ratio_high) == (0.49, 0.55)
    assert (joined.rounds, joined.heats) == (200, 2)


def test_timings_weigh_as_many_as_their_heats() -> None:
    twice = Timing.joined([timing(0.5), timing(0.54)])
    at_once = Timing.joined([timing(0.5), timing(0.54), timing(0.6)])
    assert Timing.joined([twice, timing(0.6)]).ratio == pytest.approx(at_once.ratio)
    assert Timing.joined([twice, timing(0.6)]).heats == 3


def test_a_timing_of_times() -> None:
    times = np.full(50, 2.0)
    found = Timing.of(times, 2 * times)
    assert (found.ratio, found.speedup, found.decided) == (0.5, 2.0, True)
