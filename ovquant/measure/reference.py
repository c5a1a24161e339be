"""The outputs of the model that others are compared with: kept where there is room, else inferred anew."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import openvino

from ovquant.domain.sample import Array, Dataset
from ovquant.domain.split import Subset
from ovquant.measure.nans import Nans
from ovquant.plugins.metrics import ResolvedMetric
from ovquant.runtime import Block, infer

KEPT_BYTES = 128 * 2**20
"""How much of a reference's outputs is kept at most."""
Read = tuple[Any, ...]
"""What each metric reads of the reference's outputs of a sample."""


@dataclass
class Reference:
    """A model that others are compared with, always by the same metrics; `open` returns it compiled.

    What metrics read of its outputs is kept up to `room` bytes, so that it need not run again beside each plan.
    """

    open: Callable[[], openvino.CompiledModel]
    room: int = KEPT_BYTES
    _kept: dict[tuple[int, int], Read] = field(default_factory=dict)

    def read(
        self,
        block: Block,
        compiled: openvino.CompiledModel,
        dataset: Dataset,
        metrics: Sequence[ResolvedMetric],
        nans: Nans,
    ) -> list[list[Any]]:
        """Return what each metric reads of the reference's outputs for the samples of a block, which `compiled` has answered."""
        keys = [_key(dataset, index) for index in block.indices]
        # A metric may change what it is given.
        found = [_copied(self._kept[key]) for key in keys if key in self._kept]
        if len(found) < len(keys):
            before = len(nans.found)
            found = self._answered(block, compiled, dataset, metrics, nans)
            if len(nans.found) == before:
                # What is NaN is told anew each time.
                self._keep(keys, found)
        return [list(column) for column in zip(*found, strict=True)]

    def _answered(
        self,
        block: Block,
        compiled: openvino.CompiledModel,
        dataset: Dataset,
        metrics: Sequence[ResolvedMetric],
        nans: Nans,
    ) -> list[Read]:
        model, begin, end, found = self.open(), block.indices[0], block.indices[-1] + 1, list[Read]()
        # The reference itself has answered already.
        for other in [block] if model is compiled else infer(model, dataset, start=begin, stop=end):
            nans.look(other)
            for outputs in other.outputs:
                single = next(iter(outputs.values())) if len(outputs) == 1 else outputs
                found.append(tuple(metric.read(single) for metric in metrics))
        return found

    def _keep(self, keys: Sequence[tuple[int, int]], found: Sequence[Read]) -> None:
        for key, read in zip(keys, found, strict=True):
            needed = sum(array.nbytes for value in read for array in _arrays(value))
            if key not in self._kept and needed <= self.room:
                self._kept[key] = _copied(read)
                self.room -= needed


def _key(dataset: Dataset, index: int) -> tuple[int, int]:
    """Return what tells a sample of all datasets that live as long as the reference does."""
    if isinstance(dataset, Subset):
        return id(dataset.dataset), dataset.indices[index]
    return id(dataset), index


def _copied(read: Read) -> Read:
    return tuple(
        {name: np.array(item) for name, item in value.items()} if isinstance(value, dict) else np.array(value)
        for value in read
    )


def _arrays(value: Any) -> list[Array]:
    return [np.asarray(item) for item in value.values()] if isinstance(value, dict) else [np.asarray(value)]
