"""Batches of a user's own loader are not counted as samples."""

from collections.abc import Iterator
from typing import Any

import numpy as np

import ovquant
from tests.api.models import linear, samples

ROWS = samples(120)
BATCH = 8


class Loader:
    """Yields eight samples at once."""

    def __iter__(self) -> Iterator[Any]:
        for start in range(0, len(ROWS), BATCH):
            part = ROWS[start : start + BATCH]
            yield np.stack([np.asarray(sample.inputs) for sample in part]), np.array([sample.target for sample in part])


def test_rows_are_counted() -> None:
    note = "The data came in 15 batches; each of their 120 rows counts as a sample."
    found = ovquant.evaluate(linear(), data=Loader(), metric="accuracy")
    assert (found.evaluation.samples, found.evaluation.score, found.notes) == (120, 1.0, (note,))
    how: dict[str, Any] = {"strategy": "first", "recipes": ["default"], "optimize": "size", "isolate": False}
    result = ovquant.quantize(linear(), data=Loader(), metric="accuracy", max_drop="10%", **how)
    assert {role: data.samples for role, data in result.provenance.data.items()} == {
        "search": 60,
        "holdout": 60,
        "calibration": 60,
    }
    assert result.notes[0] == note
