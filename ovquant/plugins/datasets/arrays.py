"""Serve arrays whose first axis counts the samples."""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ovquant.domain.sample import Array, Inputs, Sample, Tokens
from ovquant.errors import DataError

TARGETS = "targets"
"""What targets are called in mappings by input name."""
COLUMN = "column_"
"""How the name of an array begins that no model sees."""


@dataclass(frozen=True)
class Columns:
    """Samples from arrays: one for the only input or a mapping by input name, and targets or none.

    Axis 0 of every array is the sample axis, and samples come without it. `extra` are columns that no model sees, to
    slice or to group by.
    """

    inputs: Array | Mapping[str, Array]
    targets: Array | Sequence[Any] | None = None
    name: str = "the data"
    extra: Mapping[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that every array has one entry per sample; raise DataError naming two that differ."""
        arrays: dict[str, Any] = dict(self.inputs) if isinstance(self.inputs, Mapping) else {"inputs": self.inputs}
        if not arrays:
            raise DataError(f"{self.name} has targets but no inputs. Add an array per model input.")
        if self.targets is not None:
            arrays["targets"] = self.targets
        arrays |= {f"{COLUMN}{name}": array for name, array in self.extra.items()}
        check_lengths(arrays, self.name)

    def __len__(self) -> int:
        """Return the number of samples."""
        first = next(iter(self.inputs.values())) if isinstance(self.inputs, Mapping) else self.inputs
        return len(first)

    def __getitem__(self, index: int, /) -> Sample:
        """Return copies of one sample's arrays, so that nothing writes into the data."""
        row = position(index, len(self))
        target = None if self.targets is None else plain(self.targets[row])
        if isinstance(self.inputs, Mapping):
            return Sample({name: np.array(array[row], order="C") for name, array in self.inputs.items()}, target)
        return Sample(np.array(self.inputs[row], order="C"), target)

    def column(self, name: str) -> Sequence[Any]:
        """Return a column to slice or to group by; raise DataError when there is none of that name."""
        found: Sequence[Any] = named(self.extra, name, self.name, f"Add an array called {COLUMN}{name}.")
        return found


def named(columns: Mapping[str, Any], name: str, where: str, remedy: str) -> Any:
    """Return a column by name, or raise DataError that lists those there are."""
    if name not in columns:
        raise DataError(
            f"{where[0].upper()}{where[1:]} has no column '{name}'; it has {', '.join(columns) or 'none'}. {remedy} "
            "'target' can always be taken."
        )
    return columns[name]


def taken_out(arrays: dict[str, Array]) -> dict[str, Array]:
    """Take the columns that no model sees out of arrays by name, and return them by their own names."""
    found = [name for name in arrays if name.startswith(COLUMN)]
    return {name.removeprefix(COLUMN): arrays.pop(name) for name in found}


def check_lengths(arrays: Mapping[str, Any], name: str) -> None:
    """Raise DataError unless all arrays have a sample axis of the same, non-zero length."""
    lengths = {key: _length(array, f"'{key}' of {name}") for key, array in arrays.items()}
    first, *others = lengths
    for other in others:
        if lengths[first] != lengths[other]:
            raise DataError(
                f"'{first}' of {name} has {lengths[first]} samples but '{other}' has {lengths[other]}. "
                "Axis 0 must be the sample axis of both."
            )
    if lengths[first] == 0:
        raise DataError(f"{name} is empty: '{first}' has no samples. Give at least one sample.")


def _length(array: Any, what: str) -> int:
    try:
        return len(array)
    except TypeError as error:  # an array without axes
        raise DataError(f"{what} is a single value. Give it a first axis with one entry per sample.") from error


def plain(value: Any) -> Any:
    """Return a target as a Python value when it is a single one, or else as a copy of its array."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.item() if value.ndim == 0 else np.array(value)
    return value


def position(index: int, length: int) -> int:
    """Return the index counted from the start; raise IndexError outside, which is what ends a `for` loop."""
    given = operator.index(index)
    found = given + length if given < 0 else given
    if not 0 <= found < length:
        raise IndexError(f"sample {given} of {length}")
    return found


def is_array(value: object) -> bool:
    """Tell whether a value is an array or a tensor, without importing the library it is from."""
    return not isinstance(value, type) and (hasattr(value, "__array__") or hasattr(value, "__array_interface__"))


def to_array(value: Any) -> Array:
    """Return an array or tensor as numpy; bfloat16 tensors, which numpy lacks, become float32."""
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "detach") and hasattr(value, "cpu"):
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value
        return np.asarray(value.numpy())
    return np.asarray(value)


def to_inputs(value: Any) -> Inputs:
    """Return inputs with numpy arrays: one, a mapping by name, or a list in the order of the model's inputs.

    A list of plain numbers, nested or not, is one array. Raises DataError for anything else.
    """
    if is_array(value):
        return to_array(value)
    if isinstance(value, Mapping) and value:
        arrays = {str(name): _one_array(item) for name, item in value.items()}
        return value.of(arrays) if isinstance(value, Tokens) else arrays
    if isinstance(value, bool | int | float):
        return np.asarray(value)
    if isinstance(value, list | tuple) and value:
        return [to_array(item) for item in value] if any(map(is_array, value)) else _one_array(value)
    raise DataError(
        f"inputs are a {type(value).__name__}{' that is empty' if value in ([], (), {}) else ''}. "
        "Give an array, a mapping of arrays by input name, or a list of arrays."
    )


def to_target(value: Any) -> Any:
    """Return a target with numpy arrays in place of tensors and Python numbers in place of single values."""
    if is_array(value):
        return plain(to_array(value))
    if isinstance(value, Mapping):
        return {key: to_target(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(to_target, value))
    if isinstance(value, list | tuple):
        return type(value)(map(to_target, value))
    return value


def to_sample(item: Any) -> Sample:
    """Return the sample of an item: a Sample, an (inputs, target) pair, or inputs alone.

    A list, unlike a tuple, is inputs; so is a mapping, without its `targets`. Raises DataError for a tuple of another length.
    """
    if isinstance(item, Mapping) and TARGETS in item and len(item) > 1:
        item = {key: value for key, value in item.items() if key != TARGETS}, item[TARGETS]
    if isinstance(item, tuple):
        if len(item) != 2:
            raise DataError(
                f"it is a tuple of {len(item)}. Give (inputs, target), or a list of arrays without a target."
            )
        return Sample(to_inputs(item[0]), to_target(item[1]))
    return Sample(to_inputs(item))


def _one_array(value: Any) -> Array:
    if is_array(value):
        return to_array(value)
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise DataError(f"inputs are nested lists of different lengths ({error}). Give arrays.") from error
    if array.dtype.kind not in "biufc":
        raise DataError(f"inputs hold {type(value).__name__} values that are not numbers. Give arrays.")
    return array
