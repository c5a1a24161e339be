"""A sample, and what a dataset of them is."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from numpy.typing import NDArray

Array = NDArray[Any]
Inputs = Array | Mapping[str, Array] | Sequence[Array]
Outputs = Array | Sequence[Array] | Mapping[str, Array | Sequence[Array]]
"""A batch of model outputs: stacked `[n, ...]`, a list of n arrays when shapes differ or axis 0 is not the
batch, or a mapping by output name of either when the model has several outputs."""


class Sample(NamedTuple):
    """One sample: the model's inputs and the target, or none.

    `inputs` is one array (a model with one input), a mapping by input name, or a sequence in the order
    of the model's inputs. Arrays come with or without the batch axis: without it, one is added.
    """

    inputs: Inputs
    target: Any = None


@runtime_checkable
class Dataset(Protocol):
    """A sized sequence of samples, read lazily: memory must not grow with its length."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Sample: ...
