"""Turn the outputs of one sample into what a metric compares: by a user's function, or by greedy CTC."""

from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ovquant.errors import MetricError, OvquantError, UsageError
from ovquant.metrics.guarding import callable_name
from ovquant.metrics.outputs import SampleOutputs, without_batch
from ovquant.protocols import Array
from ovquant.registry import import_object

Decode: TypeAlias = str | Callable[[SampleOutputs], Any]
"""A function from the outputs of one sample to what is compared, or where it is: `FILE.py:NAME`."""


def find_decode(decode: Decode) -> Callable[[SampleOutputs], Any]:
    """Return the decode function; whatever it raises becomes a MetricError that names it."""
    function = import_object(decode) if isinstance(decode, str) else decode

    def decode_or_fail(outputs: SampleOutputs) -> Any:
        try:
            return function(outputs)
        except OvquantError:
            raise
        except Exception as error:
            cause = f"{type(error).__name__}: {error}"
            raise MetricError(f"The decode function '{callable_name(function)}' failed: {cause}") from error

    return decode_or_fail


def read_characters(path: Path) -> list[str]:
    """Read the characters of a model, one per line of a UTF-8 file; raise UsageError when it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise UsageError(f"The characters file '{path}' cannot be read: {error}") from error
    # Only the newline ends a line: characters may themselves be unusual spaces, which splitlines() would cut at.
    lines = text.removesuffix("\n").split("\n")
    return [line.removesuffix("\r") for line in lines]


def alphabet(characters: list[str], blank: int, *, classes: int) -> list[str]:
    """Return the text of each class: the characters in order, and nothing for the blank (-1 is the last class).

    Raises UsageError when the number of classes is not one more than the number of characters.
    """
    if len(characters) + 1 != classes:
        raise UsageError(
            f"The model has {classes} classes, and the characters file {len(characters)} characters; there must be one "
            "class more, the blank. Models that also know the space may need space=true."
        )
    position = blank if blank >= 0 else classes + blank
    if not 0 <= position < classes:
        raise UsageError(f"blank={blank} is no class of the model, which has {classes}.")
    return [*characters[:position], "", *characters[position:]]


def ctc_greedy(sample: Array, characters: list[str], *, blank: int) -> str:
    """Decode scores `[1, T, C]`, `[T, 1, C]` or `[T, C]`: the best class per step, repeats merged, blanks dropped.

    Source: best path decoding, Graves et al., "Connectionist Temporal Classification", ICML 2006.
    """
    scores = without_batch(sample) if sample.ndim == 3 else sample
    scores = scores[:, 0] if scores.ndim == 3 and scores.shape[1] == 1 else scores
    if scores.ndim != 2:
        raise MetricError(f"CTC decoding reads scores [1, T, C] or [T, 1, C]; got {list(sample.shape)}.")
    if np.isnan(scores).any():
        raise MetricError("CTC decoding: the model's scores are NaN. Check the model, or keep more in float.")
    texts = alphabet(characters, blank, classes=scores.shape[-1])
    return "".join(texts[best] for best, _ in groupby(scores.argmax(axis=-1).tolist()))


def plain_text(sample: Array) -> str | None:
    """Return the text of an output that is text already, or None."""
    value = without_batch(sample)
    return str(value) if value.ndim == 0 and value.dtype.kind in "UTO" else None
