"""Make a dataset of a Python object: a sequence, arrays, a torch DataLoader or any iterable."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import psutil

from ovquant.domain.sample import Dataset, Inputs, Sample
from ovquant.errors import DataError, OvquantError
from ovquant.plugins.datasets.arrays import (
    TARGETS,
    Columns,
    is_array,
    named,
    position,
    taken_out,
    to_array,
    to_inputs,
    to_sample,
    to_target,
)
from ovquant.plugins.protocols import DatasetReader

_LOADER = ("torch.utils.data.dataloader", "DataLoader")
MOST_MEMORY, MOST_ITEMS = 0.5, 10_000_000
"""The share of the memory, and the number of samples, that an iterable without a length may give."""
_ADVICE = (
    "Give a sequence of (inputs, target) pairs, a tuple of arrays (inputs, targets), a torch DataLoader, or an object "
    "with __len__ and __getitem__."
)


@dataclass(frozen=True)
class Items:
    """Samples from the items of a sequence: Samples, (inputs, target) tuples, or inputs alone."""

    items: Any
    name: str = "the data"

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.items)

    def __getitem__(self, index: int, /) -> Sample:
        """Return one sample with numpy arrays; raise DataError naming the index when it cannot be had."""
        found = position(index, len(self))
        try:
            item = self.items[found]
        except OvquantError:
            raise
        except Exception as error:
            raise DataError(
                f"Sample {found} of {self.name} cannot be read: {type(error).__name__}: {error}. Correct the data."
            ) from error
        try:
            return to_sample(item)
        except DataError as error:
            raise DataError(f"Sample {found} of {self.name} cannot be used: {error}") from error

    def column(self, name: str) -> Any:
        """Return a column of the sequence, where it has a method of this name."""
        if not hasattr(self.items, "column"):
            remedy = "Give the sequence a method column(name), or a function of a sample."
            return named({}, name, self.name, remedy)
        return self.items.column(name)


@dataclass(frozen=True)
class LoaderItems:
    """The samples of a torch DataLoader, each collated alone, so that any one can be read without the others.

    The order is that of one pass of the loader's sampler, taken when this is made.
    """

    loader: Any
    order: Sequence[Any]

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int, /) -> Sample:
        dataset, key = self.loader.dataset, self.order[index]
        if self.loader.batch_sampler is None:
            return split_batch(self.loader.collate_fn(dataset[key]), 1, batched=False)[0]
        items = dataset.__getitems__([key]) if hasattr(dataset, "__getitems__") else [dataset[key]]
        return split_batch(self.loader.collate_fn(items), 1)[0]


def dataset_of(source: Any, name: str = "the data") -> Dataset:
    """Return the dataset of a Python object; raise DataError if it is empty or no data.

    A dataset that reads a path is returned as it is; any other sequence is wrapped, so that its items become
    Samples of numpy arrays and its errors name the item. A tuple (inputs, targets) of arrays, and a
    mapping of arrays by input name with or without `targets`, are split along axis 0. A DataLoader's batches are
    split into samples, and so are those of an iterable that tells its batch_size. An iterable is read into a list.
    """
    if isinstance(source, Sample):
        raise DataError(f"{name} is a single Sample. Put it into a list.")
    if isinstance(source, Columns | Items | DatasetReader):
        return checked_length(source, name)
    if is_loader(source):
        return loader_items(source, name)
    columns = columns_of(source, name)
    if columns is not None:
        return columns
    if not is_sequence(source):
        source = unbatched(spooled(source, name), getattr(source, "batch_size", None))
    items = checked_length(Items(source, name), name)
    items[0]
    return items


def checked_length(dataset: Dataset, name: str) -> Dataset:
    """Return a dataset that has samples; raise DataError for an empty one."""
    if len(dataset) == 0:
        raise DataError(f"{name} is empty. Give at least one sample.")
    return dataset


def columns_of(source: Any, name: str) -> Columns | None:
    """Return the columns of `(inputs, targets)` or of a mapping of arrays, or None for anything else."""
    if isinstance(source, Mapping) and source and all(map(is_array, source.values())):
        arrays = {str(key): to_array(value) for key, value in source.items()}
        targets, extra = arrays.pop("targets", None), taken_out(arrays)
        return Columns(arrays["inputs"] if set(arrays) == {"inputs"} else arrays, targets, name, extra)
    if not isinstance(source, tuple) or len(source) != 2:
        return None
    inputs, targets = source
    if is_array(inputs):
        inputs = to_array(inputs)
    elif isinstance(inputs, Mapping) and inputs and all(map(is_array, inputs.values())):
        inputs = {str(key): to_array(value) for key, value in inputs.items()}
    else:
        return None
    if is_array(targets):
        return Columns(inputs, to_array(targets), name)
    return Columns(inputs, targets, name) if targets is None or isinstance(targets, list | tuple) else None


def is_sequence(source: object) -> bool:
    """Tell whether an object has a length and items by index; text and mappings are not data."""
    return (
        hasattr(source, "__len__") and hasattr(source, "__getitem__") and not isinstance(source, str | bytes | Mapping)
    )


def spooled(source: Any, name: str) -> list[Any]:
    """Read an iterable into a list; raise DataError for what is none, or fails."""
    if not isinstance(source, Iterable) or isinstance(source, str | bytes | Mapping):
        raise DataError(f"{name} is a {type(source).__name__}, which cannot be read as data. {_ADVICE}")
    found: list[Any] = []
    most, held = psutil.virtual_memory().total * MOST_MEMORY, 0
    try:
        for item in source:
            found.append(item)
            held += _bytes_of(item)
            if held > most or len(found) > MOST_ITEMS:
                raise DataError(
                    f"{name} gave {len(found):,} samples, {held / 1e9:.1f} GB, and may never end. End it, or give a sequence "
                    "with __len__ and __getitem__, of which one sample is read at a time."
                )
    except OvquantError:
        raise
    except Exception as error:
        raise DataError(
            f"{name} failed after {len(found)} samples: {type(error).__name__}: {error}. Correct the data."
        ) from error
    return found


def unbatched(items: list[Any], size: Any) -> list[Any]:
    """Return the samples of the items of a loader; items are batches where the loader tells their size, and the first has it."""
    try:
        if type(size) is not int or not items or _lengths(to_inputs(_parts(items[0])[0])) != {size}:
            return items
    except DataError:
        return items
    return [sample for batch in items for sample in split_batch(batch, None)]


def _bytes_of(item: Any) -> int:
    """Return the bytes of the arrays in an item, nearly."""
    if isinstance(item, Mapping):
        return sum(map(_bytes_of, item.values()))
    if isinstance(item, list | tuple):
        return sum(map(_bytes_of, item))
    return int(getattr(item, "nbytes", 0))


def is_loader(source: object) -> bool:
    """Tell whether an object is a torch DataLoader, by its class's name, without importing torch."""
    return any((kind.__module__, kind.__name__) == _LOADER for kind in type(source).__mro__)


