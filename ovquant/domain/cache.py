"""Samples that take long to read, kept in memory: a search reads the same ones for every plan."""

import copy
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ovquant.domain.sample import Dataset, Sample

SLOW_SECONDS = 5e-4
"""Seconds that reading a sample must take for it to be kept: copying one takes less."""
PLAIN = (str, bytes, int, float, complex, type(None), np.generic)
"""Types of targets whose size is known and which a copy is like, beside arrays and containers of these."""


@dataclass
class Room:
    """The bytes that samples may still take, of one dataset or of several."""

    left: int


class SampleCache:
    """A dataset that keeps its samples as they are read, until room is up; each is handed out as a copy.

    A sample is kept where reading it takes longer than copying it.
    """

    def __init__(self, dataset: Dataset, room: Room) -> None:
        """Take the dataset; nothing is read."""
        self._dataset, self._room = dataset, room
        self._samples: dict[int, Sample] = {}
        self._preferred: frozenset[int] = frozenset()
        self._yielding = list[int]()

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> Sample:
        known = self._samples.get(index)
        if known is not None:
            return copy.deepcopy(known)
        begin = time.perf_counter()
        sample = self._dataset[index]
        if time.perf_counter() - begin > SLOW_SECONDS:
            self._keep(index, sample)
        return sample

    def prefer(self, indices: Iterable[int]) -> None:
        """Have all other samples make room for these, from now on."""
        self._preferred = frozenset(indices)
        self._yielding = [index for index in self._samples if index not in self._preferred]

    def _keep(self, index: int, sample: Sample) -> None:
        size = _size(sample)
        if size is None:
            return
        preferred = index in self._preferred
        while preferred and size > self._room.left and self._yielding:
            self._room.left += _size(self._samples.pop(self._yielding.pop())) or 0
        if size <= self._room.left:
            self._samples[index] = copy.deepcopy(sample)
            self._room.left -= size
            self._yielding += [] if preferred else [index]


def _size(value: Any) -> int | None:
    """Return about how many bytes a value of arrays and plain values takes; None for one of anything else."""
    if isinstance(value, np.ndarray):
        return None if value.dtype.hasobject else value.nbytes
    if isinstance(value, PLAIN):
        return value.__sizeof__()
    if not isinstance(value, list | tuple | Mapping):
        return None
    sizes = [_size(part) for part in (value.values() if isinstance(value, Mapping) else value)]
    return None if None in sizes else sum(size for size in sizes if size is not None)
