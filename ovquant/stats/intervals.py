"""Paired intervals and tests; pure numpy and scipy."""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import scipy.special
import scipy.stats
from numpy.typing import ArrayLike


def mean_interval(differences: ArrayLike, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return Student's t interval of the mean of paired differences.

    differences: shape [n]. One sample, or none that differ, gives an interval of no width at n > 1 and an infinite
    one at n = 1.
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.size < 2:
        return -np.inf, np.inf
    center, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(values.size))
    width = float(scipy.special.stdtrit(values.size - 1, (1 + confidence) / 2)) * error
    return center - width, center + width


def decided(
    excesses: ArrayLike, *, spread: float, looks: int, error: float = 0.02
) -> Literal["inside", "outside"] | None:
    """Tell early on which side of zero the mean of paired excesses lies, or None while that is open.

    excesses: shape [n], the samples seen so far; spread: the range one sample's excess can take. Student's t interval
    at level `error` shared evenly by the `looks` taken in all (Bonferroni), over the samples and two more that lie a
    spread above and below their mean: few samples that agree do not show that all do (Agresti and Min, 2005).
    """
    values = np.asarray(excesses, dtype=np.float64)
    center = float(values.mean())
    low, high = mean_interval([*values, center - spread, center + spread], confidence=1 - error / looks)
    if low > 0:
        return "outside"
    return "inside" if high < 0 else None


def paired_ratio(numerators: ArrayLike, denominators: ArrayLike) -> float:
    """Return the typical ratio of two paired series: the midmean of the ratios' logarithms.

    Both have shape [rounds] and are positive; round i of one was measured beside round i of the other. The mean of the
    middle half is as robust as a median to slow rounds, and does not jump where times have two modes, as a median does
    (Tukey, 1977; scipy.stats.trim_mean).
    """
    logs = np.log(np.asarray(numerators, dtype=np.float64) / np.asarray(denominators, dtype=np.float64))
    return float(np.exp(scipy.stats.trim_mean(logs, 0.25)))


def ratio_interval(ratios: ArrayLike, *, confidence: float = 0.95) -> tuple[float, float, float]:
    """Return the geometric mean of independent ratios, shape [n], with Student's t interval: (ratio, low, high).

    One ratio alone has an interval from zero to infinity.
    """
    logs = np.log(np.asarray(ratios, dtype=np.float64))
    low, high = mean_interval(logs, confidence=confidence)
    return float(np.exp(logs.mean())), float(np.exp(low)), float(np.exp(high))


def ratio_of_medians(
    numerators: ArrayLike, denominators: ArrayLike, *, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float, float]:
    """Return the ratio of two paired series' medians with a paired bootstrap interval: (ratio, low, high).

    Both have shape [rounds] and are positive; round i of one was measured beside round i of the other.
    """
    top, bottom = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    picks = np.random.default_rng(seed).integers(top.size, size=(1000, top.size))
    ratios = np.median(top[picks], axis=1) / np.median(bottom[picks], axis=1)
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(ratios, [tail, 100 - tail])
    return float(np.median(top) / np.median(bottom)), float(low), float(high)


def smallest(rejected: Callable[[float], bool], start: float, end: float, *, step: float) -> float:
    """Return the least value between `start` and `end` that is rejected, to a hundredth of a step; else `end`."""
    low, high = start, min(start + 2 * step, end)
    while high < end and not rejected(high):
        low, high = high, min(high + 2 * (high - start), end)
    while high - low > step / 100:
        middle = (low + high) / 2
        low, high = (low, middle) if rejected(middle) else (middle, high)
    return high


def shrunk(values: Sequence[float], errors: Sequence[float]) -> list[float]:
    """Shrink noisy measurements towards their mean, each by how uncertain it is (empirical Bayes; Efron, Morris 1975).

    Of many layers timed with noise the cheapest looking are mostly the luckiest; what remains here is what the spread
    of all of them supports.
    """
    if len(values) < 3:
        return list(values)
    measured, noise = np.asarray(values, dtype=np.float64), np.square(np.asarray(errors, dtype=np.float64))
    center = float(np.median(measured))
    # The middle half tells the spread: a few layers that really matter must not make the noise look like signal.
    spread = float(np.subtract(*np.percentile(measured, [75, 25])) / 1.349) ** 2
    signal = max(0.0, spread - float(np.median(noise)))
    # What lies far outside the noise is real whatever the others are.
    far = np.square(measured - center)
    signals = np.maximum(signal, far - 9 * noise)
    weights = np.where(signals + noise > 0, signals / np.where(signals + noise > 0, signals + noise, 1.0), 0.0)
    return [float(value) for value in center + weights * (measured - center)]
