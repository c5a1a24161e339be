"""Plans to trials: each is built, scored and timed, and what was measured is recorded in the profile."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ovquant.domain.budget import Budget, refuse_all_scores
from ovquant.domain.layer import LEVELS
from ovquant.domain.plan import Plan
from ovquant.domain.profile import COMPARABLE, Profile
from ovquant.domain.recipe import FLOATS
from ovquant.domain.record import TAUGHT
from ovquant.domain.taught import Taught
from ovquant.domain.trial import Scores, Split, Timing, Trial
from ovquant.domain.typed import number, read_json, typed
from ovquant.errors import CompileError, DataError, LostError, MetricError, ModelError, OvquantError, UsageError
from ovquant.measure.conditions import Conditions
from ovquant.measure.instruments import Instruments
from ovquant.measure.stopwatch import TRIAL_HEATS
from ovquant.runtime import REFERENCE

OUTGROWN_SHARE, OUTGROWN_BYTES = 1.05, 2**12
"""How much larger a plan may be than a file whose weights are stored in few bits, and how many bytes more for each layer that
is not float: quantizers of activations take room too."""
FAILURES = (DataError, MetricError, ModelError, UsageError, LostError)
"""What can be wrong with one plan: it is the plan's failure, and not the run's."""


@dataclass
class Workbench:
    """Where the plans of one float model are measured, on one device and one set of data.

    `bar` is the plan that others are timed beside: float as it is served, unless another is the fastest float that holds the
    budget.
    """

    instruments: Instruments
    bar: Plan | None = None

    @property
    def conditions(self) -> Conditions:
        """Return what all measurements share."""
        return self.instruments.conditions

    @property
    def profile(self) -> Profile:
        """Return where measurements are recorded."""
        return self.instruments.profile

    def trial(
        self,
        plan: Plan,
        budget: Budget,
        pointless: Callable[[Trial], str] = lambda trial: "",
        *,
        glance: bool = False,
    ) -> Trial:
        """Build, compile and measure a plan on the search split; a plan that cannot be built is a trial with a problem.

        What a device cannot compile at its default precision is tried again in f32, and the trial's plan says so.
        `pointless` sees the trial once it is timed, and again once its divergence is known, and says why it need not be
        scored, or nothing. With `glance` the score is of a part of the samples.
        """
        begin = time.perf_counter()
        try:
            # Where bytes decide, and no limit of latency, a time is only told.
            told = self.conditions.objective == "size" and budget.max_latency_ms is None
            trial = Trial(plan, timing=self.timing(plan, heats=1 if told else TRIAL_HEATS))
            reason = pointless(trial)
            if reason:
                return replace(trial, problem=reason, seconds=time.perf_counter() - begin)
            scoring = budget.max_drop is not None and not plan.is_float
            trial = replace(trial, **self.instruments.traits(plan, scoring=scoring))
            reason = self._outgrown(trial) or pointless(trial)
            score = None if reason else self.instruments.score(plan, "search", budget, glance=glance)
        except FAILURES as error:
            # The float model is measured first: what fails here fails because of the plan, outputs of NaN included.
            if plan.recipe is None:
                raise
            movable = plan.recipe.quantizes and not REFERENCE.keys() & plan.properties.keys()
            if isinstance(error, CompileError) and movable:
                properties = {**plan.properties, **REFERENCE}
                moved = replace(plan, name=f"{plan.name}, computed in f32", properties=properties)
                return self.trial(moved, budget, pointless, glance=glance)
            return Trial(plan, problem=str(error), seconds=time.perf_counter() - begin)
        except (OvquantError, OSError):
            # A device that is not there or a full disk says nothing of a plan.
            raise
        except Exception as error:
            # What nobody foresaw does, such as an array without elements; one plan must not end the run.
            if plan.recipe is None:
                raise
            problem = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
            return Trial(plan, problem=problem, seconds=time.perf_counter() - begin)
        trial = replace(trial, search=score, problem=reason, seconds=time.perf_counter() - begin)
        if score is not None:
            self.record(trial)
        return trial

    def _outgrown(self, trial: Trial) -> str:
        """Say that a plan is larger than the file that was given, where weights are stored there in few bits."""
        conditions = self.conditions
        if not conditions.compressed or trial.plan.is_float:
            return ""
        size = self.instruments.traits(conditions.float_plan)["size_bytes"]
        layers = sum(precision not in (*LEVELS, *FLOATS) for precision in (trial.layers or {}).values())
        larger = trial.size_bytes > OUTGROWN_SHARE * size + OUTGROWN_BYTES * layers
        return f"not scored: it has {trial.size_bytes:,} bytes, and the model that was given {size:,}" if larger else ""

    def divergence(self, plan: Plan) -> float:
        """Return how far a plan's outputs are from float's, without labels or a timing; infinite where it cannot be built, or NaN."""
        try:
            found = float(self.instruments.traits(plan)["divergence"])
            return float("inf") if math.isnan(found) else found
        except FAILURES:
            return float("inf")
        except (OvquantError, OSError):
            raise
        except Exception:
            # As in a trial, what nobody foresaw must not end the run.
            return float("inf")

    def rescored(self, trial: Trial, budget: Budget) -> Trial:
        """Return a trial scored on as many samples of the search split as it takes to decide, or with a problem."""
        try:
            scored = replace(trial, search=self.instruments.score(trial.plan, "search", budget))
        except FAILURES as error:
            return replace(trial, search=None, problem=str(error))
        self.record(scored)
        return scored

    def weighed(self, trial: Trial) -> Trial:
        """Return a trial with the memory that serving it takes; raises UsageError where no process may be started for that."""
        known = trial.memory_bytes or self.instruments.footprint(trial.plan)
        if known is None:
            raise UsageError(
                f"The memory that {trial.plan.full_title} takes could not be measured, which needs a process of its own. Leave out "
                "--max-memory, or let processes be started (no OVQUANT_ISOLATE=0)."
            )
        return replace(trial, memory_bytes=known)

    def timed(self, trial: Trial, *, heats: int = TRIAL_HEATS) -> Trial:
        """Return a trial timed over so many compilations at least, or with a problem."""
        try:
            return replace(trial, timing=self.timing(trial.plan, heats=heats))
        except FAILURES as error:
            return replace(trial, search=None, problem=str(error))

    def timing(self, plan: Plan, *, heats: int = TRIAL_HEATS) -> Timing:
        """Time a plan beside the bar, over so many compilations at least."""
        return self.instruments.timing(plan, heats=heats, beside=self.bar)

    def record(self, trial: Trial) -> None:
        """Keep a scored trial in the profile with all that a new budget or objective needs to judge it again."""
        assert trial.search is not None
        assert trial.timing is not None
        key = {**self._key(trial.plan), "metric": self.conditions.metric_key}
        key |= {} if self.bar is None else {"beside": self.bar.key}
        before = (self.profile.recall("trial", key) or {}).get("trial")
        # On more samples or over more compilations it is known better.
        if (
            before is None
            or Scores.from_json(before["search"]).samples < trial.search.samples
            or before["timing"]["heats"] < trial.timing.heats
        ):
            value = {
                "trial": trial.to_json(),
                "higher_is_better": [metric.higher_is_better for metric in self.conditions.metrics],
                "metrics": [metric.name for metric in self.conditions.metrics],
            }
            self.profile.record("trial", key, value)

    def predicted(self, plan: Plan, predict: Callable[[], float]) -> float:
        """Return the prediction that was recorded before a plan was first measured; a later one changes nothing."""
        return self.profile.measured("prediction", self._key(plan), predict, lambda value: number(value, "prediction"))

    def _key(self, plan: Plan) -> dict[str, Any]:
        """Return what a trial depends on, its metrics aside."""
        data = self.conditions.splits.search.fingerprint
        return {**self.conditions.key(plan), "objective": self.conditions.objective, "data": data}

    def check_budget(self, budget: Budget, split: Split) -> float:
        """Score float in f32 and return the drop that a budget allows in the primary metric.

        Raises UsageError for a drop that allows every score.
        """
        scores = self.instruments.evaluation(self.conditions.reference_plan, split)
        for metric, limit, found in zip(self.conditions.metrics, budget.limits, scores, strict=True):
            binary = found.items is not None and set(found.items) <= {0.0, 1.0}
            how: dict[str, Any] = {
                "higher_is_better": metric.higher_is_better,
                "bounds": metric.bounds or metric.useful or ((0.0, 1.0) if binary else None),
                "metric": metric.name,
            }
            refuse_all_scores(limit.max_drop, found.score, **how)
            refuse_all_scores(budget.worst_slice, found.score, option="--worst-slice", **how)
        return budget.main.allowed(scores[0].score)

    def documented(self, trial: Trial) -> Trial:
        """Return a trial whose plan says how the normal form that it quantizes was made, and its numbers trained."""
        plan, recipe = trial.plan, trial.plan.recipe
        if recipe is None:
            return trial
        plan = plan if recipe.graph == "as-read" else replace(plan, normal=self.conditions.normal)
        told = self.instruments.build(trial.plan).with_name(TAUGHT) if recipe.trainer else None
        if told is not None and told.is_file():
            plan = replace(plan, taught=typed(Taught, read_json(told.read_text(encoding="utf-8"))))
        return replace(trial, plan=plan)

    def begin(self) -> None:
        """Say in the profile whose measurements follow: a new budget is solved from those of the last run alone."""
        profile = self.profile
        key = {**self._key(self.conditions.float_plan), "metric": self.conditions.metric_key}
        run = {name: key[name] for name in COMPARABLE}
        if next(reversed([value for _, value in profile.entries("run")]), None) != run:
            profile.record("run", {"place": len(list(profile.entries("run")))}, run)
