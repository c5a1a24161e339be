"""Model and data to measurements: everything that a plan is judged by, each recorded in the profile."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import openvino
from numpy.typing import NDArray

from ovquant import runtime
from ovquant.budgets import Budget, refuse_all_scores
from ovquant.building import Builder, Progress, silent
from ovquant.errors import CompileError, DataError, MetricError, ModelError, UsageError
from ovquant.evaluating import (
    FIRST_LOOK,
    Evaluation,
    divergence,
    looks,
    outputs_of,
)
from ovquant.graph import fingerprint
from ovquant.metrics import metric_name
from ovquant.plans import FLOAT, Plan, Recipe
from ovquant.profiles import COMPARABLE, Profile
from ovquant.protocols import Array
from ovquant.quantization import Validation, layer_precisions
from ovquant.runtime import REFERENCE, Deployment
from ovquant.scoring import Scoring
from ovquant.splits import Splits
from ovquant.stopwatch import race
from ovquant.trials import Score, Split, Timing, Trial

Objective = Literal["latency", "throughput", "size"]

DIVERGENCE_SAMPLES = 64
DIVERGENCE_BYTES = 128 * 2**20
TIMING_REQUESTS = 16
TRIAL_HEATS, FINAL_HEATS, MOST_HEATS = 3, 8, 32
"""Heats, with both sides compiled anew in each, of a trial, of the last race, and of a race that the noise prolongs."""
LEAST_HEATS, HEATS_SECONDS = 3, 60.0
"""Heats that are run however long they take, and the time after which no other is begun: compiling can take minutes."""
HEAT_ROUNDS = 150
"""Rounds after which a heat ends, however quick they are: more would say nothing of the next compilation."""
KEPT_COMPILED = 3
"""Compiled models that are kept for scoring: the float reference, float as it is served, and the plan at hand."""


@dataclass
class Workbench:
    """One float model on one device with its metrics and one set of data; builds plans and measures them.

    `folder` receives the built models, one folder per plan. Nothing is measured that the profile holds already.
    """

    model: openvino.Model
    splits: Splits
    metrics: tuple[Any, ...]
    deployment: Deployment
    objective: Objective
    profile: Profile
    folder: Path
    seed: int = 0
    names: tuple[str, ...] = ()
    heat_seconds: float = 0.5
    allowed_drop: float = 0.0
    progress: Progress = silent
    _compiled: dict[str, openvino.CompiledModel] = field(default_factory=dict)
    _expected: list[dict[str, Array]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.names = self.names or tuple(metric_name(metric) for metric in self.metrics)
        self.fingerprint = fingerprint(self.model)
        self.circumstances = circumstances(self.deployment.device)
        self.float_plan = Plan(FLOAT, properties=dict(self.deployment.properties))
        self.reference_plan = Plan("float-f32", properties={**self.deployment.properties, **REFERENCE})
        self.builder = Builder(
            self.model,
            self.splits,
            self.folder,
            self.key,
            self._validation,
            self.seed,
            self.deployment.device,
            self.progress,
        )
        self.scoring = Scoring(
            self.splits,
            self.metrics,
            self.names,
            self.profile,
            self.reference_plan,
            self._compiled_plan,
            self._content,
            self.seed,
            self.progress,
        )

    def discard(self, plan: Plan) -> None:
        """Forget the built files and the compiled model of a plan that is out of the running."""
        self._compiled.pop(plan.key, None)
        self.builder.discard(plan)

    @property
    def metric(self) -> Any:
        """Return the first metric, which what takes one alone is about."""
        return self.metrics[0]

    def _validation(self, recipe: Recipe) -> Validation | None:
        if recipe.algorithm != "accuracy-control" or not getattr(self.metric, "is_mean", False):
            return None
        batched = runtime.batched_outputs(self.model)
        sign = 1.0 if self.metric.higher_is_better else -1.0

        def score(compiled: openvino.CompiledModel, places: Sequence[int]) -> tuple[float, list[float]]:
            known = runtime.Compiled(compiled, batched)
            result = self.scoring.run(known, self.splits.search.only(places), [self.metric])[0]
            return sign * result.score, [sign * item for item in result.items or ()]

        return Validation(score, len(self.splits.search), self.allowed_drop)

    # Measuring ----------------------------------------------------------------------------------------------------

    def evaluation(self, plan: Plan, split: Split) -> list[Evaluation]:
        """Score a plan on all of a split by every metric, from its saved file, at the properties it is served with."""
        return self.scoring.evaluation(plan, split)

    def score(self, plan: Plan, split: Split, budget: Budget, **how: Any) -> Score:
        """Compare a plan with the float reference; see `Scoring.score`."""
        return self.scoring.score(plan, split, budget, **how)

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
            trial = Trial(plan, timing=self.timing(plan))
            reason = pointless(trial)
            if reason:
                return replace(trial, problem=reason, seconds=time.perf_counter() - begin)
            if budget.max_drop is not None and not plan.is_float:
                self._first_look(plan)
            trial = replace(trial, **self.facts(plan))
            reason = pointless(trial)
            score = None if reason else self.score(plan, "search", budget, glance=glance)
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

    def record(self, trial: Trial) -> None:
        """Keep a scored trial in the profile with all that a new budget or objective needs to judge it again."""
        assert trial.search is not None
        assert trial.timing is not None
        key = {**self.key(trial.plan), "objective": self.objective, "data": self.splits.search.fingerprint}
        key["metric"] = self.scoring.key
        before = (self.profile.recall("trial", key) or {}).get("trial")
        # On more samples or over more compilations it is known better.
        if (
            before is None
            or before["search"]["samples"] < trial.search.samples
            or before["timing"]["heats"] < trial.timing.heats
        ):
            directions = [metric.higher_is_better for metric in self.metrics]
            self.profile.record(
                "trial", key, {"trial": trial.to_json(), "higher_is_better": directions, "metrics": list(self.names)}
            )

    def predicted(self, plan: Plan, predict: Callable[[], float]) -> float:
        """Return the prediction that was recorded before a plan was first measured; a later one changes nothing."""
        key = {**self.key(plan), "objective": self.objective, "data": self.splits.search.fingerprint}
        return float(self.profile.measured("prediction", key, predict))

    def _first_look(self, plan: Plan) -> None:
        """Score a plan's first samples and compare the same outputs with float's, which else takes a pass of its own."""
        key, outputs = self._divergence_key(plan), list[dict[str, Array]]()
        if self.profile.recall("divergence", key) is not None or not self.scoring.by_sample:
            return
        if next(looks(len(self.splits.search))) == len(self.float_outputs()) == FIRST_LOOK:
            self.scoring.look(plan, 0, FIRST_LOOK, lambda block: outputs.extend(block.outputs))
        if outputs:
            self.profile.record("divergence", key, divergence(outputs, self.float_outputs()))

    def _divergence_key(self, plan: Plan) -> dict[str, Any]:
        return {**self._content(plan), "data": self.splits.search.inputs}

    def facts(self, plan: Plan) -> dict[str, Any]:
        """Return size, divergence from float, and the precision of every layer of a plan."""
        key = self._divergence_key(plan)

        def measure() -> dict[str, Any]:
            path = self.builder.build(plan)
            return {
                "size_bytes": sum(file.stat().st_size for file in path.parent.iterdir()),
                "divergence": self.profile.measured("divergence", key, lambda: self._divergence(plan)),
                "layers": self._precisions(plan),
            }

        return dict(self.profile.measured("facts", {**self.key(plan), "data": self.splits.search.inputs}, measure))

    def _divergence(self, plan: Plan) -> float:
        expected = self.float_outputs()
        return divergence(outputs_of(self._compiled_plan(plan), self.splits.search, count=len(expected)), expected)

    def timing(self, plan: Plan, *, heats: int = TRIAL_HEATS) -> Timing:
        """Time a plan against float in turn, at the properties it is served with, over so many compilations at least.

        Plans of the same operations share it, whatever their weights and ranges.
        """
        key = {**self._operations(plan), "objective": self.objective, "data": self.splits.search.inputs}
        if plan.key == self.float_plan.key:
            times = self._raced([plan], key, 0)
            return times[0]
        known: list[Timing] = []
        begin = time.monotonic()
        while len(known) < heats and not self._too_long(begin, len(known)):
            known.append(self._raced([plan], {**key, "heat": len(known)}, len(known))[0])
        return Timing.joined(known)

    def _too_long(self, begin: float, heats: int) -> bool:
        return heats >= LEAST_HEATS and time.monotonic() - begin > HEATS_SECONDS

    def _raced(self, plans: Sequence[Plan], key: Mapping[str, Any], number: int) -> list[Timing]:
        """Time plans beside float in one heat; one that was run before is in the profile."""

        def measure() -> list[dict[str, Any]]:
            others = [plan for plan in plans if plan.key != self.float_plan.key]
            everyone = [self.float_plan, *others]
            timings = race(
                [partial(self._compile, plan) for plan in everyone],
                self._requests,
                objective=self.objective,
                seconds=self.heat_seconds * len(everyone),
                most=HEAT_ROUNDS,
                seed=self.seed + number,
            )
            return [asdict(timing) for timing in (timings[1:] or timings)]

        return [Timing(**value) for value in self.profile.measured("timing", key, measure)]

    def _requests(self, compiled: openvino.CompiledModel) -> list[list[Array]]:
        return runtime.requests_of(compiled, self.splits.search, TIMING_REQUESTS)

    def times(self, contenders: Sequence[openvino.CompiledModel], seconds: float, most: int) -> NDArray[np.float64]:
        """Time compiled models in turn, as the objective asks: milliseconds, shape [rounds, contenders]."""
        interleave = runtime.interleave_throughput if self.objective == "throughput" else runtime.interleave
        return interleave(contenders, self._requests(contenders[0]), seconds=seconds, most=most)

    def final_race(
        self, plans: Sequence[Plan], until: float = float("inf"), deciding: int | None = None
    ) -> list[Timing]:
        """Race the finalists in heats of their own, and go on while it is open whether one is faster than float.

        deciding: how many of the first of them count for that, all unless given. It ends when these are decided, after
        MOST_HEATS, or when time is up (`until`, by time.monotonic()). The number of heats doubles with each look at the
        intervals, and all looks together have the level of one: look k is taken at 0.05 · 2⁻ᵏ. A resumed run finds its
        heats in the profile.
        """
        key = {**self.key(plans[0]), "plans": [plan.key for plan in plans], "objective": self.objective}
        key["data"] = self.splits.search.inputs
        heats: list[list[Timing]] = []
        found: list[Timing] = []
        for look, goal in enumerate(_doubling(FINAL_HEATS, MOST_HEATS), start=1):
            begin = time.monotonic()
            while len(heats) < goal and not self._too_long(begin, len(heats)):
                self.progress("timing the finalists", len(heats), goal)
                heats.append(self._raced(plans, {**key, "race": len(heats)}, len(heats)))
            shared = [self._shared(plans, heat) for heat in heats]
            found = [Timing.joined(column, confidence=1 - 0.05 * 0.5**look) for column in zip(*shared, strict=True)]
            if all(timing.decided for timing in found[:deciding]) or time.monotonic() > until or len(heats) < goal:
                break
        return found

    def _shared(self, plans: Sequence[Plan], heat: Sequence[Timing]) -> list[Timing]:
        """Return a heat in which plans of the same operations have what they took on average."""
        timed: dict[str, list[Timing]] = {}
        names = [str(self._operations(plan)) for plan in plans]
        for name, timing in zip(names, heat, strict=True):
            timed.setdefault(name, []).append(timing)
        return [Timing.joined(timed[name]) for name in names]

    def served(self, plan: Plan) -> dict[str, str]:
        """Return what a plan is scored and served on, as its compiled model reports it."""
        known = runtime.properties_of(self._compiled_plan(plan), runtime.SERVED)
        return {"device": self.deployment.device, "batch": str(self.deployment.batch), **known}

    def _precisions(self, plan: Plan) -> dict[str, str]:
        if plan.recipe is None:
            return {}
        built = runtime.core().read_model(self.builder.build(plan))
        return layer_precisions(built, self.builder.quantized(plan.recipe).layers)

    def float_outputs(self) -> list[dict[str, Array]]:
        """Return the float reference's outputs for the first samples of the search split."""
        if not self._expected:
            reference = self._reference()
            self._expected = outputs_of(
                reference, self.splits.search, count=DIVERGENCE_SAMPLES, most_bytes=DIVERGENCE_BYTES
            )
        return self._expected

    def _reference(self) -> openvino.CompiledModel:
        return self._compiled_plan(self.reference_plan)

    def _compile(self, plan: Plan) -> openvino.CompiledModel:
        """Compile exactly as it will be served: other streams or threads can be other kernels, with other outputs."""
        return runtime.compile_model(self.builder.build(plan), replace(self.deployment, properties=plan.properties))

    def _compiled_plan(self, plan: Plan) -> openvino.CompiledModel:
        if plan.key not in self._compiled:
            always = {self.reference_plan.key, self.float_plan.key}
            while len(self._compiled) >= KEPT_COMPILED and self._compiled.keys() - always:
                self._compiled.pop(next(key for key in self._compiled if key not in always))
            self._compiled[plan.key] = self._compile(plan)
        return self._compiled[plan.key]

    def _content(self, plan: Plan) -> dict[str, Any]:
        """Return the key of what a built model puts out: plans that come to the same model share it."""
        return self._built(plan, "content", values=True)

    def _operations(self, plan: Plan) -> dict[str, Any]:
        """Return the key of how long a built model takes: plans that come to the same operations share it."""
        return self._built(plan, "operations", values=False)

    def _built(self, plan: Plan, kind: str, *, values: bool) -> dict[str, Any]:
        def measure() -> str:
            return fingerprint(runtime.core().read_model(self.builder.build(plan)), values=values)

        found = self.profile.measured(kind, self.key(plan), measure)
        return {**self.key(plan), "plan": found, "properties": dict(sorted(plan.properties.items()))}

    def key(self, plan: Plan) -> dict[str, Any]:
        """Return what a measurement of a plan depends on, whatever is measured: also what its model is built from."""
        key = {
            "model": self.fingerprint,
            "plan": plan.key,
            "batch": self.deployment.batch,
            "device": self.deployment.device,
            "circumstances": self.circumstances,
            "calibration": self.splits.calibration.inputs,
            "seed": self.seed,
        }
        if plan.recipe is not None and plan.recipe.algorithm == "accuracy-control":
            # It is built by what it scores.
            key |= {"search": self.splits.search.fingerprint, "metric": self.scoring.key, "allowed": self.allowed_drop}
        return key

    def check_budget(self, budget: Budget, split: Split) -> float:
        """Score float in f32 and return the drop that a budget allows; raises UsageError for one that allows every score."""
        scores = self.evaluation(self.reference_plan, split)
        for place, (metric, found) in enumerate(zip(self.metrics, scores, strict=True)):
            binary = found.items is not None and set(found.items) <= {0.0, 1.0}
            limits = getattr(metric, "bounds", None) or getattr(metric, "useful", None)
            how: dict[str, Any] = {
                "higher_is_better": bool(metric.higher_is_better),
                "bounds": limits or ((0.0, 1.0) if binary else None),
                "metric": self.names[place],
            }
            refuse_all_scores(budget.of(place).max_drop, found.score, **how)
            refuse_all_scores(budget.worst_slice, found.score, option="--worst-slice", **how)
        self.allowed_drop = budget.allowed(scores[0].score)
        return self.allowed_drop

    def begin(self) -> None:
        """Say in the profile whose measurements follow: a new budget is solved from those of the last run alone."""
        run = self._run()
        if next(reversed([value for _, value in self.profile.entries("run")]), None) != run:
            self.profile.record("run", {"place": len(list(self.profile.entries("run")))}, run)

    def _run(self) -> dict[str, Any]:
        """Return what all trials of this run have in common, as their keys say it."""
        key = {**self.key(self.float_plan), "data": self.splits.search.fingerprint, "metric": self.scoring.key}
        key["objective"] = self.objective
        return {name: key[name] for name in COMPARABLE}


def _doubling(first: int, most: int) -> Iterator[int]:
    """Yield a number and ever twice as many, up to the most."""
    while first <= most:
        yield first
        first *= 2


def circumstances(device: str) -> dict[str, str]:
    """Return what outputs and times depend on beside model, plan and data: versions, and how the device computes."""
    here, versions = runtime.capabilities(device), {name: version(name) for name in ("openvino", "nncf")}
    return {**versions, "processor": here.full_name, "precision": here.default_precision, "int8": here.int8}
