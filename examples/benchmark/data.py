"""Parts of the datasets of examples/cases that no other part overlaps with, and the first samples of any dataset."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ovquant import Sample
from ovquant.demo.words import Words

CASES = Path(__file__).resolve().parent.parent / "cases"


@dataclass(frozen=True)
class Slice:
    """Some samples of a dataset: `count` of them from `start` on, or what there is."""

    dataset: Any
    start: int = 0
    count: int = 10_000

    def __len__(self) -> int:
        return max(0, min(self.count, len(self.dataset) - self.start))

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self.dataset[self.start + index]


@dataclass(frozen=True)
class WidthsOfTheirOwn:
    """Rendered words as wide as they are, [3, 48, width], a multiple of eight: what follows a word is cut off."""

    count: int = 1000
    seed: int = 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        whole = Words(self.count, self.seed)[index]
        width = 1 + int(np.flatnonzero(np.asarray(whole.inputs).any(axis=(0, 1)))[-1])
        return Sample(np.ascontiguousarray(whole.inputs[:, :, : -(-width // 8) * 8]), whole.target)


def texts(start: int = 0, count: int = 10_000) -> Slice:
    """Return R8 texts of the training table that the head was not fitted on, from one of them on."""
    return Slice(_case("minilm").Texts(part="search"), start, count)


def images(start: int = 0, count: int = 10_000, channels_last: bool = False) -> Slice:
    """Return Fashion-MNIST training images that the nets were not trained on, from one of them on."""
    return Slice(_case("fashion").Images(part="search", channels_last=channels_last), start, count)


def opened(text: str, limit: int | None = None) -> Any:
    """Return the dataset of a text as ovquant reads it, or only its first samples."""
    from ovquant.plugins.datasets import open_dataset

    dataset = open_dataset(text)
    return dataset if limit is None else Slice(dataset, 0, limit)


def _case(name: str) -> Any:
    import importlib

    if str(CASES) not in sys.path:
        sys.path.append(str(CASES))
    return importlib.import_module(name)
