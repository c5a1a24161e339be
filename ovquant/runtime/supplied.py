"""Inputs of language models that follow from their tokens, so that data need not give them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ovquant.domain.sample import Array, Padding, Sample, Tokens
from ovquant.graph.names import names_of
from ovquant.runtime.lengths import MASK
from ovquant.runtime.values import dtype_of

IDS, POSITIONS, BEAMS = "input_ids", "position_ids", "beam_idx"
"""Tokens; the place of each in its text; and of which row the past is to be taken."""
WRITTEN, WRITTEN_MASK = "decoder_input_ids", "decoder_attention_mask"
"""The tokens of a decoder that an encoder stands before, and their mask, where the two are one model."""
PAST, PRESENT = ("past_key_values", "past_key_value", "past"), ("present", "present_key_values", "present_key_value")
"""What the names begin with of inputs that take what is kept of past tokens, and of outputs that give it."""


def completed(inputs: Sequence[Any], sample: Sample) -> Sample:
    """Return a sample with what a model takes beside its tokens, where the sample does not have it; others as they are.

    inputs: the model's input ports. A mask is of ones, positions count what the mask keeps, and nothing is past. Behind an encoder those of
    the decoder's tokens are supplied too.
    """
    given = sample.inputs
    if not isinstance(given, Mapping):
        return sample
    ports = {named(port, name): port for port, name in zip(inputs, names_of(inputs), strict=True)}
    tokens = [name for name in (IDS, WRITTEN) if name in ports and name in given]
    if not tokens or not (missing := [name for name in ports if name not in given]):
        return sample
    masks = {MASK: given.get(MASK, np.ones_like(given[tokens[0]])), WRITTEN_MASK: np.ones_like(given[tokens[-1]])}
    own = np.asarray(masks[WRITTEN_MASK if WRITTEN in tokens else MASK])
    found: dict[str, Array] = {}
    for name in missing:
        if name in masks:
            found[name] = np.asarray(masks[name])
        elif name == POSITIONS:
            found[name] = np.maximum(np.cumsum(own, axis=-1) - 1, 0)
        elif name == BEAMS:
            found[name] = np.zeros(1, np.int32)
        elif is_past(name):
            found[name] = empty_past(ports[name])
    if not found:
        return sample
    padding = given.padding if isinstance(given, Tokens) else None
    if padding is not None:
        padding = Padding({MASK: 0, POSITIONS: 0, **padding.values}, padding.left)
    return Sample(Tokens({**given, **found}, padding), sample.target)


def named(port: Any, name: str) -> str:
    """Return the name by which a language model's input is known: one of all that it has."""
    known = (IDS, MASK, POSITIONS, BEAMS)
    return next((other for other in sorted(port.get_names()) if other in known or is_past(other)), name)


def is_past(name: str) -> bool:
    """Tell whether an input takes what is kept of past tokens, by its name."""
    head, dot, _ = name.partition(".")
    return bool(dot) and head in PAST


def past_of(inputs: Sequence[str], outputs: Sequence[str]) -> dict[str, int]:
    """Return for each input that takes what is kept of past tokens the place of the output that gives it."""
    given = {tail: at for at, name in enumerate(outputs) for head, _, tail in [name.partition(".")] if head in PRESENT}
    return {name: given[tail] for name in inputs if is_past(name) and (tail := name.partition(".")[2]) in given}


def empty_past(port: Any) -> Array:
    """Return what an input takes where nothing is past: no token on its open axis beside the batch."""
    sizes = [0 if size.is_dynamic else size.get_length() for size in port.get_partial_shape()]
    return np.zeros([sizes[0] or 1, *sizes[1:]], dtype_of(port))
