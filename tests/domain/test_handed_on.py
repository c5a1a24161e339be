"""Splits that another process takes over have the same samples in the same roles, and no data travel."""

import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from ovquant.domain.cache import Room
from ovquant.domain.handed_on import attached, detached
from ovquant.domain.sample import Sample
from ovquant.domain.split import split_data
from ovquant.errors import DataError


@dataclass
class Rows:
    """Rows that are drawn from a seed; `read` counts how often."""

    count: int
    seed: int = 0
    read: int = 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        self.read += 1
        return Sample([np.random.default_rng([self.seed, index]).random(4)], index % 3)


def test_each_sample_has_its_role_and_only_the_first_of_each_is_read() -> None:
    known = split_data(Rows(200), seed=1)
    sent = pickle.dumps(detached(known))
    assert len(sent) < 20_000
    data = Rows(200)
    found = attached(pickle.loads(sent), data, room=Room(0))
    assert data.read == 3
    assert found == known
    for mine, theirs in ((found.search, known.search), (found.holdout, known.holdout)):
        assert all(np.array_equal(one.inputs[0], other.inputs[0]) for one, other in zip(mine, theirs, strict=True))


def test_data_of_their_own_are_those_of_their_role() -> None:
    parts: dict[str, Any] = {"holdout": Rows(60, seed=1), "calibration": Rows(50, seed=2)}
    known = split_data(Rows(100), **parts)
    found = attached(detached(known), Rows(100), **parts, room=Room(0))
    assert found == known
    assert found.calibration[3].inputs[0][0] == known.calibration[3].inputs[0][0]


def test_other_data_than_were_split_are_refused() -> None:
    known = split_data(Rows(200))
    with pytest.raises(DataError, match="differs from one process to another"):
        attached(detached(known), Rows(200, seed=1), room=Room(0))
