"""Model, data and metric to a score, with one item per sample where the metric has them."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import openvino

from ovquant.budgets import Budget
from ovquant.errors import MetricError, OvquantError
from ovquant.metrics import checked, metric_name
from ovquant.protocols import Array, Dataset, Metric, Outputs
from ovquant.runtime import Block, infer, names_of
from ovquant.statistics import mean_interval
from ovquant.trials import Score, Split

FIRST_LOOK = 64
"""Samples after which a plan is first asked whether it is decided."""
Step = Callable[[int, int], None]
"""Called with the samples done and the samples in all."""
Seen = Callable[[Block], None]
"""Called with the outputs of each run of samples that is scored."""


@dataclass(frozen=True)
class Evaluation:
    """A score; `items` holds one number per sample where the score is their mean, else None."""

    score: float
    samples: int
    items: tuple[float, ...] | None = None


def evaluate(
    compiled: openvino.CompiledModel,
    dataset: Dataset,
    *,
    metric: Any,
    reference: openvino.CompiledModel | None = None,
    step: Step | None = None,
    seen: Seen | None = None,
) -> Evaluation:
    """Score a compiled model on a dataset.

    metric: fits protocols.Metric, or has `score_all(outputs, targets)` for all samples at once. reference: the float
    model, for metrics that compare with its outputs. `seen` is shown all outputs. Raises MetricError when targets are
    missing, or when the metric raises or gives something that is no number.
    """
    blocks = _paired_blocks(compiled, dataset, metric, reference, step, seen)
    if hasattr(metric, "score_all"):
        return _whole(blocks, metric, names_of(compiled.outputs), len(dataset))
    return _by_block(blocks, metric, len(dataset))


def _by_block(blocks: Iterator[Block], metric: Metric, samples: int) -> Evaluation:
    items: list[Any] = []
    for block in blocks:
        measured = _guarded(metric, partial(metric.measure, block.stacked(), block.targets))
        items += checked(metric, list(measured), samples=len(block.indices))
    score = float(checked(metric, _guarded(metric, partial(metric.aggregate, items))))
    return Evaluation(score, samples, tuple(float(item) for item in items) if metric.is_mean else None)


def _whole(blocks: Iterator[Block], metric: Any, names: Sequence[str], samples: int) -> Evaluation:
    with tempfile.TemporaryDirectory(prefix="ovquant-") as folder:
        stores = {name: Store(Path(folder) / f"{position}.bin") for position, name in enumerate(names)}
        targets: list[Any] = []
        for block in blocks:
            for sample in block.outputs:
                for name, array in sample.items():
                    stores[name].append(array)
            targets += block.targets
        columns = {name: store.read() for name, store in stores.items()}
        outputs: Outputs = columns[names[0]] if len(names) == 1 else columns
        score, items = _guarded(metric, partial(metric.score_all, outputs, targets))
        checked(metric, score)
        return Evaluation(float(score), samples, None if items is None else tuple(float(item) for item in items))


class Store:
    """Arrays of one output on disk, so that memory does not grow with the number of samples."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")
        self._shapes: list[tuple[int, ...]] = []
        self._dtype = np.dtype(np.float32)

    def append(self, array: Array) -> None:
        """Write one sample's array."""
        self._dtype = array.dtype
        self._shapes.append(array.shape)
        self._file.write(np.ascontiguousarray(array).tobytes())

    def read(self) -> Array | list[Array]:
        """Return the memory-mapped arrays: stacked along the batch axis, or a list when shapes differ."""
        self._file.close()
        flat = np.memmap(self._path, dtype=self._dtype, mode="r")
        first = self._shapes[0]
        if first and first[0] == 1 and all(shape == first for shape in self._shapes):
            return flat.reshape(len(self._shapes), *first[1:])
        ends = np.cumsum([int(np.prod(shape)) for shape in self._shapes])
        return [
            flat[end - int(np.prod(shape)) : end].reshape(shape) for shape, end in zip(self._shapes, ends, strict=True)
        ]


def looks(samples: int) -> Iterator[int]:
    """Yield after how many samples to look whether a plan is decided: ever twice as many, the last time after all."""
    end = FIRST_LOOK
    # A last part that is nearly nothing is not worth a look before it.
    while end * 1.5 < samples:
        yield end
        end *= 2
    yield samples


