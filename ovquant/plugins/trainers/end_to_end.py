"""All numbers learn at once, from what the whole model answers."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from ovquant.plugins.protocols import Lesson


@dataclass(frozen=True)
class EndToEnd:
    """Train all numbers at once to give the float model's outputs (distillation, Hinton et al., 2015).

    rates: the learning rates that are tried, of which the best is taken; it decays to zero by the end. batch: samples in a step.
    pull: a penalty on how far what is learned is from where it began, per step and unit of the rate (weight decay).
    """

    whole: ClassVar[bool] = True
    rates: tuple[float, ...] = (1e-3, 3e-3)
    batch: int = 16
    pull: float = 0.01

    def __post_init__(self) -> None:
        if not self.rates or not all(rate > 0 for rate in self.rates):
            raise ValueError(f"rates are {self.rates}; give one or more above zero")
        if self.batch < 1:
            raise ValueError(f"batch is {self.batch}; it is at least 1")

    def train(self, lesson: "Lesson", rate: float) -> Iterator[float]:
        """Yield the loss of each step; the numbers have moved when it comes."""
        import torch

        optimizer = torch.optim.AdamW(lesson.parameters, lr=rate, weight_decay=self.pull)
        for batch in lesson.batches(self.batch):
            for group in optimizer.param_groups:
                group["lr"] = rate * (1 + math.cos(math.pi * lesson.progress)) / 2
            loss = lesson.loss(batch)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(lesson.parameters, 1.0)
            optimizer.step()
            yield float(loss.detach())
