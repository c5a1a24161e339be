"""Plans to trials: each is built, scored and timed, and what was measured is recorded in the profile."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ovquant import runtime
from ovquant.domain.budget import Budget, refuse_all_scores
from ovquant.domain.plan import Plan
from ovquant.domain.profile import COMPARABLE
from ovquant.domain.sample import Array
from ovquant.domain.trial import Scores, Split, Trial
from ovquant.errors import CompileError, DataError, MetricError, ModelError, UsageError
from ovquant.measure.divergence import divergence, outputs_of
from ovquant.measure.evaluate import FIRST_CHECKPOINT, checkpoints
from ovquant.measure.models import Models
from ovquant.measure.score import Scorer
from ovquant.measure.stopwatch import Stopwatch
from ovquant.quantization import layer_precisions
from ovquant.runtime import REFERENCE

DIVERGENCE_SAMPLES = 64
DIVERGENCE_BYTES = 128 * 2**20


@dataclass
class Workbench:
    """Where the plans of one float model are measured, on one device and one set of data."""

    models: Models
    scorer: Scorer
    stopwatch: Stopwatch
    _expected: list[dict[str, Array]] = field(default_factory=list)

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
            trial = Trial(plan, timing=self.stopwatch.timing(plan))
            reason = pointless(trial)
            if reason:
                return replace(trial, problem=reason, seconds=time.perf_counter() - begin)
            if budget.max_drop is not None and not plan.is_float:
                self._compare_first(plan)
            trial = replace(trial, **self.traits(plan))
            reason = pointless(trial)
            score = None if reason else self.scorer.score(plan, "search", budget, glance=glance)
        except (DataError, MetricError, ModelError, UsageError) as error:
            # The float model is measured first: what fails here fails because of the plan, outputs of NaN included.
            if plan.recipe is None:
                raise
            if isinstance(error, CompileError) and not REFERENCE.keys() & plan.properties.keys():
                properties = {**plan.properties, **REFERENCE}
                moved = replace(plan, name=f"{plan.name}, computed in f32", properties=properties)
                return self.trial(moved, budget, pointless, glance=glance)
            return Trial(plan, problem=str(error), seconds=time.perf_counter() - begin)
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
            # So does what nobody foresaw, such as an array without elements; one plan must not end the run.
            if plan.recipe is None:
                raise
            problem = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
            return Trial(plan, problem=problem, seconds=time.perf_counter() - begin)
        trial = replace(trial, search=score, problem=reason, seconds=time.perf_counter() - begin)
        if score is not None:
            self.record(trial)
        return trial

    def rescored(self, trial: Trial, budget: Budget) -> Trial:
        """Return a trial scored on as many samples of the search split as it takes to decide."""
        scored = replace(trial, search=self.scorer.score(trial.plan, "search", budget))
        self.record(scored)
        return scored

    def record(self, trial: Trial) -> None:
        """Keep a scored trial in the profile with all that a new budget or objective needs to judge it again."""
        assert trial.search is not None
        assert trial.timing is not None
        key = {**self._key(trial.plan), "metric": self.scorer.key}
        before = (self.models.profile.recall("trial", key) or {}).get("trial")
        # On more samples or over more compilations it is known better.
        if (
            before is None
            or Scores.from_json(before["search"]).samples < trial.search.samples
            or before["timing"]["heats"] < trial.timing.heats
        ):
            value = {
                "trial": trial.to_json(),
                "higher_is_better": [metric.higher_is_better for metric in self.scorer.metrics],
                "metrics": [metric.name for metric in self.scorer.metrics],
            }
            self.models.profile.record("trial", key, value)

    def predicted(self, plan: Plan, predict: Callable[[], float]) -> float:
        """Return the prediction that was recorded before a plan was first measured; a later one changes nothing."""
        return float(self.models.profile.measured("prediction", self._key(plan), predict))

    def _key(self, plan: Plan) -> dict[str, Any]:
        """Return what a trial depends on, its metrics aside."""
        data = self.models.splits.search.fingerprint
        return {**self.models.key(plan), "objective": self.stopwatch.objective, "data": data}

    def _compare_first(self, plan: Plan) -> None:
        """Score a plan's first samples and compare the same outputs with float's, which else takes a pass of its own."""
        key, outputs = self._divergence_key(plan), list[dict[str, Array]]()
        if self.models.profile.recall("divergence", key) is not None or not self.scorer.by_sample:
            return
        if next(checkpoints(len(self.models.splits.search))) == len(self.float_outputs()) == FIRST_CHECKPOINT:
            self.scorer.part(plan, 0, FIRST_CHECKPOINT, lambda block: outputs.extend(block.outputs))
        if outputs:
            self.models.profile.record("divergence", key, divergence(outputs, self.float_outputs()))

    def _divergence_key(self, plan: Plan) -> dict[str, Any]:
        return {**self.models.built_key(plan, values=True), "data": self.models.splits.search.inputs}

    def traits(self, plan: Plan) -> dict[str, Any]:
        """Return size, divergence from float, and the precision of every layer of a plan."""
        key = self._divergence_key(plan)

        def measure() -> dict[str, Any]:
            path = self.models.build(plan)
            return {
                "size_bytes": sum(file.stat().st_size for file in path.parent.iterdir()),
                "divergence": self.models.profile.measured("divergence", key, lambda: self._divergence(plan)),
                "layers": self._precisions(plan),
            }

        return dict(
            self.models.profile.measured(
                "facts", {**self.models.key(plan), "data": self.models.splits.search.inputs}, measure
            )
        )

    def _divergence(self, plan: Plan) -> float:
        expected = self.float_outputs()
        return divergence(
            outputs_of(self.models.compiled(plan), self.models.splits.search, count=len(expected)), expected
        )

    def served(self, plan: Plan) -> dict[str, str]:
        """Return what a plan is scored and served on, as its compiled model reports it."""
        known = runtime.properties_of(self.models.compiled(plan), runtime.SERVED)
        return {"device": self.models.deployment.device, "batch": str(self.models.deployment.batch), **known}

    def _precisions(self, plan: Plan) -> dict[str, str]:
        if plan.recipe is None:
            return {}
        built = runtime.core().read_model(self.models.build(plan))
        return layer_precisions(built, self.models.quantized(plan.recipe).layers)

    def float_outputs(self) -> list[dict[str, Array]]:
        """Return the float reference's outputs for the first samples of the search split."""
        if not self._expected:
            reference = self.models.compiled(self.models.reference_plan)
            self._expected = outputs_of(
                reference, self.models.splits.search, count=DIVERGENCE_SAMPLES, most_bytes=DIVERGENCE_BYTES
            )
        return self._expected

    def check_budget(self, budget: Budget, split: Split) -> float:
        """Score float in f32 and return the drop that a budget allows in the primary metric.

        Raises UsageError for a drop that allows every score.
        """
        scores = self.scorer.evaluation(self.models.reference_plan, split)
        for metric, limit, found in zip(self.scorer.metrics, budget.limits, scores, strict=True):
            binary = found.items is not None and set(found.items) <= {0.0, 1.0}
            how: dict[str, Any] = {
                "higher_is_better": metric.higher_is_better,
                "bounds": metric.bounds or metric.useful or ((0.0, 1.0) if binary else None),
                "metric": metric.name,
            }
            refuse_all_scores(limit.max_drop, found.score, **how)
            refuse_all_scores(budget.worst_slice, found.score, option="--worst-slice", **how)
        return budget.main.allowed(scores[0].score)

    def begin(self) -> None:
        """Say in the profile whose measurements follow: a new budget is solved from those of the last run alone."""
        profile = self.models.profile
        key = {**self._key(self.models.float_plan), "metric": self.scorer.key}
        run = {name: key[name] for name in COMPARABLE}
        if next(reversed([value for _, value in profile.entries("run")]), None) != run:
            profile.record("run", {"place": len(list(profile.entries("run")))}, run)
