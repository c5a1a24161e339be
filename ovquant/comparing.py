"""Evaluations of a plan and of float to a score: how much was lost, how sure that is, and whether a budget holds it."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from ovquant.budgets import Budget
from ovquant.errors import MetricError
from ovquant.evaluating import Evaluation
from ovquant.proving import Paired, bootstrap_interval, bootstrap_p_value
from ovquant.statistics import mean_interval
from ovquant.trials import Score, Split, nearest_to_limit, needed_by_width

RESAMPLES, LEAST_RESAMPLES = 1000, 50
RESAMPLE_SECONDS, MOST_SECONDS = 20.0, 100.0
"""Time that resampling may take before fewer resamples are made, and before the least would take too long to make any."""

UNDECIDED = 0.05
"""The level of error at which a slice is undecided where no confidence was asked for."""


@dataclass(frozen=True)
class Comparing:
    """Compares evaluations by the metrics of a run.

    `slices` names the slice of each sample and `groups` what each belongs with, both as texts and none where the run has
    none. With `level`, budgets must hold at that level of error, and not by the point estimates. `spread` is the standard
    deviation of a sample's drop that other data let expect, by metric.
    """

    metrics: Sequence[object]
    names: Sequence[str]
    slices: Sequence[str] = ()
    groups: Sequence[str] = ()
    level: float | None = None
    spread: Mapping[str, float] = field(default_factory=dict)

    def score(self, mine: Sequence[Evaluation], truth: Sequence[Evaluation], split: Split, budget: Budget) -> Score:
        """Return a plan's score beside float's, on the plan's samples where the metric goes sample by sample.

        mine, truth: one per metric; `mine` may be of the first samples of those of `truth`. Where several things must
        hold, the one nearest to its limit, with all of them as its parts.
        """
        parts = [
            self._part(place, mine[place], truth[place], split, budget.of(place)) for place in range(len(self.metrics))
        ]
        if budget.worst_slice is not None:
            for place, (my, their) in enumerate(zip(mine, truth, strict=True)):
                parts += self._slices(place, my, their, split, Budget(max_drop=budget.worst_slice))
        return nearest_to_limit(parts)

    def _part(self, place: int, mine: Evaluation, truth: Evaluation, split: Split, budget: Budget) -> Score:
        if mine.items is None or truth.items is None:
            return self._by_resamples(place, mine, truth, split, budget)
        return self._by_samples(
            place, np.asarray(mine.items), np.asarray(truth.items), split, budget, range(mine.samples)
        )

    def _slices(self, place: int, mine: Evaluation, truth: Evaluation, split: Split, budget: Budget) -> list[Score]:
        """Return the score of every slice; on the search split one only counts as outside where that is sure."""
        if mine.items is None or truth.items is None:
            raise MetricError(
                f"The metric {self.names[place]} is no mean over samples, so slices of it have no drop of their own. "
                "Take --worst-slice away, or give a metric that scores sample by sample."
            )
        places: dict[str, list[int]] = {}
        for index, name in enumerate(self.slices[: mine.samples]):
            places.setdefault(name, []).append(index)
        found = []
        for name, picks in sorted(places.items()):
            items, floats = np.asarray(mine.items)[picks], np.asarray(truth.items)[picks]
            part = replace(self._by_samples(place, items, floats, split, budget, picks, either=True), slice=name)
            if split == "search" and part.low is not None:
                part = replace(part, excess=min(part.excess, part.low - part.allowed))
            found.append(part)
        return found

    def _by_samples(
        self,
        place: int,
        items: NDArray[np.float64],
        floats: NDArray[np.float64],
        split: Split,
        budget: Budget,
        places: Sequence[int],
        *,
        either: bool = False,
    ) -> Score:
        metric = self.metrics[place]
        paired = Paired(
            items,
            floats[: items.size],
            bool(getattr(metric, "higher_is_better", True)),
            getattr(metric, "bounds", None),
            getattr(metric, "against", "targets") == "float",
            self._codes(places),
        )
        mine, truth = float(paired.items.mean()), float(paired.truth.mean())
        score = self._plain(place, mine, truth, split, budget, items.size)
        if split == "search" and self.level is None:
            # The search asks thousands of times; Student's t is near enough to order by.
            low, high = mean_interval(paired.units(paired.drops)[0])
            return replace(score, low=low, high=high, method="t")
        low, high = paired.interval()
        score = replace(score, low=low, high=high, method=paired.method)
        if self.level is None:
            undecided = either and score.excess > 0 and low <= score.allowed
            if budget.max_drop is None or not (undecided or score.open):
                return score
            level = UNDECIDED if undecided else UNDECIDED / 2
            return replace(score, needed=paired.needed(budget, level, either=True))
        spread = self.spread.get(self.names[place]) if paired.groups is None else None
        return replace(
            score,
            level=self.level,
            p_value=paired.p_value(budget, self.level, spread),
            bound=paired.bound(self.level),
            needed=paired.needed(budget, self.level),
        )

    def _by_resamples(self, place: int, mine: Evaluation, truth: Evaluation, split: Split, budget: Budget) -> Score:
        score = self._plain(place, mine.score, truth.score, split, budget, mine.samples)
        if mine.replicates is None or truth.replicates is None:
            return score if self.level is None else replace(score, level=self.level, p_value=1.0)
        count = min(len(mine.replicates), len(truth.replicates))
        mines, truths = np.asarray(mine.replicates[:count]), np.asarray(truth.replicates[:count])
        higher = bool(getattr(self.metrics[place], "higher_is_better", True))
        sign = 1.0 if higher else -1.0
        drops = sign * (truths - mines)
        low, high = bootstrap_interval(drops)
        score = replace(score, low=low, high=high, method="bootstrap")
        if self.level is None:
            unsure = budget.max_drop is not None and score.open
            return replace(score, needed=needed_by_width(score)) if unsure else score
        excesses = np.array(
            [
                budget.excess(my, float_score=their, higher_is_better=higher)
                for my, their in zip(mines, truths, strict=True)
            ]
        )
        bound = float(np.percentile(drops, 100 * (1 - self.level)))
        return replace(score, level=self.level, p_value=bootstrap_p_value(excesses), bound=bound)

    def _plain(self, place: int, mine: float, truth: float, split: Split, budget: Budget, samples: int) -> Score:
        higher = bool(getattr(self.metrics[place], "higher_is_better", True))
        drop = (truth - mine) if higher else (mine - truth)
        excess = budget.excess(mine, float_score=truth, higher_is_better=higher)
        return Score(split, mine, truth, drop, excess, samples, metric=self.names[place])

    def _codes(self, places: Sequence[int]) -> NDArray[np.int64] | None:
        if not self.groups:
            return None
        _, codes = np.unique([self.groups[place] for place in places], return_inverse=True)
        return codes.astype(np.int64)


def resampler(samples: int, *, groups: Sequence[str] = (), seed: int = 0) -> Callable[..., Sequence[float]]:
    """Return the paired bootstrap of so many samples: the same resamples for whatever is scored (scipy.stats.bootstrap).

    groups: what each sample belongs with; then whole groups are drawn.
    """
    codes = np.unique(list(groups), return_inverse=True)[1] if groups else np.arange(samples)
    order = np.argsort(codes, kind="stable")
    units = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)

    def resample(score: Callable[[Sequence[int]], float]) -> Sequence[float]:
        def scored(picks: NDArray[np.int64]) -> float:
            return score(np.concatenate([units[int(pick)] for pick in picks]).tolist())

        begin = time.monotonic()
        scored(np.arange(len(units)))
        took = max(time.monotonic() - begin, 1e-6)
        if LEAST_RESAMPLES * took > MOST_SECONDS:
            return ()
        count = int(np.clip(RESAMPLE_SECONDS / took, LEAST_RESAMPLES, RESAMPLES))
        drawn = scipy.stats.bootstrap(
            (np.arange(len(units)),),
            scored,
            n_resamples=count,
            batch=1,
            vectorized=False,
            method="percentile",
            rng=np.random.default_rng(seed),
        )
        return [float(value) for value in drawn.bootstrap_distribution]

    return resample
