"""Fit samples to a model's inputs: names, batch axis, dtypes and shapes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import openvino

from ovquant.domain.sample import Array, Sample
from ovquant.errors import DataError
from ovquant.graph.names import names_of, port_name
from ovquant.graph.shapes import second_axis
from ovquant.runtime.lengths import Fill, fills_of
from ovquant.runtime.supplied import completed
from ovquant.runtime.values import cast, check_kind, dtype_of


def fit(inputs: Sequence[Any], sample: Sample, *, what: str = "a sample") -> list[Array]:
    """Return one array per model input, in order, batch axis included, as openvino takes it (see `values.cast`).

    inputs: the model's input ports. A sample's array without the batch axis gets one; dtypes are cast where no
    value is lost; rows shorter than the model's are padded where it is known how (see `lengths.fills_of`). What a language model takes
    beside its tokens is supplied (see `supplied.completed`). Raises DataError naming the input, what it expects and what it got.
    """
    sample = completed(inputs, sample)
    arrays = _match(inputs, sample.inputs, what)
    ports = zip(inputs, names_of(inputs), arrays, fills_of(inputs, sample), strict=True)
    return [_shape(port, name, array, fill, what) for port, name, array, fill in ports]


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


def _shape(port: Any, name: str, value: Any, fill: Fill | None, what: str) -> Array:
    array, expected = cast(port, name, np.asarray(value), what), port.get_partial_shape()
    if not expected.rank.is_dynamic:
        rank = expected.rank.get_length()
        if array.ndim == rank - 1:
            array = array[None]
        length = second_axis(port)
        if fill is not None and array.ndim == rank and length is not None and array.shape[1] < length:
            array = fill.lengthen(array, length)
        if array.ndim != rank or not _compatible(expected, array.shape):
            raise DataError(
                f"The model's input '{name}' expects shape {_text(expected)} and {what} has {list(np.shape(value))}. "
                f"{_remedy(fill, length)}, or fix the model's shape with --input-shape."
            )
    return array


def _remedy(fill: Fill | None, length: int | None) -> str:
    return (
        "Change the data's preprocessing"
        if fill is None or length is None
        else f"Truncate the rows (max_length={length} where a tokenizer makes them)"
    )


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
