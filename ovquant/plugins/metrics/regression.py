"""Score predicted numbers: correlations and errors."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np

from ovquant.domain.sample import Array, Outputs
from ovquant.errors import MetricError
from ovquant.plugins.extras import library
from ovquant.plugins.metrics.outputs import split_output

Pair: TypeAlias = tuple[Array, Array]
"""The predicted and the true values of one sample, flat."""


@dataclass(frozen=True)
class Pearson:
    """Correlate predicted and true values linearly.

    Output and target of a sample hold equally many numbers, usually one; all samples' values are put together.
    The score is between -1 and 1; constant values have none. Source: `scipy.stats.pearsonr`.
    """

    output: str = ""

    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    is_mean: ClassVar[bool] = False
    against: ClassVar[str] = "targets"

    def measure(self, outputs: Outputs, targets: Sequence[Any], /) -> list[Pair]:
        """Return the predicted and the true values per sample."""
        return _pairs(outputs, targets, self.output, "pearson")

    def aggregate(self, items: Sequence[Pair], /) -> float:
        """Return the correlation of all values; NaN when they are constant."""
        return _correlation(library("scipy.stats", metric="pearson", extra="metrics").pearsonr, items, "pearson")


@dataclass(frozen=True)
class Spearman:
    """Correlate the ranks of predicted and true values.

    Outputs and targets are those of `pearson`. The score is between -1 and 1. Source: `scipy.stats.spearmanr`.
    """

    output: str = ""

    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    is_mean: ClassVar[bool] = False
    against: ClassVar[str] = "targets"

    def measure(self, outputs: Outputs, targets: Sequence[Any], /) -> list[Pair]:
        """Return the predicted and the true values per sample."""
        return _pairs(outputs, targets, self.output, "spearman")

    def aggregate(self, items: Sequence[Pair], /) -> float:
        """Return the rank correlation of all values; NaN when they are constant."""
        return _correlation(library("scipy.stats", metric="spearman", extra="metrics").spearmanr, items, "spearman")


@dataclass(frozen=True)
class Mae:
    """Average the absolute errors of a sample's values, then the samples.

    Output and target of a sample hold equally many numbers. In the targets' unit; 0 is perfect.
    """

    output: str = ""

    higher_is_better: ClassVar[bool] = False
    is_mean: ClassVar[bool] = True
    against: ClassVar[str] = "targets"

    def measure(self, outputs: Outputs, targets: Sequence[Any], /) -> list[float]:
        """Return the mean absolute error per sample."""
        pairs = _pairs(outputs, targets, self.output, "mae")
        return [float(np.mean(np.abs(found - expected))) for found, expected in pairs]

    def aggregate(self, items: Sequence[float], /) -> float:
        """Return the mean of the items."""
        return float(np.mean(items))


@dataclass(frozen=True)
class Rmse:
    """Take the root of the mean squared error of all values of all samples.

    Output and target of a sample hold equally many numbers. In the targets' unit; 0 is perfect.
    """

    output: str = ""

    higher_is_better: ClassVar[bool] = False
    is_mean: ClassVar[bool] = False
    against: ClassVar[str] = "targets"

    def measure(self, outputs: Outputs, targets: Sequence[Any], /) -> list[tuple[float, int]]:
        """Return (sum of squared errors, number of values) per sample."""
        pairs = _pairs(outputs, targets, self.output, "rmse")
        return [(float(np.sum((found - expected) ** 2)), found.size) for found, expected in pairs]

    def aggregate(self, items: Sequence[tuple[float, int]], /) -> float:
        """Return the root of all squared errors over all values."""
        errors, counts = zip(*items, strict=True)
        return float(np.sqrt(sum(errors) / sum(counts)))


def _pairs(outputs: Outputs, targets: Sequence[Any], output: str, metric: str) -> list[Pair]:
    samples = split_output(outputs, targets, output=output, metric=metric)
    return [_pair(sample, target, metric) for sample, target in zip(samples, targets, strict=True)]


def _pair(sample: Array, target: Any, metric: str) -> Pair:
    if target is None:
        raise MetricError(f"Metric '{metric}' needs targets and a sample has none. Give labelled data.")
    expected = np.asarray(target)
    if expected.dtype.kind not in "biuf":
        raise MetricError(f"Metric '{metric}' needs numbers as targets; got {target!r:.80}.")
    if expected.size != sample.size or not sample.size:
        raise MetricError(
            f"Metric '{metric}': an output of shape {list(sample.shape)} does not fit a target of shape "
            f"{list(expected.shape)}; they must hold equally many numbers, at least one."
        )
    return sample.ravel().astype(np.float64), expected.ravel().astype(np.float64)


def _correlation(function: Callable[..., Any], items: Sequence[Pair], metric: str) -> float:
    found, expected = (np.concatenate(side) for side in zip(*items, strict=True))
    if found.size < 2:
        raise MetricError(f"Metric '{metric}' needs at least two values; got {found.size}. Give more samples.")
    with warnings.catch_warnings():
        # Constant values have no correlation: scipy warns and gives NaN, and NaN is caught where scores are checked.
        warnings.simplefilter("ignore", RuntimeWarning)
        return float(function(found, expected).statistic)
