"""Fit samples to a model's inputs: names, batch axis, dtypes and shapes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import openvino

from ovquant.domain.sample import Array, Dataset, Sample
from ovquant.errors import DataError
from ovquant.graph.names import names_of, port_name
from ovquant.graph.shapes import static_batch
from ovquant.runtime.values import cast, check_kind, dtype_of


def fit(inputs: Sequence[Any], sample: Sample, *, what: str = "a sample") -> list[Array]:
    """Return one array per model input, in order, batch axis included, as openvino takes it (see `values.cast`).

    inputs: the model's input ports. A sample's array without the batch axis gets one; dtypes are cast where no
    value is lost. Raises DataError naming the input, what it expects and what it got.
    """
    arrays = _match(inputs, sample.inputs, what)
    return [_shape(port, name, array, what) for port, name, array in zip(inputs, names_of(inputs), arrays, strict=True)]


def _match(inputs: Sequence[Any], given: Any, what: str) -> list[Any]:
    names = names_of(inputs)
    if isinstance(given, Mapping):
        by_alias = [
            next((given[alias] for alias in _aliases(port, name) if alias in given), None)
            for port, name in zip(inputs, names, strict=True)
        ]
        missing = [name for name, value in zip(names, by_alias, strict=True) if value is None]
        if missing:
            if len(inputs) == 1 and len(given) == 1:
                return list(given.values())
            raise DataError(
                f"The model's input '{missing[0]}' is not in the data: {what} has {', '.join(map(str, given))}; "
                f"the model expects {', '.join(names)}. Rename the arrays to the model's input names."
            )
        return by_alias
    values = list(given) if isinstance(given, list | tuple) else [given]
    if len(values) != len(inputs):
        raise DataError(
            f"{what} has {len(values)} input arrays; the model has {len(inputs)} inputs: {', '.join(names)}."
        )
    return values


def _aliases(port: Any, name: str) -> list[str]:
    return [name, *sorted(port.get_names())]


def _shape(port: Any, name: str, value: Any, what: str) -> Array:
    array, expected = cast(port, name, np.asarray(value), what), port.get_partial_shape()
    if not expected.rank.is_dynamic:
        rank = expected.rank.get_length()
        if array.ndim == rank - 1:
            array = array[None]
        if array.ndim != rank or not _compatible(expected, array.shape):
            raise DataError(
                f"The model's input '{name}' expects shape {_text(expected)} and {what} has {list(np.shape(value))}. "
                "Change the data's preprocessing, or fix the model's shape with --input-shape."
            )
    return array


def _compatible(expected: Any, shape: Sequence[int]) -> bool:
    """Tell whether a sample fits a shape; a static batch above one is filled with several samples."""
    for axis, (dimension, size) in enumerate(zip(expected, shape, strict=True)):
        fits = dimension.get_min_length() <= size and (
            (dimension.is_dynamic and dimension.get_max_length() in (-1, size)) or size <= dimension.get_max_length()
        )
        if not fits and not (axis == 0 and size == 1):
            return False
        if not dimension.is_dynamic and size != dimension.get_length() and not (axis == 0 and size == 1):
            return False
    return True


def _text(shape: Any) -> str:
    return str(shape).replace("..", "-")


def request(inputs: Sequence[Any], dataset: Dataset, begin: int, batch: int) -> list[Array]:
    """Return the inputs of one whole request: one sample, or a static batch of them, going round at the end."""
    rows = [fit(inputs, dataset[index % len(dataset)], what=f"sample {index}") for index in range(begin, begin + batch)]
    filled = batch == 1 or any(array.shape[0] != 1 for array in rows[0])
    return rows[0] if filled else join(rows, batch)


def requests_of(compiled: openvino.CompiledModel, dataset: Dataset, count: int) -> list[list[Array]]:
    """Return the inputs of a few whole requests, for timing."""
    batch = static_batch(compiled.inputs)
    return [
        request(compiled.inputs, dataset, begin, batch) for begin in range(0, min(count * batch, len(dataset)), batch)
    ]


def random_samples(compiled: openvino.CompiledModel, *, seed: int = 0) -> list[Sample]:
    """Return one sample of random inputs; a dynamic batch axis becomes 1. Raises DataError for other dynamic axes."""
    random = np.random.default_rng(seed)
    arrays = []
    for index, port in enumerate(compiled.inputs):
        check_kind(port, port_name(port, index), "input")
        shape, dtype = port.get_partial_shape(), dtype_of(port)
        if shape.rank.is_dynamic or any(axis.is_dynamic for axis in list(shape)[1:]):
            raise DataError(
                f"The input '{port_name(port, index)}' has the shape {_text(shape)}, so there is nothing to time. "
                "Fix it with --input-shape, or give samples with --data."
            )
        sizes = [axis.get_min_length() if axis.is_dynamic else axis.get_length() for axis in shape]
        sizes = [max(1, size) for size in sizes]
        values = random.standard_normal(sizes) if dtype.kind == "f" else random.integers(0, 2, sizes)
        arrays.append(values.astype(dtype))
    return [Sample(arrays)]


def join(rows: list[list[Array]], size: int) -> list[Array]:
    """Join samples into one request of a static batch; the last is repeated until it is full."""
    if size == 1:
        return rows[0]
    filled = rows + [rows[-1]] * (size - len(rows))
    return [np.concatenate(column) for column in zip(*filled, strict=True)]


class Requests(Sequence[list[Array]]):
    """A dataset as whole requests, fitted to the model's inputs when they are read; `step` is told of each."""

    def __init__(self, inputs: Sequence[Any], samples: Dataset, step: Callable[[int, int], None]) -> None:
        self._inputs, self._samples, self._step = inputs, samples, step
        self._batch = static_batch(inputs)

    def __len__(self) -> int:
        return max(1, len(self._samples) // self._batch)

    def first(self) -> list[Array]:
        """Return the first of them, without telling."""
        return request(self._inputs, self._samples, 0, self._batch)

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(index)
        self._step(index + 1, len(self))
        return request(self._inputs, self._samples, index * self._batch, self._batch)
