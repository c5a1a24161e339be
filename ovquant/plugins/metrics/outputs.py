"""Read a batch of model outputs one sample at a time.

A sample's output is what the model returned for it alone, batch axis kept: `[1, ...]` for a model that has one.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ovquant.domain.sample import Array, Outputs
from ovquant.errors import MetricError, OvquantError, UsageError
from ovquant.plugins.metrics.checks import callable_name
from ovquant.plugins.spec import import_object

SampleOutputs: TypeAlias = Array | dict[str, Array]
"""The outputs of one sample: an array, or a dict by output name when the model has several."""


def split_output(outputs: Outputs, targets: Sequence[Any], *, output: str, metric: str) -> list[Array]:
    """Return one output per sample, each with its batch axis; `output` names it when there are several.

    Raises MetricError when the name is needed or unknown, or when outputs and targets differ in number.
    """
    return _split(_choose(outputs, output, metric), len(targets), metric)


def split_outputs(outputs: Outputs, targets: Sequence[Any], *, output: str = "", metric: str) -> list[SampleOutputs]:
    """Return all outputs per sample, or only `output`: an array for one output, else a dict by name."""
    if not isinstance(outputs, Mapping) or output or len(outputs) == 1:
        return list(split_output(outputs, targets, output=output, metric=metric))
    columns = {name: _split(values, len(targets), metric) for name, values in outputs.items()}
    return [{name: column[index] for name, column in columns.items()} for index in range(len(targets))]


def without_batch(sample: Array) -> Array:
    """Drop a leading axis of length one."""
    return sample[0] if sample.ndim and sample.shape[0] == 1 else sample


def _choose(outputs: Outputs, output: str, metric: str) -> Array | Sequence[Array]:
    if not isinstance(outputs, Mapping):
        # The outputs of a model with one output come without a name, so there is nothing to compare with.
        return outputs
    names = ", ".join(f"'{name}'" for name in outputs)
    if output:
        if output not in outputs:
            raise MetricError(f"Metric '{metric}' reads output '{output}'; the model's outputs: {names}.")
        return outputs[output]
    if len(outputs) != 1:
        raise MetricError(f"Metric '{metric}' reads one output and the model has {names}. Add output=NAME.")
    return next(iter(outputs.values()))


def _split(values: Array | Sequence[Array], samples: int, metric: str) -> list[Array]:
    if len(values) != samples:
        raise MetricError(f"Metric '{metric}' got {len(values)} outputs for {samples} targets.")
    if isinstance(values, np.ndarray):
        return [values[index : index + 1] for index in range(samples)]
    return [np.asarray(value) for value in values]


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
        raise UsageError(f"blank={blank} is not a class of the model, which has {classes}.")
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
