"""Turn class scores, or class ids, into predicted ids beside the true ones."""

from typing import Any

import numpy as np

from ovquant.errors import MetricError, UsageError
from ovquant.metrics.outputs import without_batch
from ovquant.protocols import Array


def check_axis(axis: int, *, metric: str) -> None:
    """Raise UsageError when the axis of the classes is the batch axis."""
    if axis == 0:
        raise UsageError(f"Metric '{metric}': axis=0 is the batch; give the axis of the classes, such as axis=1.")


def predicted_ids(
    sample: Array, target: Any, *, axis: int, metric: str, k: int = 1, threshold: float | None = None
) -> tuple[Array, Array]:
    """Return the k most likely ids `[..., k]` and the true ids `[...]` of one sample.

    `sample` `[1, ...]` holds class ids when its shape without the batch axis is the target's, else scores with
    the classes on `axis` (counted with the batch axis). A single score per position is a binary one: ids are
    whether it reaches `threshold`. Raises MetricError when the shapes do not fit or a score is NaN.
    """
    values, truth = without_batch(sample), _true_ids(target, metric)
    if truth.size == 1 and values.ndim <= 1:
        truth = truth.reshape(())
    if truth.ndim == values.ndim:
        ids = _whole_ids(values, truth, metric)[..., np.newaxis]
    elif truth.ndim + 1 == values.ndim:
        ids = _ids_of_scores(sample, axis, k, threshold, metric)
    else:
        raise MetricError(_misfit(values, truth, metric))
    if ids.shape[:-1] != truth.shape:
        raise MetricError(_misfit(values, truth, metric))
    return ids, truth


def _true_ids(target: Any, metric: str) -> Array:
    if target is None:
        raise MetricError(f"Metric '{metric}' needs targets and a sample has none. Give labelled data.")
    truth = np.asarray(target)
    if truth.dtype.kind not in "biuf" or not np.array_equal(truth, np.round(truth)):
        raise MetricError(f"Metric '{metric}' needs class ids as targets; got {target!r:.80}.")
    return truth.astype(np.int64)


def _whole_ids(values: Array, truth: Array, metric: str) -> Array:
    if values.shape != truth.shape or not np.array_equal(values, np.round(values)):
        raise MetricError(_misfit(values, truth, metric))
    return values.astype(np.int64)


def _ids_of_scores(sample: Array, axis: int, k: int, threshold: float | None, metric: str) -> Array:
    classes = _move_classes_last(sample, axis, metric)
    if np.isnan(classes).any():
        raise MetricError(f"Metric '{metric}': the model's scores are NaN. Check the model, or keep more in float.")
    if classes.shape[-1] == 1:
        return _binary_ids(classes, threshold, metric)
    if k > classes.shape[-1]:
        raise MetricError(f"Metric '{metric}': k={k} is more than the model's {classes.shape[-1]} classes.")
    if k == 1:
        return np.expand_dims(classes.argmax(axis=-1), -1)
    return np.argsort(-classes, axis=-1, kind="stable")[..., :k]


def _move_classes_last(sample: Array, axis: int, metric: str) -> Array:
    try:
        return without_batch(np.moveaxis(sample, axis, -1))
    except np.exceptions.AxisError as error:
        raise MetricError(f"Metric '{metric}': an output of shape {list(sample.shape)} has no axis {axis}.") from error


def _binary_ids(scores: Array, threshold: float | None, metric: str) -> Array:
    if threshold is not None:
        return (scores >= threshold).astype(np.int64)
    if scores.dtype.kind in "biu":
        return scores.astype(np.int64)
    raise MetricError(
        f"Metric '{metric}': the model gives one score, not one per class. "
        "Add threshold=0.5 for probabilities or threshold=0 for logits."
    )


def _misfit(values: Array, truth: Array, metric: str) -> str:
    return (
        f"Metric '{metric}': an output of shape {list(values.shape)} (without the batch) does not fit a target of "
        f"shape {list(truth.shape)}. Give class ids as targets: one per sample or position, the classes on axis=."
    )
