"""Timings that are put together, and scores that are written and read."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ovquant.domain.plan import Plan
from ovquant.domain.recipe import Recipe
from ovquant.domain.trial import Score, Scores, Timing, Trial


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


MAIN = Score("search", 0.88, 0.9, 0.02, -0.01, 100, 0.0, 0.04, "t", "accuracy", deviation=0.1)
SLICE = Score("search", 0.7, 0.9, 0.2, 0.15, 20, 0.1, 0.3, "t", "accuracy", slice="night")


@pytest.mark.parametrize("scores", [Scores((MAIN,)), Scores((MAIN, SLICE))])
def test_scores_and_trials_are_read_as_they_were_written(scores: Scores) -> None:
    assert Scores.from_json(json.loads(json.dumps(scores.to_json()))) == scores
    afar = replace(scores, workers=("tcp://a:1", "tcp://b:2"))
    assert Scores.from_json(json.loads(json.dumps(afar.to_json()))).workers == afar.workers
    trial = Trial(Plan("x", Recipe()), scores, None, timing(0.5), 25, 0.1, {"stem": "float"}, predicted=0.6)
    for made in (trial, replace(trial, search=None, holdout=scores), Trial(trial.plan, problem="no")):
        assert Trial.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_a_budget_is_held_where_every_part_of_it_is() -> None:
    inside = replace(SLICE, excess=-0.05)
    assert Scores((MAIN, inside)).holds is True
    assert Scores((MAIN, SLICE)).holds is False
    assert Scores((replace(MAIN, level=0.05, p_value=0.04), replace(inside, level=0.05, p_value=0.06))).holds is False


@pytest.mark.parametrize(
    ("trial", "possible"),
    [
        (Trial(Plan("mixed"), problem="not calibrated: it takes 1.02 of float's time"), True),
        (Trial(Plan("mixed"), problem="not started: it takes about 60 s, and 20 s were left for it"), True),
        (Trial(Plan("mixed"), problem="it does not compile"), False),
        (Trial(Plan("mixed"), divergence=0.1, problem="not scored"), True),
    ],
)
def test_what_was_dismissed_may_be_possible(trial: Trial, possible: bool) -> None:
    assert trial.possible is possible
