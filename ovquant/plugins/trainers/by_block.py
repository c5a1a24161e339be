"""Numbers learn block by block, each from what float's block puts out: little memory is taken."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ovquant.errors import ModelError

if TYPE_CHECKING:
    from ovquant.plugins.protocols import Lesson


@dataclass(frozen=True)
class ByBlock:
    """Train the numbers of one block of layers after the other to give what float's block puts out (BRECQ, Li et al., 2021).

    Blocks are the items of the module's longest list that holds weights which learn. A block is given what the rounded blocks before
    it put out. rates: the learning rates that are tried, of which the best is taken. samples: how many each block learns from. batch:
    samples in a step.
    """

    whole: ClassVar[bool] = False
    rates: tuple[float, ...] = (1e-3, 3e-3)
    samples: int = 64
    batch: int = 8

    def __post_init__(self) -> None:
        if not self.rates or not all(rate > 0 for rate in self.rates):
            raise ValueError(f"rates are {self.rates}; give one or more above zero")
        if not 1 <= self.batch <= self.samples:
            raise ValueError(
                f"batch is {self.batch} and samples {self.samples}; a batch has one or more of the samples"
            )

    def train(self, lesson: "Lesson", rate: float) -> Iterator[float]:
        """Yield the loss of each step; the numbers have moved when it comes. The time is shared among the blocks."""
        import torch

        blocks = blocks_of(lesson.module)
        batches = [
            batch for batch, _ in zip(lesson.batches(self.batch), range(self.samples // self.batch), strict=False)
        ]
        for number, block in enumerate(blocks):
            given, wanted = passing(lesson, block, batches)
            learning = [parameter for parameter in block.parameters() if parameter.requires_grad]
            optimizer = torch.optim.Adam(learning, lr=rate)
            begin, end, step = lesson.progress, (number + 1) / len(blocks), 0
            while lesson.progress < end:
                share = (lesson.progress - begin) / (end - begin)
                for group in optimizer.param_groups:
                    group["lr"] = rate * (1 + math.cos(math.pi * min(1.0, share))) / 2
                loss = block_loss(lesson, block, given[step % len(given)], wanted[step % len(wanted)])
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                step += 1
                yield float(loss.detach())


def blocks_of(module: Any) -> list[Any]:
    """Return the blocks of a module; raises ModelError where it has no list of two or more that hold weights which learn."""
    import torch

    lists = [part for part in module.modules() if isinstance(part, torch.nn.ModuleList | torch.nn.Sequential)]
    found = [[item for item in part if any(one.requires_grad for one in item.parameters())] for part in lists]
    blocks = max(found, key=len, default=[])
    if len(blocks) < 2:
        raise ModelError(
            f"The module {type(module).__name__} has no list of blocks (torch.nn.ModuleList) to train one by one. Train it end to end."
        )
    return blocks


def passing(lesson: "Lesson", block: Any, batches: list[Any]) -> tuple[list[Any], list[Any]]:
    """Return what a block is given, as positional and named arguments, where those before it are rounded, and what float's puts out."""
    import torch

    given, wanted = list[Any](), list[Any]()
    with torch.no_grad():
        hook = block.register_forward_hook(lambda _, __, output: wanted.append(_first(output)))
        for batch in batches:
            lesson.ask(batch)
        hook.remove()
        before = block.register_forward_pre_hook(lambda _, args, named: given.append((args, named)), with_kwargs=True)
        with lesson.rounding():
            for batch in batches:
                lesson.ask(batch)
        before.remove()
    return given, wanted


def block_loss(lesson: "Lesson", block: Any, given: Any, wanted: Any) -> Any:
    """Return the squared error of what a rounded block puts out, relative to what is wanted."""
    args, named = given
    with lesson.rounding():
        found = _first(block(*args, **named))
    return ((found - wanted) ** 2).sum() / (wanted**2).sum().clamp_min(1e-12)


def _first(output: Any) -> Any:
    """Return the hidden state among what a block puts out."""
    return output[0] if isinstance(output, tuple | list) else output
