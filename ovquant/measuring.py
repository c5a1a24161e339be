"""Model and data to measurements: everything that a plan is judged by, each recorded in the profile."""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import openvino
from numpy.typing import NDArray

from ovquant import runtime
from ovquant.budgets import Budget
from ovquant.errors import CompileError, DataError, MetricError, ModelError, UsageError
from ovquant.evaluating import Evaluation, divergence, evaluate, outputs_of
from ovquant.graph import fingerprint
from ovquant.identity import identity
from ovquant.plans import FLOAT, Plan, Recipe
from ovquant.profiles import Profile
from ovquant.protocols import Array
from ovquant.quantization import Quantized, Validation, quantize
from ovquant.runtime import REFERENCE, Deployment
from ovquant.splits import Splits, Subset, draw
from ovquant.statistics import decided, mean_interval
from ovquant.trials import Score, Split, Timing, Trial

Objective = Literal["latency", "throughput", "size"]
Progress = Callable[[str, int, int], None]
"""Called with what is being done, and how much of how much is done."""

DIVERGENCE_SAMPLES = 64
DIVERGENCE_BYTES = 128 * 2**20
FIRST_LOOK = 64
"""Samples after which a trial is first asked whether it is decided; then after twice as many, and so on."""
TIMING_REQUESTS = 16
TRIAL_ROUNDS = 300
"""Rounds after which a trial's timing ends, however quick they are: enough to order it; the finalists race for longer."""
FINAL_ROUNDS = 2000
HEATS = 3
"""Compilations over which the rounds of the last race are spread."""
KEPT_RECIPES = 2
"""Quantized models that are kept in memory, so that layers can be switched without calibrating again."""
KEPT_COMPILED = 3
"""Compiled models that are kept: the float reference, float as it is served, and the plan at hand."""


def silent(what: str, done: int, total: int) -> None:
    """Show no progress."""


