"""Score how close a model stays to the float model, without labels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from ovquant.domain.sample import Array, Outputs
from ovquant.errors import MetricError
from ovquant.plugins.metrics.classification import check_axis
from ovquant.plugins.metrics.outputs import SampleOutputs, split_outputs

LEAST_PROBABILITY = 1e-10
"""What a probability of zero counts as: quantized softmaxes give true zeros, whose divergence is infinite."""


@dataclass(frozen=True)
class Fidelity:
    """Compare each sample's outputs with the float model's; with several outputs, average over them.

    - `agreement`: the share of positions whose best class on `axis` (counted with the batch axis) is the same; outputs
      of whole numbers are compared as they are. Higher is better, 1 is perfect.
    - `identical`: 1 where the best classes of all positions are the same, 0 else, as for text that is read wholly alike.
      Higher is better.
    - `cosine`: the cosine of the angle between the flattened outputs. Higher is better, 1 is perfect.
    - `kl`: the Kullback-Leibler divergence, in nats, of the model's class distribution from the float model's on `axis`,
      averaged over positions; a softmax is applied unless the float model's rows already are distributions.
      Lower is better, 0 is perfect. Source: Kullback and Leibler, 1951; `scipy.special.rel_entr`.

    Targets are the float model's outputs, one array or mapping by output name per sample, batch axis kept.
    Raises MetricError when the shapes differ.
    """

    by: Literal["agreement", "identical", "cosine", "kl"] = "agreement"
    axis: int = -1
    output: str = ""

    is_mean: ClassVar[bool] = True
    against: ClassVar[str] = "float"

    def __post_init__(self) -> None:
        check_axis(self.axis, metric="fidelity")

    @property
    def higher_is_better(self) -> bool:
        """Tell the direction, which is down for `kl` alone."""
        return self.by != "kl"

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Return the least and the largest closeness of a sample; the divergence has no largest."""
        return {"agreement": (0.0, 1.0), "identical": (0.0, 1.0), "cosine": (-1.0, 1.0), "kl": None}[self.by]

    def measure(self, outputs: Outputs, targets: Sequence[Any], /) -> list[float]:
        """Return the closeness per sample."""
        samples = split_outputs(outputs, targets, output=self.output, metric="fidelity")
        return [self._closeness(sample, target) for sample, target in zip(samples, targets, strict=True)]

    def aggregate(self, items: Sequence[float], /) -> float:
        """Return the mean of the items."""
        return float(np.mean(items))

    def _closeness(self, sample: SampleOutputs, target: Any) -> float:
        compare = _COMPARISONS[self.by]
        each = [compare(found, wanted, self.axis) for found, wanted in _pairs(sample, target, self.output)]
        return float(np.min(each) if self.by == "identical" else np.mean(each))


def _pairs(sample: SampleOutputs, target: Any, output: str) -> list[tuple[Array, Array]]:
    if isinstance(sample, dict):
        if not isinstance(target, Mapping) or set(target) != set(sample):
            raise MetricError("Metric 'fidelity': the model and the float model have different outputs.")
        pairs = [(sample[name], np.asarray(target[name])) for name in sample]
    else:
        pairs = [(sample, np.asarray(_single(target, output)))]
    for found, wanted in pairs:
        if found.shape != wanted.shape:
            raise MetricError(
                f"Metric 'fidelity': an output of shape {list(found.shape)} cannot be compared with the float model's "
                f"{list(wanted.shape)}. Choose an output of fixed shape with output=NAME, or another metric."
            )
    return pairs


def _single(target: Any, output: str) -> Any:
    if not isinstance(target, Mapping):
        return target
    if output in target:
        return target[output]
    if len(target) != 1:
        raise MetricError(f"Metric 'fidelity': the float model has outputs {', '.join(target)}. Add output=NAME.")
    return next(iter(target.values()))


def _agreement(found: Array, wanted: Array, axis: int) -> float:
    if wanted.size == 0:  # nothing was found, by either
        return 1.0
    if wanted.dtype.kind not in "f":
        return float(np.mean(found == wanted))
    _check_classes(wanted, axis, "agreement")
    if np.isnan(found).any() or np.isnan(wanted).any():
        return float("nan")
    return float(np.mean(found.argmax(axis=axis) == wanted.argmax(axis=axis)))


def _identity(found: Array, wanted: Array, axis: int) -> float:
    share = _agreement(found, wanted, axis)
    return share if np.isnan(share) else float(share == 1.0)


def _cosine(found: Array, wanted: Array, axis: int) -> float:
    left, right = found.ravel().astype(np.float64), wanted.ravel().astype(np.float64)
    lengths = np.linalg.norm(left), np.linalg.norm(right)
    if not all(lengths):
        # A vector of zeros has no direction: two are alike, and one is unlike anything else.
        return float(lengths[0] == lengths[1])
    # Each is scaled before they are multiplied, so that large outputs do not overflow.
    return float((left / lengths[0]) @ (right / lengths[1]))


def _divergence(found: Array, wanted: Array, axis: int) -> float:
    from scipy.special import rel_entr, softmax

    if wanted.size == 0:
        return 0.0
    _check_classes(wanted, axis, "kl")
    left, right = found.astype(np.float64), wanted.astype(np.float64)
    if not _is_distribution(right, axis):
        left, right = softmax(left, axis=axis), softmax(right, axis=axis)
    left, right = (np.maximum(side, LEAST_PROBABILITY) for side in (left, right))
    return float(np.mean(rel_entr(right, left).sum(axis=axis)))


def _check_classes(wanted: Array, axis: int, by: str) -> None:
    if not -wanted.ndim <= axis < wanted.ndim or wanted.shape[axis] < 2:
        raise MetricError(
            f"Metric 'fidelity' by {by} needs several classes on axis {axis}; an output has shape {list(wanted.shape)}. "
            "Set axis=, choose another output=NAME, or use by=cosine."
        )


def _is_distribution(rows: Array, axis: int) -> bool:
    # 1e-3 leaves room for probabilities computed in 16 bits.
    return bool(rows.min() >= 0 and np.allclose(rows.sum(axis=axis), 1, atol=1e-3))


_COMPARISONS: Mapping[str, Callable[[Array, Array, int], float]] = {
    "agreement": _agreement,
    "identical": _identity,
    "cosine": _cosine,
    "kl": _divergence,
}
