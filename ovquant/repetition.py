"""Data that are read again must be the same data: a loader that augments at random gives each model others."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ovquant.errors import DataError
from ovquant.protocols import Dataset

READ_TWICE = 32
"""Samples that are read twice: a random change of each is seen at once, and one of a few in a hundred mostly."""


def check_repetition(dataset: Dataset, what: str = "the data") -> None:
    """Read the first samples twice; raise DataError where one is not the same again, in its inputs or its target."""
    count = min(READ_TWICE, len(dataset))
    # One after the other and then again, not each twice in a row: a dataset may keep the last sample that it made.
    first = [dataset[index] for index in range(count)]
    for index, before in enumerate(first):
        after = dataset[index]
        for part, old, new in (("inputs", before.inputs, after.inputs), ("target", before.target, after.target)):
            if not same(old, new):
                raise DataError(
                    f"Sample {index} of {what} has other {part} each time it is read, so that two models are not scored "
                    "on the same data. Take what is random, such as augmentation, out of the data, or seed it by the "
                    "sample: numpy.random.default_rng(index) or torch.manual_seed(index) in __getitem__."
                )


def same(mine: Any, theirs: Any) -> bool:
    """Tell whether two values have the same content; NaN is like NaN, and objects that do not compare are compared by parts."""
    if mine is theirs:
        return True
    if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
        return list(mine) == list(theirs) and all(same(mine[key], theirs[key]) for key in mine)
    if isinstance(mine, list | tuple) and isinstance(theirs, list | tuple):
        return len(mine) == len(theirs) and all(map(same, mine, theirs))
    if hasattr(mine, "__array__") or hasattr(theirs, "__array__"):
        return _same_arrays(np.asarray(mine), np.asarray(theirs))
    if isinstance(mine, float) and isinstance(theirs, float):
        return mine == theirs or (math.isnan(mine) and math.isnan(theirs))
    if type(mine) is not type(theirs):
        return bool(mine == theirs)
    own: Any = type(mine).__eq__
    if own is not object.__eq__:
        return _equal(mine, theirs)
    # An object without an equality of its own is never equal to another: its parts are, or there is nothing to tell by.
    return same(vars(mine), vars(theirs)) if hasattr(mine, "__dict__") else True


def _same_arrays(mine: np.ndarray[Any, Any], theirs: np.ndarray[Any, Any]) -> bool:
    if mine.shape != theirs.shape or mine.dtype != theirs.dtype:
        return False
    if mine.dtype == object:
        return _same_items(mine.ravel().tolist(), theirs.ravel().tolist())
    return bool(np.array_equal(mine, theirs, equal_nan=mine.dtype.kind in "fc"))


def _same_items(mine: Sequence[Any], theirs: Sequence[Any]) -> bool:
    return all(map(same, mine, theirs))


def _equal(mine: Any, theirs: Any) -> bool:
    """Compare by an object's own equality; where that gives no truth, or fails, by its parts."""
    try:
        return bool(mine == theirs)
    except (TypeError, ValueError, RuntimeError):
        return same(vars(mine), vars(theirs)) if hasattr(mine, "__dict__") else True
