"""How far the outputs of two models are apart, request by request."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import openvino

from ovquant.domain.repetition import check_repetition
from ovquant.domain.sample import Array
from ovquant.live.replica import Replica
from ovquant.plugins.datasets import open_dataset
from ovquant.plugins.metrics import WholeSetMetric, resolve_metric
from ovquant.runtime import Compiled, filling_of, known, request, samples_in, stack
from ovquant.stats.betting import mean_bound


def disagreement_bound(
    quantized: openvino.CompiledModel | Replica,
    reference: openvino.CompiledModel | Replica,
    data: Any,
    *,
    confidence: float,
    metric: Any,
) -> float:
    """Return what the disagreement of two models surely does not exceed on data like these, each from a clean state."""
    samples, scorer = open_dataset(data), resolve_metric(metric)
    check_repetition(samples)
    mine, theirs = (model if isinstance(model, Replica) else Replica(model) for model in (quantized, reference))
    truth, ports = reference_of(mine.compiled, theirs.compiled), mine.compiled.inputs
    filling, found = filling_of(ports, samples), list[float]()
    asks = [partial(model.infer, model.create_infer_request()) for model in (mine, theirs)]
    for begin in range(0, len(samples), filling.size):
        inputs = request(ports, samples, begin, filling)
        outputs, expected = (ask(inputs) for ask in asks)
        count = samples_in(truth, asks[1], inputs, expected)
        found.append(disagreement(scorer, outputs, expected, samples=count, batched=truth.batched))
    return mean_bound(found, confidence=confidence)


def reference_of(quantized: openvino.CompiledModel, reference: openvino.CompiledModel) -> Compiled:
    """Return the float model with what is known of the outputs of either model: both have the same outputs."""
    if isinstance(reference, Compiled) or not isinstance(quantized, Compiled):
        return known(reference)
    return Compiled(reference, quantized.batched)


def disagreement(
    metric: Any, outputs: Sequence[Array], expected: Sequence[Array], *, samples: int = 1, batched: Sequence[bool] = ()
) -> float:
    """Return how far a request's outputs are from those expected, from 0 to 1, by a metric that is given these as targets.

    samples: how many samples the request holds; its outputs are cut into as many parts. Give one where that is not known:
    the outputs are then compared whole. batched: for each output, whether axis 0 is known to be the batch, so that a
    function gets it stacked. A request of several samples counts with their mean. NaN counts as entirely different.
    """
    if any(array.dtype.kind == "f" and np.isnan(array).any() for array in outputs):
        return 1.0
    mine, theirs = ([_parts(array, samples) for array in arrays] for arrays in (outputs, expected))
    targets = [_one([parts[place] for parts in theirs]) for place in range(samples)]
    flags = batched or [False] * len(outputs)
    found = _one([stack(parts, batched=flag) for parts, flag in zip(mine, flags, strict=True)])
    if isinstance(metric, WholeSetMetric):
        score, _ = metric.score_all(found, targets)
    else:
        score = metric.aggregate(metric.measure(found, targets))
    away = 1.0 - score if metric.higher_is_better else score
    return float(np.clip(away, 0.0, 1.0))


def _parts(array: Array, samples: int) -> list[Array]:
    return [array] if samples == 1 else np.split(array, samples)


def _one(values: Sequence[Any]) -> Any:
    """Return what a metric takes: one value for one output, a mapping for several."""
    return values[0] if len(values) == 1 else {str(place): value for place, value in enumerate(values)}
