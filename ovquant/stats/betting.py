"""Tests and bounds of a mean by betting."""

import numpy as np
import scipy.special
import scipy.stats
from numpy.typing import ArrayLike, NDArray

from ovquant.stats.exact import binomial_low
from ovquant.stats.intervals import smallest

BETS = 48
"""Stakes of a mixture."""
LEAST_BET, MOST_BET = 1e-4, 0.98
"""Stakes as shares of the one at which the largest loss of one sample ruins the gambler."""
AIMS, AIMED = (0.7, 1.0, 1.4), 0.9
"""Stakes around the one that wins the most where the spread is as expected, and the share of wealth put on them."""


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


def repeats_needed(excesses: ArrayLike, *, low: float, high: float, level: float) -> float:
    """Return how many times as many samples like these prove a mean excess below zero at a level of error; infinite where none do."""
    if high <= 0:
        return 0.0
    goal, most = -np.log(level), 1e9
    logs = np.log1p(-stakes_of(high)[:, None] * np.clip(np.asarray(excesses, np.float64), low, high)).sum(axis=1)

    def proven(times: float) -> bool:
        return bool(scipy.special.logsumexp(times * logs, b=1 / BETS) >= goal)

    return smallest(proven, 0.0, most, step=1.0) if proven(most) else float("inf")


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
    return smallest(rejected, float(found.mean()), high, step=step)


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

    return smallest(rejected, float(found.mean()), 1 - 1e-9, step=float(found.std() / count**0.5 + 1 / count))
