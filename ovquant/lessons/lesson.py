"""What a trainer learns from: a student, its teacher, and batches of samples."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from ovquant.errors import DataError, ModelError
from ovquant.lessons.losses import Loss, loss_for
from ovquant.lessons.rows import Batch, batch_of, called
from ovquant.lessons.student import Student

BATCH = 16
"""Samples that are looked at together."""


class Lesson:
    """Samples, some of which are trained on and others tell when to end, for one student; see `ovquant.plugins.protocols.Lesson`.

    `progress` is the share of the time that is used up.
    """

    def __init__(
        self, student: Student, read: Callable[[int], Any], places: Sequence[int], kept: Sequence[int], seed: int
    ) -> None:
        """Take a student and how a sample is read. places: those that are trained on; kept: those that are not.

        Raises DataError for too few samples, and ModelError for a module that cannot learn.
        """
        self.student, self.progress = student, 0.0
        self._read, self._places, self._kept = read, list(places), list(kept)
        self._random = np.random.default_rng(seed)
        self._asked = called(student.module)
        if len(self._places) < BATCH or not self._kept:
            raise DataError(
                f"{len(self._places) + len(self._kept)} samples are too few to train on: a fifth of them is kept to tell when to end, and "
                f"{BATCH} are trained on at once. Give more data."
            )
        first = self._batch(self._places[:BATCH])
        self._loss = self._checked(first)

    @property
    def module(self) -> nn.Module:
        """Return the module; its weights are rounded while `student.rounding()`."""
        return self.student.module

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Return what can be learned."""
        return self.student.parameters

    def ask(self, batch: Batch) -> list[torch.Tensor]:
        """Ask the module, and return its outputs that are floats."""
        return self._asked(batch)

    def rounding(self) -> contextlib.AbstractContextManager[None]:
        """Have the module answer as the student for a while."""
        return self.student.rounding()

    def batches(self, size: int = BATCH) -> Iterator[Batch]:
        """Yield batches of samples without end, all of them in another order each time."""
        while True:
            order = [self._places[place] for place in self._random.permutation(len(self._places))]
            for begin in range(0, max(1, len(order) - size + 1), size):
                yield self._batch(order[begin : begin + size])

    def loss(self, batch: Batch) -> torch.Tensor:
        """Return how far the student's outputs are from the teacher's, a scalar that gradients can be had of."""
        with torch.no_grad():
            wanted = self.ask(batch)
        with self.rounding():
            found = self.ask(batch)
        losses = [self._loss(mine, theirs) for mine, theirs in zip(found, wanted, strict=True)]
        return torch.stack(losses).sum()

    @torch.no_grad()
    def distance(self) -> float:
        """Return the loss on the samples that are not trained on."""
        parts = [self._kept[begin : begin + BATCH] for begin in range(0, len(self._kept), BATCH)]
        return float(np.average([float(self.loss(self._batch(part))) for part in parts], weights=list(map(len, parts))))

    def needed_bytes(self) -> int:
        """Return about how many bytes a step takes beside the module: what is kept for gradients, those themselves, and the optimizer's."""
        one, two = (self._kept_bytes(self._places[:count]) for count in (1, 2))
        learned = sum(parameter.nbytes for parameter in self.parameters)
        return one + (BATCH - 1) * max(0, two - one) + 3 * learned

    def _kept_bytes(self, places: Sequence[int]) -> int:
        """Return the bytes that a step keeps for gradients on some samples."""
        found = dict[int, int]()

        def kept(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            found[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(kept, lambda tensor: tensor):
            loss = self.loss(self._batch(places))
        del loss
        return sum(found.values())

    def _batch(self, places: Sequence[int]) -> Batch:
        return batch_of([self._read(place) for place in places])

    def _checked(self, batch: Batch) -> Loss:
        """Return the loss that suits the module; raises ModelError where nothing can be learned by it."""
        with torch.no_grad(), told(self.module):
            first, second = self.ask(batch), self.ask(batch)
        if not first:
            raise ModelError("The module returns no floats, so that there is nothing to learn from.")
        if any(not torch.equal(mine, other) for mine, other in zip(first, second, strict=True)):
            raise ModelError(
                "The module gives other outputs when it is asked again, though it is in eval mode. Take what is random out of forward()."
            )
        if not all(bool(torch.isfinite(found).all()) for found in first):
            raise ModelError(
                "The float module itself gives NaN or infinity on the first samples. Check how they are made."
            )
        loss = loss_for(self.module, batch, first)
        with self.rounding(), told(self.module):
            found = self.ask(batch)
        if not all(tensor.requires_grad for tensor in found):
            raise ModelError(
                "The module's outputs have no gradients: its forward() computes in integers, or under torch.no_grad. Take that out."
            )
        return loss


@contextlib.contextmanager
def told(module: nn.Module) -> Iterator[None]:
    """Raise what a module raises as a ModelError that names it."""
    try:
        yield
    except Exception as error:
        kind = type(module).__name__
        raise ModelError(
            f"The module {kind} cannot be asked with these samples: {type(error).__name__}: {error}"
        ) from error
