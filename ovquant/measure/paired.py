"""Evaluations of a plan and of float to a score: how much was lost, how sure that is, and whether a budget holds it."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from ovquant.domain.budget import Budget, Limit
from ovquant.domain.trial import Score, Scores, Split, needed_by_width
from ovquant.errors import MetricError
from ovquant.measure.evaluate import Evaluation, workers_of
from ovquant.measure.proof import Paired, bootstrap_interval, bootstrap_p_value
from ovquant.plugins.metrics import ResolvedMetric
from ovquant.stats.intervals import mean_interval

RESAMPLES, LEAST_RESAMPLES = 1000, 50
RESAMPLE_SECONDS, MOST_SECONDS = 20.0, 100.0
"""Seconds that resampling may take before fewer resamples are made, and seconds of the fewest above which none is made."""
UNDECIDED = 0.05
"""The level of error that tells whether a slice is undecided, where no confidence was asked for."""


@dataclass(frozen=True)
class Pairing:
    """Compares evaluations of a plan with those of float, by the metrics of a run.

    `slices` names the slice of each sample and `groups` what each belongs with, both as texts and none where the run has
    none. With `level`, budgets must hold at that level of error, and not by the point estimates. `spread` is the standard
    deviation of a sample's drop that other data let expect, by metric.
    """

    metrics: Sequence[ResolvedMetric]
    slices: Sequence[str] = ()
    groups: Sequence[str] = ()
    level: float | None = None
    spread: Mapping[str, float] = field(default_factory=dict)

    def scores(self, mine: Sequence[Evaluation], truth: Sequence[Evaluation], split: Split, budget: Budget) -> Scores:
        """Return a plan's scores beside float's, on the plan's samples where the metric goes sample by sample.

        mine, truth: one per metric; `mine` may be of the first samples of those of `truth`.
        """
        found = [
            self._score(metric, my, their, split, limit)
            for metric, my, their, limit in zip(self.metrics, mine, truth, budget.limits, strict=True)
        ]
        if budget.worst_slice is not None:
            for metric, my, their in zip(self.metrics, mine, truth, strict=True):
                found += self._slices(metric, my, their, split, Limit(metric.name, budget.worst_slice))
        return Scores(tuple(found), workers_of(mine))

    def _score(self, metric: ResolvedMetric, mine: Evaluation, truth: Evaluation, split: Split, limit: Limit) -> Score:
        if mine.items is None or truth.items is None:
            return self._by_resamples(metric, mine, truth, split, limit)
        return self._by_samples(metric, self._paired(metric, mine, truth, range(mine.samples)), split, limit)

    def _slices(
        self, metric: ResolvedMetric, mine: Evaluation, truth: Evaluation, split: Split, limit: Limit
    ) -> list[Score]:
        """Return the score of every slice; on the search split one only counts as outside where that is sure."""
        if mine.items is None or truth.items is None:
            raise MetricError(
                f"The metric {metric.name} is not a mean over samples, so slices of it have no drop of their own. "
                "Take --worst-slice away, or give a metric that scores sample by sample."
            )
        places: dict[str, list[int]] = {}
        for index, name in enumerate(self.slices[: mine.samples]):
            places.setdefault(name, []).append(index)
        found = []
        for name, picks in sorted(places.items()):
            paired = self._paired(metric, mine, truth, picks)
            score = replace(self._by_samples(metric, paired, split, limit, either=True), slice=name)
            if split == "search" and score.low is not None:
                score = replace(score, excess=min(score.excess, score.low - score.allowed))
            found.append(score)
        return found

    def _paired(self, metric: ResolvedMetric, mine: Evaluation, truth: Evaluation, places: Sequence[int]) -> Paired:
        picks = np.asarray(places, dtype=np.intp)
        return Paired(
            np.asarray(mine.items)[picks],
            np.asarray(truth.items)[picks],
            metric.higher_is_better,
            metric.bounds,
            metric.compares_with_float,
            self._codes(places),
        )

    def _by_samples(
        self, metric: ResolvedMetric, paired: Paired, split: Split, limit: Limit, *, either: bool = False
    ) -> Score:
        mine, truth = float(paired.items.mean()), float(paired.truth.mean())
        score = self._plain(metric, mine, truth, split, limit, paired.items.size)
        if split == "search" and self.level is None:
            # The search asks thousands of times; Student's t is near enough to order by.
            low, high = mean_interval(paired.units(paired.drops)[0])
            deviation = float(paired.drops.std(ddof=1)) if paired.drops.size > 1 else None
            return replace(score, low=low, high=high, method="t", deviation=deviation)
        low, high = paired.interval()
        score = replace(score, low=low, high=high, method=paired.method)
        if self.level is None:
            undecided = either and score.excess > 0 and low <= score.allowed
            if limit.max_drop is None or not (undecided or score.open):
                return score
            level = UNDECIDED if undecided else UNDECIDED / 2
            return replace(score, needed=paired.needed(limit, level, either=True))
        spread = self.spread.get(metric.name) if paired.groups is None else None
        return replace(
            score,
            level=self.level,
            p_value=paired.p_value(limit, self.level, spread),
            bound=paired.bound(self.level),
            needed=paired.needed(limit, self.level),
        )

    def _by_resamples(
        self, metric: ResolvedMetric, mine: Evaluation, truth: Evaluation, split: Split, limit: Limit
    ) -> Score:
        score = self._plain(metric, mine.score, truth.score, split, limit, mine.samples)
        if mine.replicates is None or truth.replicates is None:
            return score if self.level is None else replace(score, level=self.level, p_value=1.0)
        count = min(len(mine.replicates), len(truth.replicates))
        mines, truths = np.asarray(mine.replicates[:count]), np.asarray(truth.replicates[:count])
        drops = metric.sign * (truths - mines)
        low, high = bootstrap_interval(drops)
        deviation = float(drops.std(ddof=1)) * mine.samples**0.5 if count > 1 else None
        score = replace(score, low=low, high=high, method="bootstrap", deviation=deviation)
        if self.level is None:
            unsure = limit.max_drop is not None and score.open
            return replace(score, needed=needed_by_width(score)) if unsure else score
        excesses = np.array(
            [
                limit.excess(my, float_score=their, higher_is_better=metric.higher_is_better)
                for my, their in zip(mines, truths, strict=True)
            ]
        )
        bound = float(np.percentile(drops, 100 * (1 - self.level)))
        return replace(score, level=self.level, p_value=bootstrap_p_value(excesses), bound=bound)

    def _plain(
        self, metric: ResolvedMetric, mine: float, truth: float, split: Split, limit: Limit, samples: int
    ) -> Score:
        drop = truth - mine if metric.higher_is_better else mine - truth
        excess = limit.excess(mine, float_score=truth, higher_is_better=metric.higher_is_better)
        return Score(split, mine, truth, drop, excess, samples, metric=metric.name)

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
