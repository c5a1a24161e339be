"""A plan to a score on a split, by every metric of the run, each evaluation recorded in the profile."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import openvino

from ovquant.domain.budget import Budget
from ovquant.domain.plan import Plan
from ovquant.domain.progress import told
from ovquant.domain.split import Subset, drawn
from ovquant.domain.trial import Scores, Split
from ovquant.domain.trial import elsewhere as elsewhere_of
from ovquant.domain.typed import typed
from ovquant.errors import MetricError
from ovquant.measure.elsewhere import Elsewhere
from ovquant.measure.evaluate import Evaluation, Resample, Seen, checkpoints, evaluate_all, workers_of
from ovquant.measure.models import Models
from ovquant.measure.nans import added, told_nan
from ovquant.measure.paired import Pairing, resampler
from ovquant.measure.reference import Reference
from ovquant.measure.shards import Shards
from ovquant.plugins.metrics import ResolvedMetric
from ovquant.stats.intervals import decided

TOLD = 400
"""The most samples that scores are of which decide nothing, and are only told."""
Told = Literal["", "here", "elsewhere"]
"""Whether a score is only told, and whether it is with the int8 arithmetic of this processor or the one that it has not."""
GLANCE = 256
"""The most samples that a glance at a trial takes; a quarter of all where that is more."""


@dataclass
class Scorer:
    """Scores plans on the splits of a run, beside the float model in f32.

    `elsewhere` is where the int8 arithmetic is simulated that this processor has not, None where nothing can do that. Where
    `anywhere`, budgets must hold with that one too. `shards` are scored by workers elsewhere, None where there are none.
    """

    models: Models
    metrics: Sequence[ResolvedMetric]
    elsewhere: Elsewhere | None = None
    anywhere: bool = False
    shards: Shards | None = None

    def evaluation(self, plan: Plan, split: Split) -> list[Evaluation]:
        """Score a plan on all of a split by every metric, from its saved file, at the properties it is served with."""
        data = self._data(split)
        return self._part(plan, data, split, range(len(data)) if self.by_sample else None)

    def score(
        self,
        plan: Plan,
        split: Split,
        budget: Budget,
        *,
        glance: bool = False,
        level: float | None = None,
        before: Scores | None = None,
        told: Told = "",
    ) -> Scores:
        """Compare a plan with the float reference, sample by sample where the metric allows it.

        On the search split that ends as soon as it is clear on which side of the budget the plan is, and with `glance`
        after a part of the samples; the holdout is always scored whole. With `level` the budget must hold at that level of
        error; `before` is the plan's score on other data, which tells what spread to expect. A score that decides nothing and is only
        `told` is a point estimate, of some of the samples where they are many.
        """
        if told:
            return self._told(plan, split, budget, elsewhere=told == "elsewhere")
        reference = self.models.reference_plan
        if split == "holdout" and self.elsewhere is not None and plan.runs_int8:
            # What may be returned is simulated next; nothing is timed meanwhile.
            self.elsewhere.begin()
        truth, data = self.evaluation(reference, split), self._data(split)
        judged = not self.models.conditions.is_reference(plan) and budget.max_drop is not None
        if split == "search" and judged and self.by_sample:
            mine = self._until_decided(plan, truth, budget, glance=glance)
        else:
            mine = self.evaluation(plan, split)
            refuse_nan(plan, mine, truth)
        scores = () if before is None else before.all
        spread = {
            score.metric: score.deviation
            for score in scores
            if score.method == "t" and score.deviation is not None and not score.slice and not score.arithmetic
        }
        pairing = Pairing(self.metrics, data.slices, data.groups, level, spread)
        found = pairing.scores(mine, truth, split, budget)
        if not self.anywhere or not plan.runs_int8 or (split == "search" and not found.inside):
            return found
        assert self.elsewhere is not None
        count, whole = mine[0].samples, len(data)
        there = self._there(plan, split, None if count == whole else range(count), truth)
        beside = elsewhere_of(pairing.scores(there, truth, split, budget), self.elsewhere.arithmetic)
        return replace(found, all=(*found.all, *beside))

    def _told(self, plan: Plan, split: Split, budget: Budget, *, elsewhere: bool) -> Scores:
        truth, data, places = self.evaluation(self.models.reference_plan, split), self._data(split), None
        if self.by_sample and budget.worst_slice is None and len(data) > TOLD:
            places = drawn(len(data), TOLD, seed=self.models.seed)
            truth, data = [_some(found, places) for found in truth], data.only(places)
        mine = self._there(plan, split, places, truth) if elsewhere else self._part(plan, data, split, places)
        refuse_nan(plan, mine, truth)
        scores = Pairing(self.metrics, data.slices, data.groups).scores(mine, truth, split, budget)
        return Scores(elsewhere_of(scores, self.elsewhere.arithmetic)) if elsewhere and self.elsewhere else scores

    def _there(
        self, plan: Plan, split: Split, places: Sequence[int] | None, truth: Sequence[Evaluation]
    ) -> list[Evaluation]:
        """Score a plan on these samples of a split, or on all, with the int8 arithmetic that this processor has not."""
        elsewhere, data = self.elsewhere, self._data(split)
        assert elsewhere is not None
        part = data if places is None else data.only(places)
        key = {**self._key(plan, part, split), "simulated": elsewhere.arithmetic}

        def measure() -> list[dict[str, Any]]:
            return [asdict(item) for item in elsewhere.evaluation(self.models, plan, split, places, part)]

        found = self.models.profile.measured("evaluation", key, measure, _evaluations)
        refuse_nan(plan, found, truth)
        return found

    @cached_property
    def _reference(self) -> Reference:
        return Reference(lambda: self.models.compiled(self.models.reference_plan))

    @property
    def by_sample(self) -> bool:
        """Tell whether all metrics are means that are measured block by block, so that scoring can stop early."""
        return all(metric.by_sample for metric in self.metrics)

    def _until_decided(
        self, plan: Plan, truth: Sequence[Evaluation], budget: Budget, *, glance: bool
    ) -> list[Evaluation]:
        """Score ever more samples until a paired sequential test knows the side, or all or a glance are scored."""
        data, items, workers = self._data("search"), [list[float]() for _ in self.metrics], tuple[str, ...]()
        ends = list(checkpoints(len(data)))
        most = max(GLANCE, len(data) // 4) if glance and len(data) > 2 * GLANCE else len(data)
        for end in (end for end in ends if end <= most):
            parts = self.part(plan, len(items[0]), end)
            workers = tuple(sorted({*workers, *workers_of(parts)}))
            refuse_nan(plan, parts, truth)
            for found, part in zip(items, parts, strict=True):
                found += part.items or ()
            if end < len(data) and self._is_decided(items, truth, budget, len(ends) - 1):
                break
        return [Evaluation(float(np.mean(found)), len(found), tuple(found), workers=workers) for found in items]

    def _is_decided(
        self, items: Sequence[Sequence[float]], truth: Sequence[Evaluation], budget: Budget, looks: int
    ) -> bool:
        """Tell whether one metric surely is outside its budget, or all surely are inside; slices need every sample."""
        sides = []
        for metric, limit, mine, theirs in zip(self.metrics, budget.limits, items, truth, strict=True):
            expected = (theirs.items or ())[: len(mine)]
            excesses = limit.excesses(mine, expected, higher_is_better=metric.higher_is_better)
            spread = float(np.ptp([*mine, *expected])) or float(np.abs(mine).max())
            if not spread:
                # Scores that are all zero so far, such as error rates, say nothing of how far the next may be.
                low, high = metric.bounds or metric.useful or (0.0, 1.0)
                spread = high - low
            sides.append(decided(excesses, spread=spread, looks=looks))
        if "outside" in sides:
            return True
        return budget.worst_slice is None and all(side == "inside" for side in sides)

    def part(self, plan: Plan, start: int, end: int, seen: Seen | None = None) -> list[Evaluation]:
        """Score some of the search samples, in a row."""
        places = range(start, end)
        return self._part(plan, self._data("search").only(places), "search", places, seen)

    def _part(
        self, plan: Plan, data: Subset, split: Split, places: Sequence[int] | None, seen: Seen | None = None
    ) -> list[Evaluation]:
        # The drop's interval needs resamples where a metric is not a mean; a search has no use for it.
        holdout = split == "holdout"
        resample = resampler(len(data), groups=data.groups, seed=self.models.seed) if holdout else None

        def measure() -> list[dict[str, Any]]:
            whole = self._data(split)
            which = _which(places, len(whole))
            what = f"{plan.title} on {split}{which}"
            if self.shards is not None and seen is None:
                shown = f"evaluating {what}"
                return [asdict(item) for item in self.shards.evaluation(self.models, plan, split, whole, places, shown)]
            how: dict[str, Any] = {"what": what, "seen": seen, "resample": resample, "whose": _called(plan)}
            found = self.run(self.models.compiled(plan), data, **how)
            return [asdict(item) for item in found]

        return self.models.profile.measured("evaluation", self._key(plan, data, split), measure, _evaluations)

    def _key(self, plan: Plan, data: Subset, split: Split) -> dict[str, Any]:
        key = {
            **self.models.built_key(plan, values=True),
            "metric": self.key,
            "data": data.fingerprint,
            "samples": len(data),
        }
        return {**key, "groups": bool(data.groups)} if split == "holdout" else key

    @cached_property
    def key(self) -> Any:
        """Return what tells the metrics apart from others, as they were when the run began."""
        keys = [metric.key for metric in self.metrics]
        return keys[0] if len(keys) == 1 else keys

    def _data(self, split: Split) -> Subset:
        return self.models.splits.search if split == "search" else self.models.splits.holdout

    def run(
        self,
        compiled: openvino.CompiledModel,
        data: Subset,
        *,
        what: str = "",
        seen: Seen | None = None,
        resample: Resample | None = None,
        whose: str = "the model",
    ) -> list[Evaluation]:
        """Score a compiled model on data, whatever is recorded."""
        return evaluate_all(
            compiled,
            data,
            metrics=self.metrics,
            reference=self._reference,
            step=told(self.models.progress, f"evaluating {what}".strip()),
            seen=seen,
            resample=resample,
            whose=whose,
        )


def _which(places: Sequence[int] | None, count: int) -> str:
    """Say which of so many samples are scored, where not all are."""
    if not places or len(places) == count:
        return ""
    row = isinstance(places, range)
    return f", samples {places[0] + 1} to {places[-1] + 1}" if row else f", {len(places)} of {count:,} samples"


def _some(whole: Evaluation, places: Sequence[int]) -> Evaluation:
    """Return the evaluation of some samples, of one whose metric is a mean."""
    items = [(whole.items or ())[place] for place in places]
    return Evaluation(float(np.mean(items)), len(items), tuple(items), nan=whole.nan)


def _evaluations(value: Any) -> list[Evaluation]:
    return [typed(Evaluation, item) for item in value]


def refuse_nan(plan: Plan, mine: Sequence[Evaluation], truth: Sequence[Evaluation]) -> None:
    """Raise MetricError for a quantized plan with outputs of NaN for samples where float has none: no score makes up for that."""
    found = [] if plan.is_float else added(mine[0].nan, truth[0].nan)
    if found:
        raise MetricError(f"{told_nan(found, _called(plan))} Float's outputs are not NaN there.")


def _called(plan: Plan) -> str:
    """Return what messages call the model of a plan."""
    return f"the float model ({plan.full_title})" if plan.is_float else f"the plan {plan.full_title}"
