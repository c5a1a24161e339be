"""Samples to whole requests: how many of them one holds is told by the shape of a sample, and is decided here alone."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import openvino

from ovquant.domain.sample import Array, Dataset, Sample
from ovquant.errors import DataError
from ovquant.graph.names import names_of
from ovquant.graph.shapes import first_axis
from ovquant.runtime.batches import Filling
from ovquant.runtime.fit import fit
from ovquant.runtime.lengths import MASK, Fill, fills_of
from ovquant.runtime.supplied import completed


def filling_of(inputs: Sequence[Any], dataset: Dataset) -> Filling:
    """Return how the samples of a dataset fill the requests of a model; its first sample tells.

    An input whose fixed first axis is longer than one, and of which a sample has one row, takes as many samples. A sample
    that has the whole shape, such as the points of a cloud or the steps of a sequence, is a request of its own.
    Raises DataError where two inputs take different numbers of samples.
    """
    if all((first_axis(port) or 1) == 1 for port in inputs):
        return Filling(1, (False,) * len(inputs))
    return _filling(inputs, fit(inputs, dataset[0], what="sample 0"))


def _filling(inputs: Sequence[Any], arrays: Sequence[Array]) -> Filling:
    sizes = [first_axis(port) for port in inputs]
    single = [array.ndim > 0 and len(array) == 1 for array in arrays]
    lacking = {
        name: size
        for name, size, one in zip(names_of(inputs), sizes, single, strict=True)
        if one and size is not None and size > 1
    }
    if len(set(lacking.values())) > 1:
        counts = ", ".join(f"{size} of '{name}'" for name, size in lacking.items())
        raise DataError(
            f"A sample has one row of each input, and a request takes {counts}. Give samples of the whole shape, or fix "
            "the model's shapes with --input-shape."
        )
    batch = next(iter(lacking.values()), 1)
    # What has one row, and is not of one row by its shape, is given a row by each sample.
    return Filling(batch, tuple(batch > 1 and one and size != 1 for one, size in zip(single, sizes, strict=True)))


def joined(inputs: Sequence[Any], samples: Sequence[Sample], filling: Filling, numbers: Sequence[int]) -> list[Array]:
    """Return the inputs of one request of samples; the last is repeated until it is full.

    numbers: what errors call the samples. Raises DataError for samples that do not fit, or not together.
    """
    names = [f"sample {number}" for number in numbers]
    rows = [fit(inputs, sample, what=name) for sample, name in zip(samples, names, strict=True)]
    for arrays, name in zip(rows, names, strict=True):
        _check_filling(inputs, arrays, filling, name)
    if filling.size == 1:
        return rows[0]
    columns = [list(column) for column in zip(*rows, strict=True)]
    _level(columns, [fills_of(inputs, completed(inputs, sample)) for sample in samples])
    ports = zip(names_of(inputs), filling.joined, columns, strict=True)
    return [
        _concatenated(port, column, filling.size, names) if many else _shared(port, column, filling.size, names)
        for port, many, column in ports
    ]


def _level(columns: Sequence[list[Array]], fills: Sequence[Sequence[Fill | None]]) -> None:
    """Make the rows of each input, a column of arrays, as long as its longest, where it is known how."""
    for column, known in zip(columns, zip(*fills, strict=True), strict=True):
        if any(array.ndim < 2 for array in column) or len({array.shape for array in column}) == 1:
            continue
        longest = max(array.shape[1] for array in column)
        column[:] = [
            array if fill is None or array.shape[1] == longest else fill.lengthen(array, longest)
            for array, fill in zip(column, known, strict=True)
        ]


def _check_filling(inputs: Sequence[Any], arrays: Sequence[Array], filling: Filling, name: str) -> None:
    """Raise DataError for a sample that fills a request in another way than the first one of the data."""
    found = _filling(inputs, arrays)
    if found.size != filling.size:
        raise DataError(
            f"Of {name} a request holds {found.size}, and {filling.size} of the first sample: one has the whole shape of the "
            "model's inputs, the other one row of it. Give all samples in one of these shapes."
        )


def _concatenated(port: str, column: list[Array], size: int, names: Sequence[str]) -> Array:
    odd = next((place for place, array in enumerate(column) if array.shape != column[0].shape), None)
    if odd is not None:
        raise DataError(
            f"A request holds {size} samples, and in the input '{port}' {names[0]} has the shape {list(column[0].shape)} and "
            f"{names[odd]} {list(column[odd].shape)}. Bring the samples to one size (texts: pad=LENGTH, or give an {MASK}), or take a "
            "batch of 1 with --batch 1."
        )
    return np.concatenate([*column, *[column[-1]] * (size - len(column))])


def _shared(port: str, column: Sequence[Array], size: int, names: Sequence[str]) -> Array:
    odd = next((place for place, array in enumerate(column) if not _same(array, column[0])), None)
    if odd is not None:
        raise DataError(
            f"A request holds {size} samples, which share the input '{port}': it has no row for each. {names[odd]} has "
            f"another value than {names[0]}. Take a batch of 1 with --batch 1."
        )
    return column[0]


def _same(one: Array, other: Array) -> bool:
    return one.shape == other.shape and one.tobytes() == other.tobytes()


def request(inputs: Sequence[Any], dataset: Dataset, begin: int, filling: Filling) -> list[Array]:
    """Return the inputs of the whole request that begins with a sample, going round at the end."""
    numbers = [index % len(dataset) for index in range(begin, begin + filling.size)]
    return joined(inputs, [dataset[number] for number in numbers], filling, numbers)


def requests_of(compiled: openvino.CompiledModel, dataset: Dataset, count: int) -> list[list[Array]]:
    """Return the inputs of a few whole requests, for timing."""
    filling = filling_of(compiled.inputs, dataset)
    begins = range(0, min(count * filling.size, len(dataset)), filling.size)
    return [request(compiled.inputs, dataset, begin, filling) for begin in begins]


class Requests(Sequence[list[Array]]):
    """A dataset as whole requests, fitted to the model's inputs when they are read; `step` is told of each."""

    def __init__(self, inputs: Sequence[Any], samples: Dataset, step: Callable[[int, int], None]) -> None:
        self._inputs, self._samples, self._step = inputs, samples, step

    @cached_property
    def _filling(self) -> Filling:
        return filling_of(self._inputs, self._samples)

    def __len__(self) -> int:
        return max(1, len(self._samples) // self._filling.size)

    def first(self) -> list[Array]:
        """Return the first of them, without telling."""
        return request(self._inputs, self._samples, 0, self._filling)

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(index)
        self._step(index + 1, len(self))
        return request(self._inputs, self._samples, index * self._filling.size, self._filling)
