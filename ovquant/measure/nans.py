"""Outputs that are NaN: in which samples, and whose they are."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ovquant.domain.sample import Array, Dataset
from ovquant.domain.split import Subset
from ovquant.runtime import Block

Found = tuple[int, str]
"""A sample, by its index in the data that were given, and its first output that holds NaN."""


@dataclass
class Nans:
    """The samples of a dataset for which a model's outputs hold NaN; whose: what the model is called in messages."""

    dataset: Dataset
    whose: str
    found: list[Found] = field(default_factory=list)

    def look(self, block: Block) -> None:
        """Note the samples of a block whose outputs hold NaN."""
        for index, outputs in zip(block.indices, block.outputs, strict=True):
            broken = next((name for name, array in outputs.items() if _holds_nan(array)), None)
            if broken is not None:
                self.found.append((self._given(index), broken))

    def _given(self, index: int) -> int:
        return self.dataset.indices[index] if isinstance(self.dataset, Subset) else index

    @property
    def text(self) -> str:
        """Say which output is NaN and for which sample, as far as was looked, or nothing where none is."""
        if not self.found:
            return ""
        sample, output = min(self.found)
        return f"The output '{output}' of {self.whose} is NaN for sample {sample} of the data."


def told_nan(found: Sequence[Found], whose: str) -> str:
    """Say for how many samples outputs are NaN, and for which first."""
    sample, output = min(found)
    count = "1 sample" if len(found) == 1 else f"{len(found)} samples"
    return f"The output '{output}' of {whose} is NaN for {count}, sample {sample} of the data first."


def added(mine: Sequence[Found], truth: Sequence[Found]) -> list[Found]:
    """Return what is NaN in a plan's outputs for samples where none of float's is."""
    known = {sample for sample, _ in truth}
    return [item for item in mine if item[0] not in known]


def _holds_nan(array: Array) -> bool:
    if array.dtype.kind != "f":
        return False
    with np.errstate(all="ignore"):
        # A sum takes no memory, and is NaN where any value is, or infinities cancel out.
        return bool(np.isnan(array.sum()) and np.isnan(array).any())
