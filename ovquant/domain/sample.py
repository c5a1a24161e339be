"""A sample, and what a dataset of them is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Inputs = Array | Mapping[str, Array] | Sequence[Array]
Outputs = Array | Sequence[Array] | Mapping[str, Array | Sequence[Array]]
"""A batch of model outputs: stacked `[n, ...]`, a list of n arrays when shapes differ or axis 0 is not the
batch, or a mapping by output name of either when the model has several outputs."""


IGNORED = -100
"""What stands for a token that is not scored."""
GENERATED = "generated"
"""What the output is called that holds what a model writes itself."""


@dataclass(frozen=True)
class Padding:
    """How rows are made longer: with which value, by the name of the input, and on which side."""

    values: Mapping[str, int]
    left: bool = False


@dataclass(frozen=True)
class Generate:
    """What a model is to write, the likeliest token each time, for metrics that read it.

    It goes on behind the first `prompt` tokens of the sample (of the decoder's, behind an encoder), or behind all where that is 0, until it
    writes one of `stop` or has written `max_new_tokens`. `decode` makes a text of the token ids, without the one that it stopped at.
    """

    max_new_tokens: int
    prompt: int = 0
    stop: tuple[int, ...] = ()
    decode: Callable[[Sequence[int]], str] | None = None


class Tokens(dict[str, Array]):
    """The inputs of a sample by name, and how their rows are made longer; None where that is not known.

    `special` are the ids of tokens that stand for no text, such as those that begin and end one. `generate` says what is to be written
    of them, if anything.
    """

    def __init__(
        self,
        arrays: Mapping[str, Array],
        padding: Padding | None = None,
        special: frozenset[int] = frozenset(),
        generate: Generate | None = None,
    ) -> None:
        """Take the arrays, without padding."""
        super().__init__(arrays)
        self.padding, self.special, self.generate = padding, special, generate

    def of(self, arrays: Mapping[str, Array]) -> "Tokens":
        """Return other arrays, of which the same is known."""
        return Tokens(arrays, self.padding, self.special, self.generate)


class Sample(NamedTuple):
    """One sample: the model's inputs and the target, or none.

    `inputs` is one array (a model with one input), a mapping by input name, or a sequence in the order
    of the model's inputs. Arrays come with or without the batch axis: without it, one is added. Those that have the whole shape of
    the inputs are a request of their own.
    """

    inputs: Inputs
    target: Any = None


def arguments(sample: Sample) -> Any:
    """Return a sample as a PyTorch module takes it: an array, a tuple or a mapping of them, with the batch axis."""
    inputs = sample.inputs
    if isinstance(inputs, Mapping) and len(inputs) == 1:
        # The only input has the name that the data give it.
        (inputs,) = inputs.values()
    if isinstance(inputs, Mapping):
        return {name: _of_one(value) for name, value in inputs.items()}
    return _of_one(inputs) if isinstance(inputs, np.ndarray) else tuple(map(_of_one, inputs))


def _of_one(value: Any) -> Array:
    """Return a sample's array as a batch of one, as a module takes it: numpy's default is twice what modules compute in."""
    array = np.asarray(value)
    return array[None].astype(np.float32 if array.dtype == np.float64 else array.dtype)


def own_tokens(sample: Sample) -> Array | None:
    """Return the token ids of a sample of text, with -100 for special tokens and padding; None for other samples."""
    inputs = sample.inputs
    if not isinstance(inputs, Mapping) or "input_ids" not in inputs:
        return None
    ids = np.asarray(inputs["input_ids"])
    kept = np.asarray(inputs.get("attention_mask", np.ones_like(ids))) != 0
    if isinstance(inputs, Tokens):
        kept &= ~np.isin(ids, list(inputs.special))
    return np.where(kept, ids, IGNORED)


@runtime_checkable
class Dataset(Protocol):
    """A sized sequence of samples, read lazily: memory must not grow with its length."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Sample: ...
