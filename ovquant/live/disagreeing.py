"""How far the outputs of two models are apart, request by request."""

from typing import Any

import numpy as np
import openvino

from ovquant.datasets import open_dataset
from ovquant.exact import mean_bound
from ovquant.live.replica import Replica
from ovquant.metrics import WholeSetMetric, resolve_metric
from ovquant.protocols import Array
from ovquant.runtime import request, static_batch


def disagreement_bound(
    quantized: openvino.CompiledModel | Replica,
    reference: openvino.CompiledModel | Replica,
    data: Any,
    *,
    confidence: float,
    metric: Any,
) -> float:
    """Return what the disagreement of two models surely does not exceed on data like these."""
    samples, scorer = open_dataset(data), resolve_metric(metric)
    models = [model if isinstance(model, Replica) else Replica(model) for model in (quantized, reference)]
    requests = [model.create_infer_request() for model in models]
    ports = models[0].compiled.inputs
    batch, found = static_batch(ports), []
    for begin in range(0, len(samples), batch):
        inputs = request(ports, samples, begin, batch)
        mine, theirs = (model.infer(asked, inputs) for model, asked in zip(models, requests, strict=True))
        found.append(disagreement(scorer, mine, theirs))
    return mean_bound(found, confidence=confidence)


def disagreement(metric: Any, outputs: list[Array], expected: list[Array]) -> float:
    """Return how far a request's outputs are from those expected, from 0 to 1, by a metric that is given these as targets.

    A request of several samples counts with their mean. Outputs that are no numbers are as far off as can be.
    """
    if any(array.dtype.kind == "f" and np.isnan(array).any() for array in outputs):
        return 1.0
    rows = {len(array) if array.ndim else 0 for array in outputs}
    count = rows.pop() if len(rows) == 1 else 0
    targets = [_one([array[place : place + 1] for array in expected]) for place in range(count)] or [_one(expected)]
    mine: Any = _one(outputs)
    if not count:
        mine = {name: [array] for name, array in mine.items()} if isinstance(mine, dict) else [mine]
    if isinstance(metric, WholeSetMetric):
        score, _ = metric.score_all(mine, targets)
    else:
        score = metric.aggregate(metric.measure(mine, targets))
    away = 1.0 - score if metric.higher_is_better else score
    return float(np.clip(away, 0.0, 1.0))


def _one(arrays: list[Array]) -> Array | dict[str, Array]:
    return arrays[0] if len(arrays) == 1 else {str(place): array for place, array in enumerate(arrays)}