def compared(mine: Evaluation, truth: Evaluation, split: Split, budget: Budget, *, higher_is_better: bool) -> Score:
    """Return a plan's score beside float's, on the plan's samples where the metric goes sample by sample.

    mine: of the first samples of those of `truth`, or of all.
    """
    sign = 1.0 if higher_is_better else -1.0
    expected = truth.score
    low = high = None
    if mine.items is not None and truth.items is not None:
        paired = np.asarray(truth.items[: mine.samples])
        expected = truth.score if mine.samples == truth.samples else float(paired.mean())
        low, high = mean_interval(sign * (paired - np.asarray(mine.items)))
    return Score(
        split=split,
        value=mine.score,
        float_value=expected,
        drop=sign * (expected - mine.score),
        excess=budget.excess(mine.score, float_score=expected, higher_is_better=higher_is_better),
        samples=mine.samples,
        low=low,
        high=high,
    )


def divergence(found: Sequence[dict[str, Array]], expected: Sequence[dict[str, Array]]) -> float:
    """Return the mean over samples and outputs of the relative squared error of a model's outputs.

    found, expected: one mapping by output name per sample, of the same samples. Zero is equal; one is as far off as an
    output of zeros. Outputs of integers count the share that differs.
    """
    # By position: a device names outputs that have no name, anew in each model.
    errors = [
        _relative_error(mine, truth)
        for outputs, wanted in zip(found, expected, strict=True)
        for mine, truth in zip(outputs.values(), wanted.values(), strict=True)
    ]
    return float(np.mean(errors))


def _relative_error(outputs: Array, truth: Array) -> float:
    if outputs.shape != truth.shape:
        return 1.0
    if truth.dtype.kind not in "fc":
        return float(np.mean(outputs != truth)) if truth.size else 0.0
    error = float(np.square(outputs.astype(np.float64) - truth).sum())
    power = float(np.square(truth.astype(np.float64)).sum())
    if not np.isfinite(error):
        return 1e6
    return error / power if power > 0 else float(error > 0)


def outputs_of(
    compiled: openvino.CompiledModel, dataset: Dataset, *, count: int, most_bytes: int | None = None
) -> list[dict[str, Array]]:
    """Return the outputs of the first samples: `count` of them, or fewer (four at least) to stay under a size."""
    kept: list[dict[str, Array]] = []
    size = 0
    for block in infer(compiled, dataset, stop=count):
        for outputs in block.outputs:
            size += sum(array.nbytes for array in outputs.values())
            if most_bytes is not None and len(kept) >= 4 and size > most_bytes:
                return kept
            kept.append(outputs)
    return kept


def _paired_blocks(
    compiled: openvino.CompiledModel,
    dataset: Dataset,
    metric: Any,
    reference: openvino.CompiledModel | None,
    step: Step | None,
    seen: Seen | None,
) -> Iterator[Block]:
    against_float = getattr(metric, "against", "targets") == "float"
    if against_float and reference is None:
        raise MetricError(f"The metric {metric_name(metric)} compares with the float model: give it with --reference.")
    others = infer(reference, dataset) if against_float and reference is not None else None
    for block in infer(compiled, dataset):
        if others is not None:
            truth = _regrouped(others, block)
            block = Block(block.indices, block.outputs, truth)
        else:
            _require_targets(metric, block)
        if seen is not None:
            seen(block)
        yield block
        if step is not None:
            step(block.indices[-1] + 1, len(dataset))


def _regrouped(others: Iterator[Block], block: Block) -> list[Any]:
    """Return the float model's outputs for the samples of a block; both walk the same data in the same order."""
    other = next(others)
    if other.indices != block.indices:
        raise MetricError("The float model takes another batch size than the model that is compared with it.")
    return [next(iter(outputs.values())) if len(outputs) == 1 else outputs for outputs in other.outputs]


def _require_targets(metric: Any, block: Block) -> None:
    missing = [index for index, target in zip(block.indices, block.targets, strict=True) if target is None]
    if missing:
        raise MetricError(
            f"The metric {metric_name(metric)} needs targets and sample {missing[0]} has none. Add targets to the data, or "
            "use the label-free metric fidelity, which compares with the float model."
        )


def _guarded(metric: Any, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except OvquantError:
        raise
    except Exception as error:
        cause = str(error).strip().partition("\n")[0]
        raise MetricError(
            f"The metric {metric_name(metric)} raised {type(error).__name__}: {cause}. Correct it, or check that it suits the model's outputs and the targets."
        ) from error
