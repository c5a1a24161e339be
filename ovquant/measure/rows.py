"""Data that a user's own loader gives in batches: each row is a sample, as it is with a torch DataLoader."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import openvino

from ovquant import runtime
from ovquant.domain.sample import Array, Dataset, Sample
from ovquant.errors import DataError, ModelError
from ovquant.plugins.datasets.objects import Items, split_batch
from ovquant.runtime import Deployment

LOOKED_AT, COMPARED, ALIKE = 2, 2, 0.02
"""Items that are looked at, rows of a batch that are run alone, and how far their outputs may differ."""
KEPT = 4
"""Batches that are kept, so that the rows of one are not read one by one."""


@dataclass(frozen=True)
class Rows:
    """The rows of batches as samples; `ends` has the rows up to and with each batch."""

    batches: Dataset
    ends: Sequence[int]
    _kept: OrderedDict[int, list[Sample]] = field(default_factory=OrderedDict, repr=False, compare=False)

    def __len__(self) -> int:
        return self.ends[-1]

    def __getitem__(self, index: int, /) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(index)
        place = int(np.searchsorted(self.ends, index, side="right"))
        return self._batch(place)[index - (self.ends[place - 1] if place else 0)]

    def _batch(self, place: int) -> list[Sample]:
        if place not in self._kept:
            self._kept[place] = divided(self.batches[place], place)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return self._kept[place]


def rows_of(data: Dataset, model: openvino.Model, deployment: Deployment) -> tuple[Dataset, tuple[str, ...]]:
    """Return data with each row of a batch as a sample, and a note of that; data that hold samples are returned as they are.

    An item is a batch where it has the rank of the model's inputs and more than one row, its target one entry per row, and the
    model gives each row what it gives it alone. A `Sample` is never a batch.
    """
    if not isinstance(data, Items) or isinstance(data.items[0], Sample):
        return data, ()
    first = next(
        (data[place] for place in range(min(LOOKED_AT, len(data))) if _looks_like_batch(model, data[place])), None
    )
    if first is None or not _is_of_rows(model, first, deployment):
        return data, ()
    ends = np.cumsum([len(divided(data[place], place)) for place in range(len(data))]).tolist()
    note = f"The data came in {len(data)} batches; each of their {ends[-1]:,} rows counts as a sample."
    return Rows(data, ends), (note,)


def divided(batch: Sample, place: int) -> list[Sample]:
    """Return the rows of a batch; raises DataError naming a batch that cannot be divided."""
    try:
        return split_batch((batch.inputs, batch.target), None)
    except (DataError, IndexError, TypeError) as error:
        raise DataError(
            f"Item {place} of the data cannot be divided into samples as those before it: {error}"
        ) from error


def _looks_like_batch(model: openvino.Model, item: Sample) -> bool:
    shapes = [port.get_partial_shape() for port in model.inputs]
    if any(shape.rank.is_dynamic or not len(shape) or not shape[0].is_dynamic for shape in shapes):
        return False
    try:
        lengths = {len(array) for array in runtime.fit(model.inputs, item)}
    except DataError:
        # What does not fit is refused elsewhere, in words of its own.
        return False
    rows = lengths.pop()
    if lengths or rows < 2:
        return False
    return item.target is None or (np.ndim(item.target) > 0 and len(item.target) == rows)


def _is_of_rows(model: openvino.Model, item: Sample, deployment: Deployment) -> bool:
    """Tell whether a model gives each row of a batch what it gives it alone."""
    if not all(runtime.batched_outputs(model)):
        return False
    try:
        compiled = runtime.compile_model(model, deployment, extra=runtime.REFERENCE)
        whole, *alone = (_outputs(compiled, rows) for rows in (item, *divided(item, 0)[:COMPARED]))
    except (DataError, ModelError):
        return False
    return all(
        _alike(mine[0], row)
        for place, one in enumerate(alone)
        for mine, row in zip(one, [o[place] for o in whole], strict=True)
    )


def _outputs(compiled: openvino.CompiledModel, sample: Sample) -> list[Array]:
    (block,) = runtime.infer(compiled, [sample])
    return list(block.outputs[0].values())


def _alike(mine: Any, truth: Any) -> bool:
    one, other = (np.nan_to_num(np.asarray(array, np.float64)) for array in (mine, truth))
    return one.shape == other.shape and bool(np.linalg.norm(one - other) <= ALIKE * np.linalg.norm(other) + 1e-6)
