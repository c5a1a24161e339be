"""Tell when a mean has risen above a limit, with one guarantee for a stream that may never end."""

import math
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import scipy.special

from ovquant.stats.betting import BETS, betting_bound, stakes_of

RESTART = 64
"""Values after which another gambler begins: one that has lost for long takes long to notice a change."""
ALIVE = 32
"""Gamblers that are kept, the richest; leaving one out only makes the test more careful."""
DIGITS = 3
"""Digits that values are rounded up to where bounds are computed of all there ever were."""


@dataclass
class Drift:
    """A test that the mean of values between 0 and 1 is at most `limit`, which may be asked after every value.

    Gamblers bet on a larger mean, each from another value on, with shares of a wealth that is one in all: under the limit
    none of them can expect to win, so the whole ever reaches 1/(1 - confidence) with a chance of at most 1 - confidence
    (Ville, 1939; Shin, Ramdas and Rinaldo, 2024).
    """

    limit: float
    confidence: float = 0.95
    count: int = 0
    total: float = 0.0
    detected: bool = False
    _began: int = 0
    _values: Counter[float] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._stakes = stakes_of(max(self.limit, 1e-6))
        self._shares = np.empty(0)
        self._logs = np.empty((0, BETS))

    def add(self, value: float) -> bool:
        """Take a value, and tell whether drift has been detected, now or before."""
        if self.count % RESTART == 0:
            self._begin()
        self.count += 1
        self.total += value
        self._values[math.ceil(value * 10**DIGITS) / 10**DIGITS] += 1
        self._logs += np.log1p(self._stakes * (value - self.limit))
        needed = -math.log(1 - self.confidence)
        # Nobody has less than their mean: so mostly the richest stake tells enough.
        self.detected |= bool(self._logs.max() >= needed) and self.log_wealth >= needed
        return self.detected

    @property
    def log_wealth(self) -> float:
        """Return the logarithm of what all gamblers have now."""
        each = scipy.special.logsumexp(self._logs, axis=1) - math.log(BETS)
        return float(scipy.special.logsumexp(each, b=self._shares)) if self.count else 0.0

    @property
    def mean(self) -> float:
        """Return the mean of all values."""
        return self.total / self.count if self.count else 0.0

    def bound(self) -> float:
        """Return what the mean of all values does not exceed with the confidence, whenever one asks."""
        if not self.count:
            return 1.0
        values = np.repeat(list(self._values), list(self._values.values()))
        return betting_bound(values, low=0.0, high=1.0, confidence=self.confidence)

    def _begin(self) -> None:
        self._began += 1
        if len(self._logs) == ALIVE:
            wealth = np.log(self._shares) + scipy.special.logsumexp(self._logs, axis=1)
            kept = np.arange(ALIVE) != wealth.argmin()
            self._shares, self._logs = self._shares[kept], self._logs[kept]
        # The shares of all that can ever begin sum to one.
        self._shares = np.append(self._shares, 1 / (self._began * (self._began + 1)))
        self._logs = np.vstack([self._logs, np.zeros(BETS)])
