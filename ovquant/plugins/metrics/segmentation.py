"""Score segmentation masks: mean intersection over union."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np

from ovquant.domain.sample import Array, Outputs
from ovquant.errors import MetricError
from ovquant.plugins.metrics.classification import check_axis, predicted_ids
from ovquant.plugins.metrics.outputs import split_output

Confusion: TypeAlias = tuple[Array, Array]
"""The (true, predicted) pairs `[p, 2]` that occur, and how often `[p]`."""


@dataclass(frozen=True)
class MeanIou:
    """Score masks by intersection over union, averaged over classes.

    The output is class scores `[1, C, H, W]` with the classes on `axis` (counted with the batch axis), or class ids
    `[1, H, W]`; targets are class ids `[H, W]`. Pixels whose target is `ignore_index` are left out. Intersections
    and unions are summed over the whole data set before they are divided; classes that occur neither in targets
    nor in predictions are left out of the mean. `num_classes` makes ids at or beyond it an error. The score is
    between 0 and 1. Source: the Jaccard index as in the PASCAL VOC segmentation challenge.
    """

    num_classes: int | None = None
    ignore_index: int | None = None
    axis: int = 1
    threshold: float | None = None
    output: str = ""

    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    is_mean: ClassVar[bool] = False
    against: ClassVar[str] = "targets"

    def __post_init__(self) -> None:
        check_axis(self.axis, metric="miou")

    def measure(self, outputs: Outputs, targets: Sequence[Any], /) -> list[Confusion]:
        """Return the confusion of each sample: only the pairs of classes that occur, and their counts."""
        samples = split_output(outputs, targets, output=self.output, metric="miou")
        return [self._confusion(sample, target) for sample, target in zip(samples, targets, strict=True)]

    def aggregate(self, items: Sequence[Confusion], /) -> float:
        """Return the mean intersection over union; NaN when every pixel was ignored."""
        pairs = np.concatenate([pairs for pairs, _ in items])
        counts = np.concatenate([counts for _, counts in items])
        if not len(pairs):
            return float("nan")
        classes, positions = np.unique(pairs, return_inverse=True)
        matrix = np.zeros((len(classes), len(classes)), dtype=np.int64)
        np.add.at(matrix, tuple(positions.reshape(-1, 2).T), counts)
        hits = matrix.diagonal()
        return float(np.mean(hits / (matrix.sum(axis=0) + matrix.sum(axis=1) - hits)))

    def _confusion(self, sample: Array, target: Any) -> Confusion:
        ids, truth = predicted_ids(sample, target, axis=self.axis, threshold=self.threshold, metric="miou")
        pairs = np.stack([truth.ravel(), ids.ravel()], axis=1)
        if self.ignore_index is not None:
            pairs = pairs[pairs[:, 0] != self.ignore_index]
        self._check_range(pairs)
        return _count_pairs(pairs)

    def _check_range(self, pairs: Array) -> None:
        if not pairs.size:
            return
        limit = np.inf if self.num_classes is None else self.num_classes
        low, high = pairs.min(), pairs.max()
        if low < 0 or high >= limit:
            raise MetricError(
                f"Metric 'miou': class id {low if low < 0 else high} is outside 0 to num_classes - 1 = {limit - 1}. "
                "Set num_classes, or ignore_index for the id of unlabelled pixels."
            )


def _count_pairs(pairs: Array) -> Confusion:
    # One number per pair: counting rows directly would sort whole rows, many times slower on large masks.
    width = int(pairs.max(initial=0)) + 1
    codes, counts = np.unique(pairs[:, 0] * width + pairs[:, 1], return_counts=True)
    return np.stack(np.divmod(codes, width), axis=1), counts
