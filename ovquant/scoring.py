"""A plan to a score on a split, by every metric of the run, each evaluation recorded in the profile."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import openvino

from ovquant.budgets import Budget
from ovquant.building import Progress, told
from ovquant.comparing import Comparing, resampler
from ovquant.evaluating import Evaluation, Resample, Seen, evaluate_all, looks
from ovquant.identity import identity
from ovquant.plans import Plan
from ovquant.profiles import Profile
from ovquant.splits import Splits, Subset
from ovquant.statistics import decided
from ovquant.trials import Score, Split

GLANCE = 256
"""Samples that a glance at a trial takes at most, or a quarter of all where that is more."""


@dataclass
class Scoring:
    """Scores plans on the splits of a run.

    `compiled` returns a plan's compiled model, `content` the key of what it puts out; `reference` is the float model in f32.
    """

    splits: Splits
    metrics: Sequence[Any]
    names: Sequence[str]
    profile: Profile
    reference: Plan
    compiled: Callable[[Plan], openvino.CompiledModel]
    content: Callable[[Plan], dict[str, Any]]
    seed: int
    progress: Progress

    def evaluation(self, plan: Plan, split: Split) -> list[Evaluation]:
        """Score a plan on all of a split by every metric, from its saved file, at the properties it is served with."""
        return self._part(plan, self._data(split), split)

    def score(
        self,
        plan: Plan,
        split: Split,
        budget: Budget,
        *,
        glance: bool = False,
        level: float | None = None,
        before: Score | None = None,
    ) -> Score:
        """Compare a plan with the float reference, sample by sample where the metric allows it.

        On the search split that ends as soon as it is clear on which side of the budget the plan is, and with `glance`
        after a part of the samples; the holdout is always scored whole. With `level` the budget must hold at that level of
        error; `before` is the plan's score on other data, which tells what spread to expect.
        """
        truth, data = self.evaluation(self.reference, split), self._data(split)
        judged = plan.key != self.reference.key and budget.max_drop is not None
        if split == "search" and judged and self.by_sample:
            mine = self._until_decided(plan, truth, budget, glance=glance)
        else:
            mine = self.evaluation(plan, split)
        spread = {} if before is None else {part.metric: part.spread for part in before.all if part.spread is not None}
        return Comparing(self.metrics, self.names, data.slices, data.groups, level, spread).score(
            mine, truth, split, budget
        )

    @property
    def by_sample(self) -> bool:
        """Tell whether all metrics are means that are measured block by block, so that scoring can stop early."""
        return all(getattr(metric, "is_mean", False) and not hasattr(metric, "score_all") for metric in self.metrics)

    def _until_decided(
        self, plan: Plan, truth: Sequence[Evaluation], budget: Budget, *, glance: bool
    ) -> list[Evaluation]:
        """Score ever more samples until a paired sequential test knows the side, or all or a glance are scored."""
        data, items = self._data("search"), [list[float]() for _ in self.metrics]
        ends = list(looks(len(data)))
        most = max(GLANCE, len(data) // 4) if glance and len(data) > 2 * GLANCE else len(data)
        for end in (end for end in ends if end <= most):
            for found, part in zip(items, self.look(plan, len(items[0]), end), strict=True):
                found += part.items or ()
            if end < len(data) and self._is_decided(items, truth, budget, len(ends) - 1):
                break
        return [Evaluation(float(np.mean(found)), len(found), tuple(found)) for found in items]

    def _is_decided(
        self, items: Sequence[Sequence[float]], truth: Sequence[Evaluation], budget: Budget, looks: int
    ) -> bool:
        """Tell whether one metric surely is outside its budget, or all surely are inside; slices need every sample."""
        sides = []
        for place, (metric, mine, theirs) in enumerate(zip(self.metrics, items, truth, strict=True)):
            expected = (theirs.items or ())[: len(mine)]
            excesses = budget.of(place).excesses(mine, expected, higher_is_better=metric.higher_is_better)
            spread = float(np.ptp([*mine, *expected])) or float(np.abs(mine).max())
            sides.append(decided(excesses, spread=spread, looks=looks))
        if "outside" in sides:
            return True
        return budget.worst_slice is None and all(side == "inside" for side in sides)

    def look(self, plan: Plan, start: int, end: int, seen: Seen | None = None) -> list[Evaluation]:
        """Score some of the search samples, in a row."""
        part = self._data("search").only(range(start, end))
        return self._part(plan, part, "search", f", samples {start + 1} to {end}", seen)

    def _part(
        self, plan: Plan, data: Subset, split: Split, which: str = "", seen: Seen | None = None
    ) -> list[Evaluation]:
        key = {**self.content(plan), "metric": self.key, "data": data.fingerprint, "samples": len(data)}
        resample = None
        if split == "holdout":
            # The drop's interval needs it where a metric is no mean; a search has no use for it.
            resample, key["groups"] = resampler(len(data), groups=data.groups, seed=self.seed), bool(data.groups)

        def measure() -> list[dict[str, Any]]:
            what = f"{plan.name} on {split}{which}"
            found = self.run(self.compiled(plan), data, self.metrics, what=what, seen=seen, resample=resample)
            return [asdict(item) for item in found]

        value = self.profile.measured("evaluation", key, measure)
        return [Evaluation(**{**item, **_tuples(item)}) for item in value]

    @cached_property
    def key(self) -> Any:
        """Return what tells the metrics apart from others, as they were when the run began."""
        names = [identity(metric) for metric in self.metrics]
        return names[0] if len(names) == 1 else names

    def _data(self, split: Split) -> Subset:
        return self.splits.search if split == "search" else self.splits.holdout

    def run(
        self,
        compiled: openvino.CompiledModel,
        data: Subset,
        metrics: Sequence[Any],
        *,
        what: str = "",
        seen: Seen | None = None,
        resample: Resample | None = None,
    ) -> list[Evaluation]:
        """Score a compiled model on data, whatever is recorded."""
        against_float = any(getattr(metric, "against", "targets") == "float" for metric in metrics)
        return evaluate_all(
            compiled,
            data,
            metrics=metrics,
            reference=self.compiled(self.reference) if against_float else None,
            step=told(self.progress, f"evaluating {what}".strip()),
            seen=seen,
            resample=resample,
        )


def _tuples(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: None if item[name] is None else tuple(item[name]) for name in ("items", "replicates")}
