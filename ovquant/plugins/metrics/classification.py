"""Score predicted classes: accuracy and F1."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from ovquant.domain.sample import Array, Outputs
from ovquant.errors import MetricError, UsageError
from ovquant.plugins.extras import library
from ovquant.plugins.metrics.outputs import split_output, without_batch


@dataclass(frozen=True)
class Accuracy:
    """Count how often the true class is among the k most likely.

    The output is class scores with the classes on `axis` (counted with the batch axis), or class ids when its shape
    without the batch axis is the target's. Targets are class ids. With several positions per sample (tokens,
    pixels) a sample's item is the share of its positions that are right. `threshold` turns a single binary score
    into an id. The score is between 0 and 1. Raises MetricError on shapes that do not fit and on NaN scores.
    """

    k: int = 1
    axis: int = -1
    threshold: float | None = None
    output: str = ""

    higher_is_better: ClassVar[bool] = True
    is_mean: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    against: ClassVar[str] = "targets"

    @property
    def guesses(self) -> int:
        """Return how many classes may be named for each sample."""
        return self.k

    def __post_init__(self) -> None:
        if self.k < 1:
            raise UsageError(f"Metric 'accuracy': k={self.k} must be at least 1.")
        check_axis(self.axis, metric="accuracy")

    def measure(self, outputs: Outputs, targets: Sequence[Any], /) -> list[float]:
        """Return the share of right positions per sample."""
        samples = split_output(outputs, targets, output=self.output, metric="accuracy")
        return [self._share(sample, target) for sample, target in zip(samples, targets, strict=True)]

    def aggregate(self, items: Sequence[float], /) -> float:
        """Return the mean of the items."""
        return float(np.mean(items))

    def _share(self, sample: Array, target: Any) -> float:
        ids, truth = predicted_ids(
            sample, target, axis=self.axis, k=self.k, threshold=self.threshold, metric="accuracy"
        )
        return float(np.mean((ids == truth[..., np.newaxis]).any(axis=-1)))


@dataclass(frozen=True)
class F1:
    """Score classes by the mean of precision and recall, each class weighing the same.

    Outputs, targets and `threshold` are those of `accuracy`. `average` is scikit-learn's: "macro" weighs classes
    alike, "weighted" by their count, "micro" counts positions, "binary" scores class 1 alone. The score is between 0
    and 1. Source: `sklearn.metrics.f1_score`, where a class that is neither true nor predicted counts as 0.
    """

    average: Literal["macro", "micro", "weighted", "binary"] = "macro"
    axis: int = -1
    threshold: float | None = None
    output: str = ""

    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    is_mean: ClassVar[bool] = False
    against: ClassVar[str] = "targets"

    def __post_init__(self) -> None:
        check_axis(self.axis, metric="f1")

    def measure(self, outputs: Outputs, targets: Sequence[Any], /) -> list[tuple[Array, Array]]:
        """Return the predicted and the true ids, flat, per sample."""
        samples = split_output(outputs, targets, output=self.output, metric="f1")
        return [self._ids(sample, target) for sample, target in zip(samples, targets, strict=True)]

    def aggregate(self, items: Sequence[tuple[Array, Array]], /) -> float:
        """Return the F1 of all ids."""
        metrics = library("sklearn.metrics", metric="f1", extra="metrics")
        predicted, true = (np.concatenate(side) for side in zip(*items, strict=True))
        return float(metrics.f1_score(true, predicted, average=self.average, zero_division=0))

    def _ids(self, sample: Array, target: Any) -> tuple[Array, Array]:
        ids, truth = predicted_ids(sample, target, axis=self.axis, threshold=self.threshold, metric="f1")
        return ids.ravel(), truth.ravel()


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