@dataclass
class Workbench:
    """One float model on one device with one metric and one set of data; builds plans and measures them.

    `folder` receives the built models, one folder per plan. Nothing is measured that the profile holds already.
    """

    model: openvino.Model
    splits: Splits
    metric: Any
    deployment: Deployment
    objective: Objective
    profile: Profile
    folder: Path
    seed: int = 0
    timing_seconds: float = 3.0
    allowed_drop: float = 0.0
    progress: Progress = silent
    _quantized: dict[str, Quantized] = field(default_factory=dict)
    _compiled: dict[str, openvino.CompiledModel] = field(default_factory=dict)
    _expected: list[dict[str, Array]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.fingerprint = fingerprint(self.model)
        self.float_plan = Plan(FLOAT, properties=dict(self.deployment.properties))
        self.reference_plan = Plan("float-f32", properties={**self.deployment.properties, **REFERENCE})
        self.folder.mkdir(parents=True, exist_ok=True)

    # Building -----------------------------------------------------------------------------------------------------

    def quantized(self, recipe: Recipe) -> Quantized:
        """Return the model quantized by a recipe, calibrating at most once while it stays in memory."""
        if recipe.key not in self._quantized:
            while len(self._quantized) >= KEPT_RECIPES:
                self._quantized.pop(next(iter(self._quantized)))
            samples = draw(self.splits.calibration, recipe.calibration_size, seed=self.seed)
            requests = runtime.Requests(self.model.inputs, samples, told(self.progress, "calibrating"))
            self._quantized[recipe.key] = quantize(
                self.model, recipe, calibration=requests, validation=self._validation(recipe)
            )
        return self._quantized[recipe.key]

    def build(self, plan: Plan) -> Path:
        """Build a plan, write it as IR and return the path of its model.xml; what is there already is used."""
        path = self.folder / plan.key / "model.xml"
        if not path.exists():
            model = self.model if plan.recipe is None else self.quantized(plan.recipe).build(sorted(plan.layers))
            partial_folder = path.parent.with_suffix(".partial")
            shutil.rmtree(partial_folder, ignore_errors=True)
            partial_folder.mkdir()
            openvino.save_model(model, partial_folder / "model.xml", compress_to_fp16=plan.compress_to_fp16)
            partial_folder.rename(path.parent)
        return path

    def discard(self, plan: Plan) -> None:
        """Delete the built files of a plan that is out of the running."""
        self._compiled.pop(plan.key, None)
        shutil.rmtree(self.folder / plan.key, ignore_errors=True)

    def _validation(self, recipe: Recipe) -> Validation | None:
        if recipe.algorithm != "accuracy-control" or not getattr(self.metric, "is_mean", False):
            return None
        sign = 1.0 if self.metric.higher_is_better else -1.0

        def score(compiled: openvino.CompiledModel, places: Sequence[int]) -> tuple[float, list[float]]:
            result = self._score(compiled, self.splits.search.only(places))
            return sign * result.score, [sign * item for item in result.items or ()]

        return Validation(score, len(self.splits.search), self.allowed_drop)

    # Measuring ----------------------------------------------------------------------------------------------------

    def evaluation(self, plan: Plan, split: Split) -> Evaluation:
        """Score a plan on all of a split, from its saved file, at the properties it is served with."""
        return self._part(plan, self._data(split), split)

    def score(self, plan: Plan, split: Split, budget: Budget) -> Score:
        """Compare a plan with the float reference, sample by sample where the metric allows it.

        On the search split that ends as soon as it is clear on which side of the budget the plan is; the holdout and
        the float model are always scored whole.
        """
        truth = self.evaluation(self.reference_plan, split)
        mine = self._until_decided(plan, truth, budget) if self._stops_early(plan, split, budget) else None
        return self._compared(mine or self.evaluation(plan, split), truth, split, budget)

    def _stops_early(self, plan: Plan, split: Split, budget: Budget) -> bool:
        if split == "holdout" or plan.is_float or budget.max_drop is None:
            return False
        return getattr(self.metric, "is_mean", False) and not hasattr(self.metric, "score_all")

    def _until_decided(self, plan: Plan, truth: Evaluation, budget: Budget) -> Evaluation:
        """Score ever more samples until a paired sequential test knows the side, or all are scored."""
        data, items = self._data("search"), list[float]()
        ends = list(_doubling(len(data)))
        for end in ends:
            part = data.only(range(len(items), end))
            items += self._part(plan, part, "search", f", samples {len(items) + 1} to {end}").items or ()
            expected = (truth.items or ())[:end]
            excesses = budget.excesses(items, expected, higher_is_better=self.metric.higher_is_better)
            spread = float(np.ptp([*items, *expected])) or float(np.abs(items).max())
            if end < len(data) and decided(excesses, spread=spread, looks=len(ends) - 1):
                break
        return Evaluation(float(np.mean(items)), len(items), tuple(items))

    def _part(self, plan: Plan, data: Subset, split: Split, which: str = "") -> Evaluation:
        key = {**self._content(plan), "metric": identity(self.metric), "data": data.fingerprint, "samples": len(data)}

        def measure() -> dict[str, Any]:
            return asdict(self._score(self._compiled_plan(plan), data, what=f"{plan.name} on {split}{which}"))

        value = self.profile.measured("evaluation", key, measure)
        items = value["items"]
        return Evaluation(value["score"], value["samples"], None if items is None else tuple(items))

    def _compared(self, mine: Evaluation, truth: Evaluation, split: Split, budget: Budget) -> Score:
        sign = 1.0 if self.metric.higher_is_better else -1.0
        expected = truth.score
        low = high = None
        if mine.items is not None and truth.items is not None:
            paired = np.asarray(truth.items[: mine.samples])
            expected = truth.score if mine.samples == truth.samples else float(paired.mean())
            low, high = mean_interval(sign * (paired - np.asarray(mine.items)))
        return Score(
            split=split,
            value=mine.score,
            float_value=expected,
            drop=sign * (expected - mine.score),
            excess=budget.excess(mine.score, float_score=expected, higher_is_better=self.metric.higher_is_better),
            samples=mine.samples,
            low=low,
            high=high,
        )

    def _data(self, split: Split) -> Subset:
        return self.splits.search if split == "search" else self.splits.holdout

    def trial(self, plan: Plan, budget: Budget, pointless: Callable[[Trial], str] = lambda trial: "") -> Trial:
        """Build, compile and measure a plan on the search split; a plan that cannot be built is a trial with a problem.

        What a device cannot compile at its default precision is tried again in f32, and the trial's plan says so.
        `pointless` sees the trial before its score and says why it need not be scored, or nothing.
        """
        begin = time.perf_counter()
        try:
            facts = self.facts(plan)
            trial = Trial(plan, timing=self.timing(plan), **facts)
            reason = pointless(trial)
            score = None if reason else self.score(plan, "search", budget)
        except (DataError, MetricError, ModelError, UsageError) as error:
            # The float model is measured first: what fails here fails because of the plan, outputs of NaN included.
            if plan.recipe is None:
                raise
            if isinstance(error, CompileError) and not REFERENCE.keys() & plan.properties.keys():
                properties = {**plan.properties, **REFERENCE}
                moved = replace(plan, name=f"{plan.name}, computed in f32", properties=properties)
                return self.trial(moved, budget, pointless)
            return Trial(plan, problem=str(error), seconds=time.perf_counter() - begin)
        trial = replace(trial, search=score, problem=reason, seconds=time.perf_counter() - begin)
        if score is not None:
            self._record(trial, score.samples)
        return trial

    def _record(self, trial: Trial, samples: int) -> None:
        """Keep a trial in the profile with all that a new budget or objective needs to judge it again."""
        key = {**self.key(trial.plan), "objective": self.objective, "data": self.splits.search.fingerprint}
        key["metric"] = identity(self.metric)
        before = self.profile.recall("trial", key)
        if before is None or before["trial"]["search"]["samples"] < samples:
            direction = self.metric.higher_is_better
            self.profile.record("trial", key, {"trial": trial.to_json(), "higher_is_better": direction})

    def predicted(self, plan: Plan, predict: Callable[[], float]) -> float:
        """Return the prediction that was recorded before a plan was first measured; a later one changes nothing."""
        key = {**self.key(plan), "objective": self.objective, "data": self.splits.search.fingerprint}
        return float(self.profile.measured("prediction", key, predict))

    def facts(self, plan: Plan) -> dict[str, Any]:
        """Return size, divergence from float, and the precision of every layer of a plan."""
        key = {**self._content(plan), "data": self.splits.search.fingerprint}

        def measure() -> dict[str, Any]:
            path = self.build(plan)
            return {
                "size_bytes": sum(file.stat().st_size for file in path.parent.iterdir()),
                "divergence": self.profile.measured("divergence", key, lambda: self._divergence(plan)),
                "layers": self._precisions(plan),
            }

        return dict(self.profile.measured("facts", {**self.key(plan), "data": self.splits.search.fingerprint}, measure))

    def _divergence(self, plan: Plan) -> float:
        return divergence(self._compiled_plan(plan), self.splits.search, self.float_outputs())

    def timing(self, plan: Plan) -> Timing:
        """Time a plan against float, interleaved, at the properties it is served with."""
        key = {**self._content(plan), "objective": self.objective, "data": self.splits.search.fingerprint}

        def measure() -> dict[str, Any]:
            alone = plan.key == self.float_plan.key
            timings = self.race([] if alone else [plan], self.timing_seconds, most=TRIAL_ROUNDS)
            return asdict(timings[-1])

        return Timing(**self.profile.measured("timing", key, measure))

    def race(self, plans: Sequence[Plan], seconds: float, *, most: int) -> list[Timing]:
        """Time float and several plans in turn, in one run; one Timing each, float's own first, relative to float."""
        times = self.times([self._compiled_plan(plan) for plan in (self.float_plan, *plans)], seconds, most)
        return [Timing.of(times[:, position], times[:, 0]) for position in range(len(plans) + 1)]

    def times(self, contenders: Sequence[openvino.CompiledModel], seconds: float, most: int) -> NDArray[np.float64]:
        """Time compiled models in turn, as the objective asks: milliseconds, shape [rounds, contenders]."""
        requests = runtime.requests_of(contenders[0], self.splits.search, TIMING_REQUESTS)
        interleave = runtime.interleave_throughput if self.objective == "throughput" else runtime.interleave
        return interleave(contenders, requests, seconds=seconds, most=most)

    def final_race(self, plans: Sequence[Plan], seconds: float) -> list[Timing]:
        """Race the finalists once; a resumed run finds the result in the profile."""
        keys = [plan.key for plan in plans]
        key = {
            **self.key(plans[0]),
            "plans": keys,
            "objective": self.objective,
            "data": self.splits.search.fingerprint,
        }

        def measure() -> list[dict[str, Any]]:
            times = np.concatenate([self._heat(plans, seconds / HEATS) for _ in range(HEATS)])
            return [asdict(Timing.of(column, times[:, 0])) for column in times.T[1:]]

        return [Timing(**value) for value in self.profile.measured("race", key, measure)]

    def _heat(self, plans: Sequence[Plan], seconds: float) -> NDArray[np.float64]:
        """Time float and the plans in turn, all compiled anew: two compilations of one model can differ by percents."""
        everyone = (self.float_plan, *plans)
        self.progress("timing the finalists", 0, 0)
        return self.times([self._compile(plan) for plan in everyone], seconds, FINAL_ROUNDS // HEATS)

    def _precisions(self, plan: Plan) -> dict[str, str]:
        if plan.recipe is None:
            return {}
        return {layer.name: plan.layers.get(layer.name, "int8") for layer in self.quantized(plan.recipe).layers}

    def float_outputs(self) -> list[dict[str, Array]]:
        """Return the float reference's outputs for the first samples of the search split."""
        if not self._expected:
            reference = self._reference()
            self._expected = outputs_of(
                reference, self.splits.search, count=DIVERGENCE_SAMPLES, most_bytes=DIVERGENCE_BYTES
            )
        return self._expected

    def _score(self, compiled: openvino.CompiledModel, data: Subset, *, what: str = "") -> Evaluation:
        against_float = getattr(self.metric, "against", "targets") == "float"
        return evaluate(
            compiled,
            data,
            metric=self.metric,
            reference=self._reference() if against_float else None,
            step=told(self.progress, f"evaluating {what}".strip()),
        )

    def _reference(self) -> openvino.CompiledModel:
        return self._compiled_plan(self.reference_plan)

    def _compile(self, plan: Plan) -> openvino.CompiledModel:
        """Compile exactly as it will be served: other streams or threads can be other kernels, with other outputs."""
        return runtime.compile_model(self.build(plan), replace(self.deployment, properties=plan.properties))

    def _compiled_plan(self, plan: Plan) -> openvino.CompiledModel:
        if plan.key not in self._compiled:
            always = {self.reference_plan.key, self.float_plan.key}
            while len(self._compiled) >= KEPT_COMPILED and self._compiled.keys() - always:
                self._compiled.pop(next(key for key in self._compiled if key not in always))
            self._compiled[plan.key] = self._compile(plan)
        return self._compiled[plan.key]

    def _content(self, plan: Plan) -> dict[str, Any]:
        """Return the key of what is measured of a built model: plans that come to the same model share it."""

        def measure() -> str:
            return fingerprint(runtime.core().read_model(self.build(plan)))

        content = self.profile.measured("content", self.key(plan), measure)
        return {**self.key(plan), "plan": content, "properties": dict(sorted(plan.properties.items()))}

    def key(self, plan: Plan) -> dict[str, Any]:
        """Return what a measurement of a plan depends on, whatever is measured."""
        return {
            "model": self.fingerprint,
            "plan": plan.key,
            "batch": self.deployment.batch,
            "device": self.deployment.device,
            "calibration": self.splits.calibration.fingerprint,
            "seed": self.seed,
        }


def told(progress: Progress, what: str) -> Callable[[int, int], None]:
    """Return a progress callback that says what is being done."""
    return lambda done, total: progress(what, done, total)


def _doubling(samples: int) -> Iterator[int]:
    """Yield after how many samples to look, the last after all."""
    end = FIRST_LOOK
    # A last part that is nearly nothing is not worth a look before it.
    while end * 1.5 < samples:
        yield end
        end *= 2
    yield samples
