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
    shift: int = 0
    read: int = 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        self.read += 1
        return Sample([np.random.default_rng([self.seed, index]).random(4)], index % 3 + self.shift)


def test_each_sample_has_its_role_and_none_is_read() -> None:
    known = split_data(Rows(200), seed=1)
    sent = pickle.dumps(detached(known))
    assert len(sent) < 20_000
    data = Rows(200)
    found = attached(pickle.loads(sent), data, room=Room(0))
    assert data.read == 0
    assert found == known
    for mine, theirs in ((found.search, known.search), (found.holdout, known.holdout)):
        assert all(np.array_equal(one.inputs[0], other.inputs[0]) for one, other in zip(mine, theirs, strict=True))
    assert (data.read, len(found.search.dataset)) == (200, 200)


def test_data_of_their_own_are_those_of_their_role() -> None:
    parts: dict[str, Any] = {"holdout": Rows(60, seed=1), "calibration": Rows(50, seed=2)}
    known = split_data(Rows(100), **parts)
    found = attached(detached(known), Rows(100), **parts, room=Room(0))
    assert found == known
    assert found.calibration[3].inputs[0][0] == known.calibration[3].inputs[0][0]


@pytest.mark.parametrize("other", [Rows(200, seed=1), Rows(200, shift=1)])
def test_samples_with_other_inputs_or_targets_are_refused_when_they_are_read(other: Rows) -> None:
    known = split_data(Rows(200))
    found = attached(detached(known), other, room=Room(0))
    index = known.holdout.indices[5]
    with pytest.raises(
        DataError, match=f"^Sample {index} of 200 was another one when the data were read before, or elsewhere"
    ):
        found.holdout[5]


def test_a_sample_without_a_role_is_anyones() -> None:
    """Copies among held-out samples have none."""
    data = [Sample([np.full(2, min(place, 30), np.float32)], place) for place in range(60)]
    known = split_data([Sample([np.full(2, place + 100, np.float32)], place) for place in range(60)], holdout=data)
    found = attached(detached(known), known.search.dataset, holdout=data, room=Room(0))
    assert len(found.holdout) == 31
    assert found.holdout.dataset[59].target == 59
