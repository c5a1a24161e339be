"""Score predicted classes: accuracy and F1."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from ovquant.errors import UsageError
from ovquant.metrics.classes import check_axis, predicted_ids
from ovquant.metrics.libraries import library
from ovquant.metrics.outputs import split_output
from ovquant.protocols import Array, Outputs


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
