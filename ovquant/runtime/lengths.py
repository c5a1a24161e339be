"""Rows of unequal length: made as long as a request needs them, where it is known how."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ovquant.domain.sample import Array, Inputs, Padding, Sample, Tokens
from ovquant.graph.names import names_of

MASK = "attention_mask"
"""The input by which a model leaves out what is padded."""


@dataclass(frozen=True)
class Fill:
    """What the rows of one input are made longer with, and on which side."""

    value: int
    left: bool

    def lengthen(self, array: Array, length: int) -> Array:
        """Return rows `[n, length, …]` of shorter ones."""
        missing = length - array.shape[1]
        widths = [(0, 0), (missing, 0) if self.left else (0, missing), *[(0, 0)] * (array.ndim - 2)]
        return np.pad(array, widths, constant_values=self.value)


def fills_of(inputs: Sequence[Any], sample: Sample) -> list[Fill | None]:
    """Return how the rows of each input of a model are made longer; None where that is not known.

    A tokenizer's sample says it. Without one, what is as long as an attention mask that the model takes is filled with
    zeros on the right, where the mask is zero too.
    """
    aliases = [{name, *port.get_names()} for port, name in zip(inputs, names_of(inputs), strict=True)]
    padding = _padding(sample.inputs, masked=any(MASK in names for names in aliases))
    if padding is None:
        return [None] * len(inputs)
    found = [next((name for name in sorted(names) if name in padding.values), None) for names in aliases]
    return [None if name is None else Fill(padding.values[name], padding.left) for name in found]


def _padding(inputs: Inputs, *, masked: bool) -> Padding | None:
    if isinstance(inputs, Tokens) and inputs.padding is not None:
        return inputs.padding
    if not isinstance(inputs, Mapping) or MASK not in inputs or not masked:
        return None
    rows = np.shape(inputs[MASK])
    return Padding({name: 0 for name, array in inputs.items() if np.shape(array)[: len(rows)] == rows})
