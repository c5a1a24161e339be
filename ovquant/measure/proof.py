"""How sure a drop is: its interval, and the p-value that a plan is outside its budget, from paired scores."""

import math
from dataclasses import dataclass

import numpy as np
import scipy.special
from numpy.typing import NDArray

from ovquant.domain.budget import Limit
from ovquant.domain.trial import Method
from ovquant.stats.betting import betting_bound, betting_p_value, repeats_needed
from ovquant.stats.exact import binomial_low, binomial_p_value, paired_bound, paired_p_value
from ovquant.stats.intervals import mean_interval

FLOAT_SHARE = 0.1
"""The share of the level that is spent on how sure the float model's own score is."""
INTERVAL = 0.95
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Paired:
    """A plan's and float's score of each sample, both of shape [n], in the metric's unit.

    `bounds` are the least and the largest score of one sample, where they are known; `against_float` says that the scores
    compare with the float model, so that its own are perfect by construction. `groups`, shape [n], are codes of what
    belongs together: then the groups are the units that are independent of each other, and not the samples.
    """

    items: Floats
    truth: Floats
    higher_is_better: bool
    bounds: tuple[float, float] | None = None
    against_float: bool = False
    groups: NDArray[np.int64] | None = None

    @property
    def sign(self) -> float:
        """Return the factor that turns a difference into a drop."""
        return 1.0 if self.higher_is_better else -1.0

    @property
    def drops(self) -> Floats:
        """Return the drop of each sample."""
        return self.sign * (self.truth - self.items)

    @property
    def method(self) -> Method:
        """Return how sure the drop can be made."""
        if self.groups is None and self.is_binary:
            return "exact"
        return "t" if self.span is None else "betting"

    @property
    def is_binary(self) -> bool:
        """Tell whether every score is 0 or 1."""
        return bool(np.isin(self.items, (0, 1)).all() and np.isin(self.truth, (0, 1)).all())

    @property
    def span(self) -> tuple[float, float] | None:
        """Return the least and the largest score of one sample, if known."""
        return (0.0, 1.0) if self.bounds is None and self.is_binary else self.bounds

    def counts(self) -> tuple[int, int]:
        """Return how many samples only float, and only the plan, got right."""
        drops = self.drops
        return int((drops > 0).sum()), int((drops < 0).sum())

    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of the drop."""
        tail, drops = (1 + INTERVAL) / 2, self.drops
        if self.method == "exact":
            worse, better = self.counts()
            high = paired_bound(worse, better, drops.size, confidence=tail, never_better=self.against_float)
            # A plan that only loses by construction has lost at least what it lost.
            low = (
                binomial_low(worse, drops.size, confidence=tail)
                if self.against_float
                else -paired_bound(better, worse, drops.size, confidence=tail)
            )
            return low, high
        units, scale = self.units(drops)
        if self.method == "t":
            return mean_interval(units, confidence=INTERVAL)
        assert self.span is not None
        reach = (self.span[1] - self.span[0]) * scale
        least = 0.0 if self.against_float else -reach
        high = betting_bound(units, low=least, high=reach, confidence=tail)
        return max(least, -betting_bound(-units, low=-reach, high=-least, confidence=tail)), high

    def bound(self, level: float) -> float:
        """Return the drop that is not exceeded at a level of error."""
        drops = self.drops
        if self.method == "exact":
            worse, better = self.counts()
            return paired_bound(worse, better, drops.size, confidence=1 - level, never_better=self.against_float)
        units, scale = self.units(drops)
        if self.method == "t":
            return mean_interval(units, confidence=1 - 2 * level)[1]
        assert self.span is not None
        reach = (self.span[1] - self.span[0]) * scale
        return betting_bound(units, low=0.0 if self.against_float else -reach, high=reach, confidence=1 - level)

    def units(self, values: Floats) -> tuple[Floats, float]:
        """Return one value for each independent unit, their mean being that of all samples, and the largest weight."""
        if self.groups is None:
            return values, 1.0
        sums, sizes = np.bincount(self.groups, weights=values), np.bincount(self.groups)
        average = float(sizes.mean())
        return sums / average, float(sizes.max()) / average

    def p_value(self, limit: Limit, level: float, spread: float | None = None) -> float:
        """Return the p-value that the plan is outside a limit's drop or floor: the larger of the two.

        Both must hold, so each is tested at the whole level (Berger, 1982). level: what the p-value
        will be compared with. spread: the standard deviation of one excess that other data let expect.
        """
        values = [self._drop_p_value(limit, level, spread)] if limit.max_drop is not None else []
        values += [self._floor_p_value(limit.floor)] if limit.floor is not None else []
        return max(values)

    def _drop_p_value(self, limit: Limit, level: float, spread: float | None) -> float:
        assert limit.max_drop is not None
        drop, samples = limit.max_drop, self.items.size
        if self.method == "exact":
            worse, better = self.counts()
            if not drop.relative:
                return paired_p_value(worse, better, samples, drop.value, never_better=self.against_float)
            # The allowed drop depends on float's score: of what that surely exceeds, a share is surely allowed.
            error = level * FLOAT_SHARE
            least = binomial_low(int(self.truth.sum()), samples, confidence=1 - error)
            return min(1.0, paired_p_value(worse, better, samples, drop.value * least) + error)
        plain = Limit(max_drop=drop)
        excesses, scale = self.units(plain.excesses(self.items, self.truth, higher_is_better=self.higher_is_better))
        if self.method == "t":
            return _t_p_value(excesses)
        assert self.span is not None
        low, high = _excess_limits(self, plain)
        return betting_p_value(excesses, low=low * scale, high=high * scale, spread=spread)

    def _floor_p_value(self, floor: float) -> float:
        if self.method == "exact":
            right = int(self.items.sum())
            if self.higher_is_better:
                return binomial_p_value(right, self.items.size, floor)
            return binomial_p_value(self.items.size - right, self.items.size, 1 - floor)
        excesses, scale = self.units(self.sign * (floor - self.items))
        if self.span is None:
            return _t_p_value(excesses)
        ends = sorted(self.sign * (floor - end) for end in self.span)
        return betting_p_value(excesses, low=ends[0] * scale, high=ends[1] * scale)

    def needed(self, limit: Limit, level: float, *, either: bool = False) -> int | None:
        """Return about how many samples would prove what these let expect; None where they let expect no proof.

        Where a proof is by betting they are repeated until it is there, else it is by the normal approximation, and no fewer
        than it takes to prove that nothing ever goes wrong. With `either` a proof of being outside counts too.
        """
        excesses, scale = self.units(limit.excesses(self.items, self.truth, higher_is_better=self.higher_is_better))
        center, samples = float(excesses.mean()), self.items.size
        if center == 0 or (center > 0 and not either):
            return None
        if self.method == "betting" and limit.max_drop is not None:
            ends = sorted(math.copysign(scale, -center) * end for end in _excess_limits(self, limit))
            times = repeats_needed(math.copysign(1.0, -center) * excesses, low=ends[0], high=ends[1], level=level)
            return _two_digits(samples * max(times, 1.1)) if math.isfinite(times) else None
        distance = abs(center)
        strength = distance / max(float(excesses.std()), 1e-12) * excesses.size**0.5
        factor = 1.0 if self.method in ("exact", "t") else 2.0
        wanted = float(scipy.special.ndtri(1 - level))
        least = max(samples * factor * (wanted / strength) ** 2, -math.log(level) / distance)
        return _two_digits(max(least, 1.1 * samples))


def bootstrap_interval(drops: Floats) -> tuple[float, float]:
    """Return the 95 % percentile interval of the drops of resamples, shape [resamples] (Efron, 1979)."""
    tail = 100 * (1 - INTERVAL) / 2
    low, high = np.percentile(drops, [tail, 100 - tail])
    return float(low), float(high)


def bootstrap_p_value(excesses: Floats) -> float:
    """Return the share of resamples whose excess is above zero, the sample itself counted with them; approximate."""
    return float((1 + np.count_nonzero(excesses > 0)) / (1 + excesses.size))


def _excess_limits(paired: Paired, limit: Limit) -> tuple[float, float]:
    """Return the least and the largest excess of one sample, from the corners of what the two scores can be."""
    assert paired.span is not None
    assert limit.max_drop is not None
    low, high = paired.span
    drop = limit.max_drop
    share = drop.value * float(np.sign(paired.truth.mean())) if drop.relative else 0.0
    allowed = 0.0 if drop.relative else drop.value
    truths = (high,) if paired.against_float and paired.higher_is_better else (low, high)
    truths = (low,) if paired.against_float and not paired.higher_is_better else truths
    corners = [paired.sign * (truth - item) - share * truth - allowed for truth in truths for item in (low, high)]
    return min(corners), max(corners)


def _t_p_value(excesses: Floats) -> float:
    if excesses.size < 2:
        return 1.0
    error = float(excesses.std(ddof=1)) / excesses.size**0.5
    center = float(excesses.mean())
    if error == 0:
        return 0.0 if center < 0 else 1.0
    return float(scipy.special.stdtr(excesses.size - 1, center / error))


def _two_digits(value: float) -> int:
    """Round up to two digits: a needed number of samples is not known more exactly."""
    scale = 10 ** max(0, math.floor(math.log10(value)) - 1)
    return int(math.ceil(value / scale) * scale)
