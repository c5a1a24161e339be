"""Model and data to measurements: everything that a plan is judged by, each recorded in the profile."""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import openvino

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
from ovquant.statistics import mean_interval, ratio_of_medians
from ovquant.tables import LayerRow
from ovquant.trials import Score, Split, Timing, Trial

Objective = Literal["latency", "throughput", "size"]
Progress = Callable[[str, int, int], None]
"""Called with what is being done, and how much of how much is done."""

PROBE_SAMPLES = 16
DIVERGENCE_SAMPLES = 64
DIVERGENCE_BYTES = 128 * 2**20
UNUSABLE = 1e6
"""The divergence of what does not compile."""
TIMING_REQUESTS = 16
TRIAL_ROUNDS = 300
"""Rounds after which a trial's timing ends, however quick they are: enough to order it; the finalists race for longer."""
FINAL_ROUNDS = 2000
KEPT_RECIPES = 2
"""Quantized models that are kept in memory, so that layers can be switched without calibrating again."""


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
            requests = Requests(self.model.inputs, samples, told(self.progress, "calibrating"))
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
        shutil.rmtree(self.folder / plan.key, ignore_errors=True)

    def _validation(self, recipe: Recipe) -> Validation | None:
        if recipe.algorithm != "accuracy-control" or not getattr(self.metric, "is_mean", False):
            return None
        sign = 1.0 if self.metric.higher_is_better else -1.0

        def score(compiled: openvino.CompiledModel) -> tuple[float, list[float]]:
            result = self._score(compiled, self.splits.search)
            return sign * result.score, [sign * item for item in result.items or ()]

        return Validation(score, len(self.splits.search), self.allowed_drop)

    # Measuring ----------------------------------------------------------------------------------------------------

    def evaluation(self, plan: Plan, split: Split) -> Evaluation:
        """Score a plan on a split, from its saved file, at the properties it is served with."""
        data = self.splits.search if split == "search" else self.splits.holdout
        key = {**self._key(plan), "metric": identity(self.metric), "data": data.fingerprint, "samples": len(data)}

        def measure() -> dict[str, Any]:
            compiled = self._compile(plan, self.build(plan))
            return asdict(self._score(compiled, data, what=f"{plan.name} on {split}"))

        value = self.profile.measured("evaluation", key, measure)
        items = value["items"]
        return Evaluation(value["score"], value["samples"], None if items is None else tuple(items))

    def score(self, plan: Plan, split: Split, budget: Budget) -> Score:
        """Compare a plan with the float reference on a split, sample by sample where the metric allows it."""
        mine, truth = self.evaluation(plan, split), self.evaluation(self.reference_plan, split)
        sign = 1.0 if self.metric.higher_is_better else -1.0
        low = high = None
        if mine.items is not None and truth.items is not None:
            low, high = mean_interval(sign * (np.asarray(truth.items) - np.asarray(mine.items)))
        return Score(
            split=split,
            value=mine.score,
            float_value=truth.score,
            drop=sign * (truth.score - mine.score),
            excess=budget.excess(mine.score, float_score=truth.score, higher_is_better=self.metric.higher_is_better),
            samples=mine.samples,
            low=low,
            high=high,
        )

    def trial(self, plan: Plan, budget: Budget) -> Trial:
        """Build, compile and measure a plan on the search split; a plan that cannot be built is a trial with a problem.

        What a device cannot compile at its default precision is tried again in f32, and the trial's plan says so.
        """
        begin = time.perf_counter()
        try:
            score = self.score(plan, "search", budget)
            facts = self.facts(plan)
            timing = self.timing(plan)
        except (DataError, MetricError, ModelError, UsageError) as error:
            # The float model is measured first: what fails here fails because of the plan, outputs of NaN included.
            if plan.recipe is None:
                raise
            if isinstance(error, CompileError) and not REFERENCE.keys() & plan.properties.keys():
                properties = {**plan.properties, **REFERENCE}
                return self.trial(replace(plan, name=f"{plan.name}, computed in f32", properties=properties), budget)
            return Trial(plan, problem=str(error), seconds=time.perf_counter() - begin)
        trial = Trial(
            plan,
            search=score,
            timing=timing,
            size_bytes=facts["size_bytes"],
            divergence=facts["divergence"],
            layers=facts["layers"],
            seconds=time.perf_counter() - begin,
        )
        self._record(trial)
        return trial

    def _record(self, trial: Trial) -> None:
        """Keep a trial in the profile with all that a new budget or objective needs to judge it again."""
        key = {**self._key(trial.plan), "objective": self.objective, "data": self.splits.search.fingerprint}
        key["metric"] = identity(self.metric)
        if self.profile.recall("trial", key) is None:
            direction = self.metric.higher_is_better
            self.profile.record("trial", key, {"trial": trial.to_json(), "higher_is_better": direction})

    def facts(self, plan: Plan) -> dict[str, Any]:
        """Return size, divergence from float, and the precision of every layer of a plan."""

        def measure() -> dict[str, Any]:
            path = self.build(plan)
            compiled = self._compile(plan, path)
            return {
                "size_bytes": sum(file.stat().st_size for file in path.parent.iterdir()),
                "divergence": divergence(compiled, self.splits.search, self._float_outputs()),
                "layers": self._precisions(plan),
            }

        return dict(
            self.profile.measured("facts", {**self._key(plan), "data": self.splits.search.fingerprint}, measure)
        )

    def timing(self, plan: Plan) -> Timing:
        """Time a plan against float, interleaved, at the properties it is served with."""
        key = {**self._key(plan), "objective": self.objective, "data": self.splits.search.fingerprint}

        def measure() -> dict[str, Any]:
            alone = plan.key == self.float_plan.key
            timings = self.race([] if alone else [plan], self.timing_seconds, most=TRIAL_ROUNDS)
            return asdict(timings[-1])

        return Timing(**self.profile.measured("timing", key, measure))

    def race(self, plans: Sequence[Plan], seconds: float, *, most: int) -> list[Timing]:
        """Time float and several plans in turn, in one run; one Timing each, float's own first, relative to float."""
        contenders = [self._compile(plan, self.build(plan)) for plan in (self.float_plan, *plans)]
        requests = runtime.requests_of(contenders[0], self.splits.search, TIMING_REQUESTS)
        interleave = runtime.interleave_throughput if self.objective == "throughput" else runtime.interleave
        times = interleave(contenders, requests, seconds=seconds, most=most)
        return [timing_of(times[:, position], times[:, 0]) for position in range(len(contenders))]

    def final_race(self, plans: Sequence[Plan], seconds: float) -> list[Timing]:
        """Race the finalists once; a resumed run finds the result in the profile."""
        keys = [plan.key for plan in plans]
        key = {
            **self._key(plans[0]),
            "plans": keys,
            "objective": self.objective,
            "data": self.splits.search.fingerprint,
        }
        values = self.profile.measured(
            "race", key, lambda: [asdict(timing) for timing in self.race(plans, seconds, most=FINAL_ROUNDS)[1:]]
        )
        return [Timing(**value) for value in values]

    def probe(self, plan: Plan, *, until: float) -> tuple[LayerRow, ...]:
        """Rank the layers of a plan's recipe: how much nearer to float the outputs get with one layer put back.

        Each layer is recorded as it is measured. Ends early at the time `until` (of time.monotonic) and returns the
        layers measured by then.
        """
        if plan.recipe is None:
            return ()
        rows: list[LayerRow] = []
        quantized = self.quantized(plan.recipe)
        whole = self._probed(plan, quantized, ())
        for number, layer in enumerate(quantized.layers, start=1):
            if time.monotonic() > until:
                break
            rows.append(LayerRow(layer.name, whole - self._probed(plan, quantized, (layer.name,))))
            self.progress(f"ranking the layers of {plan.name}", number, len(quantized.layers))
        return tuple(rows)

    def _probed(self, plan: Plan, quantized: Quantized, float_layers: tuple[str, ...]) -> float:
        """Return the divergence from float on a few samples with some layers put back."""
        key = {**self._key(plan), "data": self.splits.search.fingerprint, "float": list(float_layers)}

        def measure() -> float:
            deployment = replace(self.deployment, properties=plan.properties)
            try:
                compiled = runtime.compile_model(quantized.build(float_layers), deployment)
            except CompileError:
                # Nothing to choose: ranked behind everything that runs.
                return UNUSABLE
            return divergence(compiled, self.splits.search, self._float_outputs()[:PROBE_SAMPLES])

        return float(self.profile.measured("sensitivity", key, measure))

    def _precisions(self, plan: Plan) -> dict[str, str]:
        if plan.recipe is None:
            return {}
        return {layer.name: plan.layers.get(layer.name, "int8") for layer in self.quantized(plan.recipe).layers}

    def _float_outputs(self) -> list[dict[str, Array]]:
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
        if "reference" not in self._compiled:
            self._compiled["reference"] = self._compile(self.reference_plan, self.build(self.reference_plan))
        return self._compiled["reference"]

    def _compile(self, plan: Plan, path: Path) -> openvino.CompiledModel:
        """Compile exactly as it will be served: other streams or threads can be other kernels, with other outputs."""
        return runtime.compile_model(path, replace(self.deployment, properties=plan.properties))

    def _key(self, plan: Plan) -> dict[str, Any]:
        return {
            "model": self.fingerprint,
            "plan": plan.key,
            "batch": self.deployment.batch,
            "device": self.deployment.device,
            "calibration": self.splits.calibration.fingerprint,
            "seed": self.seed,
        }


