"""Time models beside each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import openvino

from ovquant import runtime
from ovquant.api.options import MeasureOptions, read_options
from ovquant.api.planned import as_planned, planned_properties
from ovquant.api.prepare import load_float, model_name, tokenizer_of
from ovquant.api.session import may_start_processes
from ovquant.domain.files import TemporaryFolder
from ovquant.domain.sample import Array
from ovquant.domain.trial import Timing
from ovquant.measure.footprint import FOOTPRINT_REQUESTS, footprint
from ovquant.measure.keys import check_keys
from ovquant.measure.stopwatch import race_heats, requests_for
from ovquant.plugins.datasets import open_dataset

HEATS, MOST_ROUNDS, TIMED_REQUESTS = 8, 400, 16


@dataclass(frozen=True)
class Contender:
    """One model of a benchmark; the ratios in `timing` are to the first model.

    `memory_bytes` is what a process that serves the model grows by at most; None where no process may be started for it.
    `properties` are those that it was compiled with since its plan says so.
    """

    name: str
    timing: Timing
    memory_bytes: int | None = None
    properties: Mapping[str, str] = field(default_factory=dict)


def benchmark(
    models: Sequence[Any], *, data: Any = None, seconds: float = 10.0, **options: Unpack[MeasureOptions]
) -> list[Contender]:
    """Time models in turn, on samples of the data or on random inputs of fixed shapes.

    seconds: time in all, compilation aside; it is spread over heats, in each of which all models are compiled anew and have
    another order. A result's model is compiled with the properties of its plan. Returns one Contender per model; ratios are to the first, with intervals over heats. `optimize`
    "throughput" times bursts with all requests busy, and "first-token" and "next-token" a decoder while it generates. Raises DataError when the shapes are dynamic and no data given.
    """
    settings = read_options(options, MeasureOptions, of=benchmark)
    runtime.check_device(settings.device)
    loaded = [load_float(model, settings) for model in models]
    deployments = [as_planned(model, settings) for model in models]
    makers = [partial(runtime.compile_model, *served) for served in zip(loaded, deployments, strict=True)]
    first, *others = (make() for make in makers)
    samples = (
        open_dataset(data, tokenizer=tokenizer_of(models[0]))
        if data is not None
        else runtime.random_samples(first, seed=settings.seed)
    )
    check_keys(first.inputs, samples[0], "the first sample of the data")
    timed = requests_for(first, samples, settings.optimize, settings.generation(), TIMED_REQUESTS)
    requests = runtime.requests_of(first, samples, TIMED_REQUESTS)
    # The others must take the samples too; what is timed is compiled in the heats.
    for other in others:
        runtime.requests_of(other, samples, 1)
    del first, others
    timings = race_heats(
        makers,
        lambda _: timed,
        objective=settings.optimize,
        seconds=seconds,
        heats=HEATS,
        most=MOST_ROUNDS,
        seed=settings.seed,
    )
    memory = [_memory(*served, requests) for served in zip(loaded, deployments, strict=True)]
    names = [model_name(model) if not isinstance(model, str | Path) else str(model) for model in models]
    planned = [planned_properties(model, settings) for model in models]
    return [Contender(*found) for found in zip(names, timings, memory, planned, strict=True)]


def _memory(model: openvino.Model, deployment: runtime.Deployment, requests: Sequence[Sequence[Array]]) -> int | None:
    if not may_start_processes():
        return None
    folder = TemporaryFolder()
    openvino.serialize(model, folder.path / "model.xml")
    return footprint(folder.path / "model.xml", deployment, requests[:FOOTPRINT_REQUESTS])
