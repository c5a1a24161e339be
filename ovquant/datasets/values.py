"""Turn the arrays and tensors of any library into numpy arrays."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ovquant.datasets.columns import plain
from ovquant.errors import DataError
from ovquant.protocols import Array, Inputs, Sample


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
        return {str(name): _one_array(item) for name, item in value.items()}
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

    A list, unlike a tuple, is inputs; so is a mapping. Raises DataError for a tuple of another length.
    """
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
        raise DataError(f"inputs hold {type(value).__name__} values that are no numbers. Give arrays.")
    return array
