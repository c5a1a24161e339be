"""Finite-sample tests that a mean excess is inside a budget: exact for scores of 0 and 1, by betting for bounded ones.

Every p-value here is of the hypothesis that the excess is zero or more, which is outside; it is valid at every number of
samples, and does not depend on their order.
"""

from collections.abc import Callable

import numpy as np
import scipy.special
import scipy.stats
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

NUISANCE_ERROR = 1e-6
"""What the interval of the nuisance parameter may miss it with; it is added to the p-value (Berger and Boos, 1994)."""
SHARPNESS = 0.02
"""How far, relative to itself, a p-value may lie above the supremum that it bounds."""
ROUNDS = 14
"""Times that the cells of the nuisance parameter are halved at most."""
BETS = 48
"""Stakes of a mixture."""
LEAST_BET, MOST_BET = 1e-4, 0.98
"""Stakes as shares of the one at which the largest loss of one sample ruins the gambler."""
AIMS, AIMED = (0.7, 1.0, 1.4), 0.9
"""Stakes around the one that wins the most where the spread is as expected, and the share of wealth put on them."""


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

    return _smallest(rejected, (worse - better) / samples, 1.0, step=(1 + (worse + better) ** 0.5) / samples)


def binomial_p_value(successes: int, samples: int, floor: float) -> float:
    """Return the p-value of a rate of successes of at most `floor`."""
    return 1.0 if floor >= 1 else float(scipy.stats.binom.sf(successes - 1, samples, max(0.0, floor)))


def binomial_low(successes: int, samples: int, *, confidence: float) -> float:
    """Return the rate that is exceeded with a confidence (Clopper and Pearson, 1934)."""
    if successes == 0:
        return 0.0
    return float(scipy.special.betaincinv(successes, samples - successes + 1, 1 - confidence))


def betting_p_value(excesses: ArrayLike, *, low: float, high: float, spread: float | None = None) -> float:
    """Return the p-value of a mean excess of zero or more, of samples each within [low, high].

    excesses: shape [n]. One over the wealth of a gambler who bets on less than zero with a mixture of fixed stakes: in
    expectation no fair game makes wealth (Waudby-Smith and Ramdas, 2024; Ville, 1939). It may be looked at after every
    sample. spread: the standard deviation that other data let expect of one excess; it aims the stakes, and a wrong one
    costs power, not validity.
    """
    return float(np.exp(-max(0.0, log_wealth(excesses, low=low, high=high, spread=spread))))


def log_wealth(excesses: ArrayLike, *, low: float, high: float, spread: float | None = None) -> float:
    """Return the logarithm of the wealth of betting that the mean excess is below zero, having begun with one."""
    values, counts = np.unique(np.asarray(excesses, dtype=np.float64), return_counts=True)
    if high <= 0:
        return float("inf")
    if low >= 0 or values.size == 0:
        return 0.0
    stakes, weights = stakes_of(high), np.full(BETS, 1 / BETS)
    if spread is not None:
        aimed = np.array(AIMS) * (2 * np.log(20) / counts.sum()) ** 0.5 / max(spread, 1e-12)
        stakes = np.concatenate([stakes, np.minimum(aimed, MOST_BET / high)])
        weights = np.concatenate([(1 - AIMED) * weights, np.full(len(AIMS), AIMED / len(AIMS))])
    logs = np.log1p(-stakes[:, None] * np.clip(values, low, high)) @ counts
    return float(scipy.special.logsumexp(logs, b=weights))


def stakes_of(loss: float) -> NDArray[np.float64]:
    """Return the stakes of a mixture where one sample can lose at most `loss` of each unit."""
    found: NDArray[np.float64] = np.geomspace(LEAST_BET, MOST_BET, BETS) / loss
    return found


def betting_bound(values: ArrayLike, *, low: float, high: float, confidence: float) -> float:
    """Return the mean that is not exceeded with a confidence, of samples each within [low, high], shape [n]."""
    found = np.asarray(values, dtype=np.float64)

    def rejected(mean: float) -> bool:
        return betting_p_value(found - mean, low=low - mean, high=high - mean) <= 1 - confidence

    step = (float(found.std()) + (high - low) / found.size**0.5) / found.size**0.5
    return _smallest(rejected, float(found.mean()), high, step=step)


def mean_bound(values: ArrayLike, *, confidence: float) -> float:
    """Return the mean that is not exceeded with a confidence, of a number of samples that was fixed before, in [0, 1].

    values: shape [n]. For zeros and ones the bound of Clopper and Pearson (1934). Else by betting with stakes that follow
    the spread of the samples before (predictable plug-in; Waudby-Smith and Ramdas, 2024, section 4), mixed with fixed ones.
    """
    found = np.asarray(values, dtype=np.float64)
    count = found.size
    if ((found == 0) | (found == 1)).all():
        return 1 - binomial_low(int(count - found.sum()), count, confidence=confidence)
    aim = np.array(AIMS)[:, None] * (2 * np.log(1 / (1 - confidence)) / count) ** 0.5

    def rejected(mean: float) -> bool:
        # The spread around the mean that is tested; before there are samples it is the largest that there can be.
        squares = np.concatenate([[0.0], np.cumsum((found - mean) ** 2)[:-1]])
        spreads = (mean * (1 - mean) + squares) / np.arange(1, count + 1)
        aimed = np.log1p(np.minimum(aim / spreads**0.5, MOST_BET / (1 - mean)) * (mean - found)).sum(axis=1)
        fixed = log_wealth(found - mean, low=-mean, high=1 - mean)
        logs = [*aimed, fixed]
        shares = [*[AIMED / len(AIMS)] * len(AIMS), 1 - AIMED]
        return bool(scipy.special.logsumexp(logs, b=shares) >= -np.log(1 - confidence))

    return _smallest(rejected, float(found.mean()), 1 - 1e-9, step=float(found.std() / count**0.5 + 1 / count))


def _smallest(rejected: Callable[[float], bool], start: float, end: float, *, step: float) -> float:
    """Return the least value between `start` and `end` that is rejected, to a hundredth of a step; else `end`."""
    low, high = start, min(start + 2 * step, end)
    while high < end and not rejected(high):
        low, high = high, min(high + 2 * (high - start), end)
    while high - low > step / 100:
        middle = (low + high) / 2
        low, high = (low, middle) if rejected(middle) else (middle, high)
    return high


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
