"""Which operation is to blame for the difference between two models."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import openvino

from ovquant import runtime
from ovquant.api.options import MeasureOptions, read_options
from ovquant.api.planned import as_planned
from ovquant.api.prepare import load_float, tokenizer_of
from ovquant.domain.progress import Progress, silent
from ovquant.errors import ModelError, UsageError
from ovquant.graph.normalise import normalised
from ovquant.graph.taps import shared_operations
from ovquant.measure.blame import Fault, faults
from ovquant.measure.keys import check_keys
from ovquant.plugins.datasets import open_dataset


@dataclass(frozen=True)
class Difference:
    """How far a model's operations are from another's, in its order, and how far its outputs are; relative squared errors.

    Operations of the other model that the first one has not by name are part of those that read them.
    """

    operations: tuple[Fault, ...]
    outputs: float
    samples: int

    @property
    def blamed(self) -> tuple[Fault, ...]:
        """Return the operations by what each brings to the outputs' error, the most first; then by what they are off themselves."""
        return tuple(sorted(self.operations, key=lambda fault: (-(fault.effect or 0.0), -fault.own, fault.name)))


def diff(
    model: Any,
    other: Any,
    *,
    data: Any,
    samples: int = 8,
    other_properties: dict[str, str] | None = None,
    progress: Progress = silent,
    **options: Unpack[MeasureOptions],
) -> Difference:
    """Tell where another model parts from a model, and what share of its outputs' error each operation brings.

    Each operation of the other model is also run on what the first model gives it, so that its own error is told from what came to
    it, and that error is put into the first model alone. Operations are known by their names, those of the first model's normal form
    too; what has no counterpart is part of what reads it. samples: how many of the data are run. The first model runs in f32, the other one
    with the options' properties, those of its plan where it is a result's, and `other_properties`, so that one model can be compared with itself at another precision. Raises
    UsageError for models that share no operations, and ModelError for one that keeps state.
    """
    settings = read_options(options, MeasureOptions, of=diff)
    runtime.check_device(settings.device)
    if samples < 1:
        raise UsageError(f"samples is {samples}; give one or more.")
    first, second = (load_float(given, settings) for given in (model, other))
    for loaded in (first, second):
        if loaded.get_sinks():
            raise ModelError("Models that keep state are not taken apart. Give one that takes its past as inputs.")
    first, names = _matched(first, second)
    dataset = open_dataset(data, tokenizer=tokenizer_of(model))
    check_keys(first.inputs, dataset[0], "the first sample of the data")
    plain = settings.deployment()
    reference = runtime.compile_model(first, runtime.Deployment(settings.device, dict(runtime.REFERENCE), plain.batch))
    requests = runtime.requests_of(reference, dataset, samples)
    there = {**as_planned(other, settings).properties, **(other_properties or {})}
    deployments = tuple(
        runtime.Deployment(settings.device, properties, plain.batch) for properties in (dict(runtime.REFERENCE), there)
    )
    found, outputs = faults(first, second, names, requests, deployments=deployments, progress=progress)  # type: ignore[arg-type]
    return Difference(tuple(found), outputs, len(requests))


def _matched(first: openvino.Model, second: openvino.Model) -> tuple[openvino.Model, Sequence[str]]:
    """Return the first model, or its normal form where that shares more operations with the second, and their names."""
    found = [(first, shared_operations(first, second))]
    try:
        normal = normalised(first).model
        found.append((normal, shared_operations(normal, second)))
    except ModelError:
        pass
    model, names = max(found, key=lambda pair: len(pair[1]))
    if not names:
        raise UsageError("The models share no operations by name. Give a model and one that was made of it.")
    if len(first.inputs) != len(second.inputs) or len(first.outputs) != len(second.outputs):
        raise UsageError("The models have other inputs or outputs. Give a model and one that was made of it.")
    return model, names
