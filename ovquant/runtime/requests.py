"""Samples as whole requests of a model."""

from collections.abc import Callable, Sequence
from typing import Any

from ovquant.protocols import Array, Dataset
from ovquant.runtime.fitting import request, static_batch


class Requests(Sequence[list[Array]]):
    """A dataset as whole requests, fitted to the model's inputs when they are read; `step` is told of each."""

    def __init__(self, inputs: Sequence[Any], samples: Dataset, step: Callable[[int, int], None]) -> None:
        self._inputs, self._samples, self._step = inputs, samples, step
        self._batch = static_batch(inputs)

    def __len__(self) -> int:
        return max(1, len(self._samples) // self._batch)

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(index)
        self._step(index + 1, len(self))
        return request(self._inputs, self._samples, index * self._batch, self._batch)
