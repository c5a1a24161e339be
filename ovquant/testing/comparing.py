"""Compare what plugins give: nested arrays, mappings and sequences."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ovquant.protocols import Inputs


def same(left: Any, right: Any) -> bool:
    """Tell whether two values are equal, arrays within mappings and sequences by their content and dtype."""
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        return _same_arrays(np.asarray(left), np.asarray(right))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(same(*pair) for pair in zip(left, right, strict=True))
    return bool(left == right)


def _same_arrays(left: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> bool:
    if left.dtype != right.dtype:
        return False
    return np.array_equal(left, right, equal_nan=left.dtype.kind in "fc")


def arrays_of(inputs: Inputs) -> list[Any]:
    """Return the arrays of a sample's inputs."""
    if isinstance(inputs, Mapping):
        return list(inputs.values())
    return list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
