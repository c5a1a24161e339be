"""Uses of a holdout are logged, and none is forgotten."""

from pathlib import Path

import numpy as np
import pytest

from ovquant.domain.holdout_log import carry, level_of, log_use
from ovquant.domain.profile import Profile
from ovquant.domain.sample import Sample
from ovquant.domain.split import Subset, whole


def data(start: int, end: int) -> Subset:
    return whole([Sample(np.array([value])) for value in range(start, end)])


def test_looks_are_counted_by_holdout_and_decision(tmp_path: Path) -> None:
    profile = Profile(tmp_path / "profile.jsonl")
    assert log_use(profile, data(0, 50), {"plans": ["a"]}) == 1
    assert log_use(profile, data(0, 50), {"plans": ["b"]}) == 2
    # A run that goes on decides the same again.
    assert log_use(profile, data(0, 50), {"plans": ["a"]}) == 1
    assert log_use(Profile(profile.path), data(0, 50), {"plans": ["c"]}) == 3


def test_holdouts_that_share_a_sample_share_their_looks() -> None:
    profile = Profile()
    assert log_use(profile, data(0, 50), {"plans": ["a"]}) == 1
    assert log_use(profile, data(50, 90), {"plans": ["a"]}) == 1
    assert log_use(profile, data(49, 51), {"plans": ["a"]}) == 3


def test_looks_survive_the_result_that_they_were_for() -> None:
    old, new = Profile(), Profile()
    log_use(old, data(0, 50), {"plans": ["a"]})
    carry(old, new)
    assert log_use(new, data(0, 50), {"plans": ["b"]}) == 2


def test_all_looks_together_stay_within_the_confidence() -> None:
    levels = [level_of(0.95, number) or 0.0 for number in range(1, 60)]
    assert levels[:2] == pytest.approx([0.025, 0.0125])
    assert sum(levels) == pytest.approx(0.05)
