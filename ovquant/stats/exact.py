"""Finite-sample tests that a mean excess is inside a budget: exact for scores of 0 and 1, by betting for bounded ones.

Every p-value here is of the hypothesis that the excess is zero or more, which is outside; it is valid at every number of
samples, and does not depend on their order.
"""

import numpy as np
import scipy.special
import scipy.stats
from numpy.typing import NDArray
from scipy.special import gammaln

from ovquant.stats.intervals import smallest

NUISANCE_ERROR = 1e-6
"""The error of the interval of the nuisance parameter, which is added to the p-value (Berger and Boos, 1994)."""
SHARPNESS = 0.02
"""How far, relative to itself, a p-value may lie above the supremum that it bounds."""
ROUNDS = 14
"""Times that the cells of the nuisance parameter are halved at most."""


def paired_p_value(worse: int, better: int, samples: int, margin: float, *, never_better: bool = False) -> float:
    """Return the p-value of a drop of at least `margin`, for paired scores of 0 and 1.

    worse, better: samples that only float, and only the plan, got right. The score statistic of Tango (1998) orders the
    outcomes; its probability is exact, and maximised over the nuisance parameter, the rate of `better`, within an interval
    of that rate. With `never_better` that rate is zero by construction, as for agreement with float, and the test is the
    binomial one.
    """
    if worse - better >= samples * margin:
        return 1.0
    if never_better:
        return float(scipy.special.bdtr(worse, samples, margin))
    if margin >= 1:
        return 0.0
    edge = _edge(worse, better, samples, margin)
    low, high = _binomial_interval(better, samples, NUISANCE_ERROR)
    high = min(high, (1 - margin) / 2)
    # A rate of worse samples of less than zero is none.
    low = min(max(low, -margin), high)
    cells = np.linspace(low, high, 17)
    starts, ends = cells[:-1], cells[1:]
    reached = 0.0
    for _ in range(ROUNDS):
        # Fewer worse and more better samples make an outcome as extreme likelier: so a cell's corner bounds it.
        bounds = _probability(edge, samples, starts + margin, ends)
        centers = (starts + ends) / 2
        reached = max(reached, float(_probability(edge, samples, centers + margin, centers).max()))
        open_ = bounds > reached * (1 + SHARPNESS)
        if not open_.any():
            break
        worst = float(bounds.max())
        starts, ends = (
            np.concatenate([starts[open_], centers[open_]]),
            np.concatenate([centers[open_], ends[open_]]),
        )
    else:
        return min(1.0, worst + NUISANCE_ERROR)
    return min(1.0, reached * (1 + SHARPNESS) + NUISANCE_ERROR)


def paired_bound(worse: int, better: int, samples: int, *, confidence: float, never_better: bool = False) -> float:
    """Return the drop that is not exceeded with a confidence, for paired scores of 0 and 1: `paired_p_value` inverted."""

    def rejected(margin: float) -> bool:
        return paired_p_value(worse, better, samples, margin, never_better=never_better) <= 1 - confidence

    return smallest(rejected, (worse - better) / samples, 1.0, step=(1 + (worse + better) ** 0.5) / samples)


def binomial_p_value(successes: int, samples: int, floor: float) -> float:
    """Return the p-value of a rate of successes of at most `floor`."""
    return 1.0 if floor >= 1 else float(scipy.stats.binom.sf(successes - 1, samples, max(0.0, floor)))


def binomial_low(successes: int, samples: int, *, confidence: float) -> float:
    """Return the rate that is exceeded with a confidence (Clopper and Pearson, 1934)."""
    if successes == 0:
        return 0.0
    return float(scipy.special.betaincinv(successes, samples - successes + 1, 1 - confidence))


def _statistic(
    worse: NDArray[np.float64], better: NDArray[np.float64], samples: int, margin: float
) -> NDArray[np.float64]:
    """Return Tango's score statistic of a difference of `margin`; the smaller, the more the drop is below it."""
    linear = -worse - better + (2 * samples - worse + better) * margin
    constant = -better * margin * (1 - margin)
    rate = (np.sqrt(np.maximum(linear**2 - 8 * samples * constant, 0.0)) - linear) / (4 * samples)
    spread = np.sqrt(np.maximum(samples * (2 * rate + margin * (1 - margin)), 0.0))
    difference = worse - better - samples * margin
    # Without spread there is no difference either, but for rounding.
    statistic: NDArray[np.float64] = np.divide(difference, spread, out=np.zeros_like(difference), where=spread > 1e-9)
    return statistic


def _edge(worse: int, better: int, samples: int, margin: float) -> NDArray[np.float64]:
    """Return for each number of better samples the most worse ones that are as extreme as what was seen, -1 for none."""
    counts = np.arange(samples + 1, dtype=np.float64)
    most = _statistic(np.array([float(worse)]), np.array([float(better)]), samples, margin)[0] + 1e-9
    low, high = np.full(samples + 1, -1.0), samples - counts + 1
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        fits = _statistic(np.maximum(middle, 0), counts, samples, margin) <= most
        low, high = np.where(fits & (high - low > 1), middle, low), np.where(~fits & (high - low > 1), middle, high)
    # The statistic falls with better samples; rounding must not make the region less than that.
    return np.minimum(np.maximum.accumulate(low), samples - counts)


def _probability(
    edge: NDArray[np.float64], samples: int, worse: NDArray[np.float64], better: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the probability of the region under each pair of rates, both of shape [m]; what is left out is added."""
    tail = 1e-12
    first = int(scipy.stats.binom.ppf(tail, samples, better.min()))
    last = int(scipy.stats.binom.isf(tail, samples, better.max())) + 1
    counts = np.arange(max(0, first), min(samples, last) + 1)
    share = np.clip(worse / np.maximum(1 - better, 1e-12), 0.0, 1.0)[:, None]
    ways = gammaln(samples + 1.0) - gammaln(counts + 1.0) - gammaln(samples - counts + 1.0)
    rate = better[:, None]
    here = np.exp(ways + scipy.special.xlogy(counts, rate) + scipy.special.xlog1py(samples - counts, -rate))
    most, rest = edge[counts], samples - counts
    # As scipy.special.bdtr, which is many times slower; all that are left are a certainty.
    below = np.where(most < 0, 0.0, 1.0)
    some = (most >= 0) & (most < rest)
    below = np.broadcast_to(below, here.shape).copy()
    below[:, some] = scipy.special.betainc(rest[some] - most[some], most[some] + 1, 1 - share)
    total: NDArray[np.float64] = (here * below).sum(axis=1) + 2 * tail
    return total


def _binomial_interval(successes: int, samples: int, error: float) -> tuple[float, float]:
    low = binomial_low(successes, samples, confidence=1 - error / 2)
    return low, 1 - binomial_low(samples - successes, samples, confidence=1 - error / 2)
