"""Model, data and metric to a score, with one item per sample where the metric has them."""

import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import openvino

from ovquant.domain.sample import Array, Dataset, Outputs
from ovquant.errors import MetricError, OvquantError
from ovquant.graph.names import names_of
from ovquant.measure.nans import Found, Nans
from ovquant.measure.reference import Reference
from ovquant.measure.written import with_generated
from ovquant.plugins.metrics import ResolvedMetric, checked
from ovquant.runtime import Block, infer, stackable

FIRST_CHECKPOINT = 64
"""Samples after which a plan is first asked whether it is decided."""
REFERENCE = "the reference"
"""What messages call the model that another one is compared with."""
Step = Callable[[int, int], None]
"""Called with the samples done and the samples in all."""
Seen = Callable[[Block], None]
"""Called with the outputs of each run of samples that is scored."""
Resample = Callable[[Callable[[Sequence[int]], float]], Sequence[float]]
"""Turns a function from places of samples to a score into the scores of resamples."""


@dataclass(frozen=True)
class Evaluation:
    """A score; `items` holds one number per sample where the score is their mean, else None.

    `replicates` are the scores of resamples of the samples, where they were asked for and the score is not a mean: those of
    two models on the same data are of the same resamples. `nan` holds the samples for which outputs are NaN. `workers` are those
    elsewhere that ran the model, none where it ran here.
    """

    score: float
    samples: int
    items: tuple[float, ...] | None = None
    replicates: tuple[float, ...] | None = None
    nan: tuple[Found, ...] = ()
    workers: tuple[str, ...] = field(default=(), compare=False)


def workers_of(parts: Sequence[Evaluation]) -> tuple[str, ...]:
    """Return the workers elsewhere that ran the model in any of these."""
    return tuple(sorted({worker for part in parts for worker in part.workers}))


def evaluate(
    compiled: openvino.CompiledModel,
    dataset: Dataset,
    *,
    metric: ResolvedMetric,
    reference: Reference | None = None,
    step: Step | None = None,
    seen: Seen | None = None,
) -> Evaluation:
    """Score a compiled model on a dataset by one metric; see `evaluate_all`."""
    return evaluate_all(compiled, dataset, metrics=[metric], reference=reference, step=step, seen=seen)[0]


def evaluate_all(
    compiled: openvino.CompiledModel,
    dataset: Dataset,
    *,
    metrics: Sequence[ResolvedMetric],
    reference: Reference | None = None,
    step: Step | None = None,
    seen: Seen | None = None,
    resample: Resample | None = None,
    whose: str = "the model",
) -> list[Evaluation]:
    """Score a compiled model on a dataset by several metrics, inferring once.

    reference: the float model, for metrics that compare with its outputs. `seen` is shown all outputs. `resample` turns a
    function from places of samples to a score into the scores of resamples, for metrics that are not means. `whose` is what
    messages call the model. Raises MetricError when targets are missing, or when a metric raises or gives something that is
    not a number; where outputs are NaN it says whose.
    """
    nans = Nans(dataset, whose), Nans(dataset, REFERENCE)
    try:
        found = _scored(compiled, dataset, metrics, reference, nans, step=step, seen=seen, resample=resample)
    except MetricError as error:
        causes = dict.fromkeys(item.text for item in nans if item.found)
        if not causes:
            raise
        raise MetricError(" ".join([str(error), *causes])) from error
    return [replace(item, nan=tuple(nans[0].found)) for item in found]


def _scored(
    compiled: openvino.CompiledModel,
    dataset: Dataset,
    metrics: Sequence[ResolvedMetric],
    reference: Reference | None,
    nans: tuple[Nans, Nans],
    *,
    step: Step | None,
    seen: Seen | None,
    resample: Resample | None,
) -> list[Evaluation]:
    with ExitStack() as stack:
        scorers = [
            stack.enter_context(Whole(metric, names_of(compiled.outputs), resample))
            if metric.is_whole_set
            else BySample(metric, resample)
            for metric in metrics
        ]
        reads_generated = any(metric.reads_generated for metric in metrics)
        for plain, truth in _blocks(compiled, dataset, metrics, reference, nans):
            if seen is not None:
                seen(plain)
            block = with_generated(compiled, dataset, plain) if reads_generated else plain
            columns = iter(truth)
            for metric, scorer in zip(metrics, scorers, strict=True):
                targets = next(columns) if metric.compares_with_float else _targets(metric, block)
                scorer.add(replace(block, targets=targets))
            if step is not None:
                step(block.indices[-1] + 1, len(dataset))
        return [scorer.finish(len(dataset)) for scorer in scorers]


class BySample:
    """Scores block after block by a metric that gives an item per sample."""

    def __init__(self, metric: ResolvedMetric, resample: Resample | None) -> None:
        self._metric, self._resample = metric, resample
        self._items: list[Any] = []

    def add(self, block: Block) -> None:
        """Measure a block."""
        plugin = self._metric.plugin
        measured = _guarded(self._metric, partial(plugin.measure, block.stacked(), block.targets))
        self._items += checked(plugin, list(measured), samples=len(block.indices))

    def finish(self, samples: int) -> Evaluation:
        """Return the score of all blocks."""
        items, metric, plugin = self._items, self._metric, self._metric.plugin

        def score(places: Sequence[int]) -> float:
            return float(plugin.aggregate([items[place] for place in places]))

        whole = float(checked(plugin, _guarded(metric, partial(plugin.aggregate, items))))
        if metric.is_mean:
            return Evaluation(whole, samples, tuple(float(item) for item in items))
        return Evaluation(whole, samples, replicates=_resampled(self._resample, score))


