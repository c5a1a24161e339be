"""Read a batch of model outputs one sample at a time.

A sample's output is what the model returned for it alone, batch axis kept: `[1, ...]` for a model that has one.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from ovquant.errors import MetricError
from ovquant.protocols import Array, Outputs

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