def loader_items(loader: Any, name: str) -> Dataset:
    """Return the samples of a torch DataLoader; one over an IterableDataset is read into a list.

    Raises DataError if it is empty or a batch cannot be split.
    """
    if not hasattr(loader.dataset, "__getitem__") or not hasattr(loader.dataset, "__len__"):
        batched = loader.batch_size is not None
        source: Any = [
            sample for batch in spooled(loader, name) for sample in split_batch(batch, None, batched=batched)
        ]
    elif loader.batch_sampler is None:
        source = LoaderItems(loader, list(islice(loader.sampler, len(loader))))
    else:
        source = LoaderItems(loader, [key for keys in islice(loader.batch_sampler, len(loader)) for key in keys])
    if len(source) == 0:
        raise DataError(f"{name} is empty. Check the loader's dataset, its sampler and drop_last.")
    items = Items(source, name)
    items[0]
    return items


def split_batch(batch: Any, size: int | None, *, batched: bool = True) -> list[Sample]:
    """Split a collated batch `(inputs, targets)`, `{name: inputs, "labels": targets}` or `inputs` into samples.

    Targets in a mapping are called labels or targets.

    The batch axis, the first of every array, is taken away. Raises DataError if it is not `size` long, or if
    it is not the same for all.
    """
    inputs, targets = _parts(batch)
    inputs = to_inputs(inputs)
    if not batched:
        return [Sample(inputs, to_target(targets))]
    lengths = _lengths(inputs)
    if len(lengths) != 1 or (size is not None and lengths != {size}):
        raise DataError(f"the batch has arrays of lengths {sorted(lengths)}. Their first axis must be the batch.")
    return [
        Sample(_taken(inputs, row), None if targets is None else to_target(_taken(targets, row)))
        for row in range(lengths.pop())
    ]


def _lengths(inputs: Inputs) -> set[int]:
    arrays = list(inputs.values()) if isinstance(inputs, Mapping) else inputs if isinstance(inputs, list) else [inputs]
    return {len(array) if np.ndim(array) else 0 for array in arrays}


def _parts(batch: Any) -> tuple[Any, Any]:
    if isinstance(batch, Mapping):
        name = TARGETS if TARGETS in batch else "labels"
        return {key: value for key, value in batch.items() if key != name}, batch.get(name)
    if isinstance(batch, list | tuple) and len(batch) == 2:
        return batch[0], batch[1]
    if isinstance(batch, list | tuple) and len(batch) == 1:
        return batch[0], None
    if isinstance(batch, list | tuple):
        raise DataError(
            f"the batch has {len(batch)} parts. Return (inputs, target), with several inputs in a list or dict."
        )
    return batch, None


def _taken(value: Any, row: int) -> Any:
    if isinstance(value, Mapping):
        return {key: _taken(item, row) for key, item in value.items()}
    if isinstance(value, list | tuple) and any(map(is_array, value)):
        return [_taken(item, row) for item in value]
    return value[row]