class Whole:
    """Keeps all outputs on disk for a metric that needs them at once."""

    def __init__(self, metric: ResolvedMetric, names: Sequence[str], resample: Resample | None) -> None:
        self._metric, self._resample, self._names = metric, resample, names
        self._folder = tempfile.TemporaryDirectory(prefix="ovquant-")
        self._stores = {name: Store(Path(self._folder.name) / f"{position}.bin") for position, name in enumerate(names)}
        self._targets: list[Any] = []

    def __enter__(self) -> "Whole":
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def add(self, block: Block) -> None:
        """Keep a block."""
        for sample in block.outputs:
            for name, array in sample.items():
                self._stores[name].append(array, batched=name in block.batched)
        self._targets += block.targets

    def finish(self, samples: int) -> Evaluation:
        """Return the score of all outputs."""
        columns = {name: store.read() for name, store in self._stores.items()}
        targets, plugin = self._targets, self._metric.plugin

        def picked(places: Sequence[int] | None) -> Outputs:
            some = {name: column if places is None else _picked(column, places) for name, column in columns.items()}
            return some[self._names[0]] if len(self._names) == 1 else some

        def score(places: Sequence[int]) -> float:
            return float(plugin.score_all(picked(places), [targets[place] for place in places])[0])

        whole, items = _guarded(self._metric, partial(plugin.score_all, picked(None), targets))
        checked(plugin, whole)
        if items is not None:
            return Evaluation(float(whole), samples, tuple(float(item) for item in items))
        return Evaluation(float(whole), samples, replicates=_resampled(self._resample, score))


def _picked(column: Any, places: Sequence[int]) -> Any:
    return column[np.asarray(places)] if isinstance(column, np.ndarray) else [column[place] for place in places]


def _resampled(resample: Resample | None, score: Callable[[Sequence[int]], float]) -> tuple[float, ...] | None:
    if resample is None:
        return None
    # A resample can be one that a metric refuses, such as one with a single class: then there is no interval.
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = tuple(float(value) for value in resample(score))
    except Exception:
        return None
    return found if found and np.isfinite(found).all() else None


class Store:
    """Arrays of one output on disk, so that memory does not grow with the number of samples."""

    def __init__(self, path: Path) -> None:
        self._path, self._batched = path, True
        self._file = path.open("wb")
        self._shapes: list[tuple[int, ...]] = []
        self._dtype = np.dtype(np.float32)

    def append(self, array: Array, *, batched: bool = False) -> None:
        """Write one sample's array; batched: whether its axis 0 is known to be the batch."""
        self._batched &= batched
        self._dtype = array.dtype
        self._shapes.append(array.shape)
        self._file.write(np.ascontiguousarray(array).tobytes())

    def read(self) -> Array | list[Array]:
        """Return the memory-mapped arrays: stacked along the batch axis, or a list where there is none or shapes differ."""
        self._file.close()
        # An empty file cannot be mapped, and outputs of no detection at all make one.
        empty = self._path.stat().st_size == 0
        flat = np.empty(0, self._dtype) if empty else np.memmap(self._path, dtype=self._dtype, mode="r")
        if self._batched and stackable(self._shapes):
            return flat.reshape(len(self._shapes), *self._shapes[0][1:])
        ends = np.cumsum([int(np.prod(shape)) for shape in self._shapes])
        return [
            flat[end - int(np.prod(shape)) : end].reshape(shape) for shape, end in zip(self._shapes, ends, strict=True)
        ]


def checkpoints(samples: int) -> Iterator[int]:
    """Yield after how many samples to look whether a plan is decided: ever twice as many, the last time after all."""
    end = FIRST_CHECKPOINT
    # A last part that is nearly nothing is not worth a look before it.
    while end * 1.5 < samples:
        yield end
        end *= 2
    yield samples


def _blocks(
    compiled: openvino.CompiledModel,
    dataset: Dataset,
    metrics: Sequence[ResolvedMetric],
    reference: Reference | None,
    nans: tuple[Nans, Nans],
) -> Iterator[tuple[Block, list[list[Any]]]]:
    """Yield the outputs of runs of samples, and what each metric that compares with float reads of its; note what is NaN."""
    compares = [metric for metric in metrics if metric.compares_with_float]
    if compares and reference is None:
        raise MetricError(f"The metric {compares[0].name} compares with the float model: give it with --reference.")
    for block in infer(compiled, dataset):
        nans[0].look(block)
        truth = reference.read(block, compiled, dataset, compares, nans[1]) if reference and compares else []
        yield block, truth


def _targets(metric: ResolvedMetric, block: Block) -> list[Any]:
    """Return the targets of a block, for a metric of language models its own tokens where there are none."""
    if metric.reads_texts and all(target is None for target in block.targets):
        return list(block.texts)
    missing = [index for index, target in zip(block.indices, block.targets, strict=True) if target is None]
    if missing:
        raise MetricError(
            f"The metric {metric.name} needs targets and sample {missing[0]} has none. Add targets to the data, or "
            "use the label-free metric fidelity, which compares with the float model."
        )
    return block.targets


def _guarded(metric: ResolvedMetric, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except OvquantError:
        raise
    except Exception as error:
        cause = str(error).strip().partition("\n")[0]
        raise MetricError(
            f"The metric {metric.name} raised {type(error).__name__}: {cause}. Correct it, or check that it suits the model's outputs and the targets."
        ) from error