def trial_groups(profile: Profile) -> dict[tuple[str, ...], list[tuple[Trial, bool]]]:
    """Return a profile's trials with their metric's direction, grouped by what makes them comparable."""
    groups: dict[tuple[str, ...], list[tuple[Trial, bool]]] = {}
    for key, value in profile.entries("trial"):
        group = tuple(str(key[name]) for name in ("model", "device", "batch", "data", "metric", "objective"))
        groups.setdefault(group, []).append((Trial.from_json(value["trial"]), value["higher_is_better"]))
    return groups


def told(progress: Progress, what: str) -> Callable[[int, int], None]:
    """Return a progress callback that says what is being done."""
    return lambda done, total: progress(what, done, total)


def timing_of(times: Any, float_times: Any) -> Timing:
    """Summarise interleaved times of a plan and of float, both milliseconds of shape [rounds]."""
    ratio, low, high = ratio_of_medians(times, float_times)
    return Timing(
        p50_ms=float(np.median(times)),
        p95_ms=float(np.percentile(times, 95)),
        float_p50_ms=float(np.median(float_times)),
        float_p95_ms=float(np.percentile(float_times, 95)),
        ratio=ratio,
        ratio_low=low,
        ratio_high=high,
        rounds=len(times),
    )


class Requests(Sequence[list[Array]]):
    """Calibration samples as whole requests, fitted to the model when they are read."""

    def __init__(self, inputs: Sequence[Any], samples: Subset, step: Callable[[int, int], None]) -> None:
        self._inputs, self._samples, self._step = inputs, samples, step
        self._batch = runtime.static_batch(inputs)

    def __len__(self) -> int:
        return max(1, len(self._samples) // self._batch)

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(index)
        self._step(index + 1, len(self))
        return runtime.request(self._inputs, self._samples, index * self._batch, self._batch)
