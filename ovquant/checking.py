"""A saved result verified again: on new data, another device or another version of OpenVINO."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import openvino

from ovquant import runtime
from ovquant.budgets import Budget
from ovquant.building import Progress, told
from ovquant.checks import measured_with, record_check
from ovquant.comparing import Comparing, resampler
from ovquant.datasets import open_dataset
from ovquant.errors import ModelError, UsageError
from ovquant.evaluating import Evaluation, evaluate_all
from ovquant.first_scheme import likeness
from ovquant.graph import fingerprint
from ovquant.looking import level_of, look, worn
from ovquant.metrics import resolve_metric
from ovquant.profiles import Profile
from ovquant.results import Data, Result, versions
from ovquant.runs import Options, load_float, names_of_metrics
from ovquant.runtime import SERVED, Deployment
from ovquant.splits import Subset, read_contents, shared
from ovquant.stopwatch import race_heats
from ovquant.trials import Score, Timing, Verdict, verdict_of
from ovquant.wholeness import REMEDY, damage, unusable

TIMED_SECONDS, TIMED_HEATS, TIMED_ROUNDS, TIMED_REQUESTS = 4.0, 8, 150, 16


@dataclass(frozen=True)
class Checked:
    """What a check found: the verdict about the saved model, its score on the new data, and its time beside float's."""

    verdict: Verdict
    plan: str
    score: Score
    timing: Timing
    budget: Budget
    data: Data
    served: Mapping[str, str]
    versions: Mapping[str, str]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "budget": self.budget.to_json()}


@dataclass(frozen=True)
class Checking:
    """One check: the saved result, its float model, and the metrics and data to check with."""

    result: Result
    reference: openvino.Model
    metrics: tuple[Any, ...]
    names: tuple[str, ...]
    data: Subset
    remarks: tuple[str, ...]
    budget: Budget
    settings: Options
    progress: Progress

    def run(self) -> Checked:
        """Score the saved model beside float in f32, time it beside float as it is served, and judge it."""
        served = Deployment(self.settings.device, dict(self.result.plan.properties), self.result.batch)
        saved = runtime.compile_model(self.result.folder / "model.xml", served)
        truth = runtime.compile_model(self.reference, self._plain(), extra=runtime.REFERENCE)
        mine, theirs = self._scored(saved, truth, "the saved model"), self._scored(truth, truth, "the float model")
        number = self._look()
        level = level_of(self.budget.confidence, number)
        comparing = Comparing(self.metrics, self.names, self.data.slices, self.data.groups, level)
        score = replace(comparing.score(mine, theirs, "holdout", self.budget), look=number)
        timing, notes = self._timing(served), worn(number)
        notes += [f"{self.result.plan.name} is slower than float here."] if timing.ratio_low > 1 else []
        # What was measured of another model says nothing of this one, however well it does.
        verdict: Verdict = "missed" if self._damage else verdict_of(score)
        self._record(verdict)
        return Checked(
            verdict=verdict,
            plan=self.result.plan.name,
            score=score,
            timing=timing,
            budget=self.budget,
            data=Data(len(self.data), self.data.fingerprint),
            served={"device": served.device, "batch": str(served.batch), **runtime.properties_of(saved, SERVED)},
            versions=versions(),
            notes=(*self.remarks, *self._overlaps(), *self._changes(), *notes),
        )

    def _record(self, verdict: Verdict) -> None:
        """Record what was found with this machine's int8 arithmetic: where it is another, a result is served once it passed."""
        if self.result.plan.runs_int8 and self.settings.device == self.result.device["device"]:
            int8 = runtime.int8_arithmetic(self.settings.device)
            record_check(self.result.folder, int8=int8, digest=self.result.model_digest, verdict=verdict)

    def _plain(self) -> Deployment:
        """Return how float is served: with the hint of the plan, and none of what only the plan needs."""
        hint = {name: value for name, value in self.result.plan.properties.items() if name in HINTS}
        return Deployment(self.settings.device, hint, self.result.batch)

    def _scored(self, compiled: openvino.CompiledModel, truth: openvino.CompiledModel, what: str) -> list[Evaluation]:
        return evaluate_all(
            compiled,
            self.data,
            metrics=self.metrics,
            reference=truth,
            step=told(self.progress, f"evaluating {what}"),
            resample=resampler(len(self.data), groups=self.data.groups, seed=self.settings.seed),
        )

    def _timing(self, served: Deployment) -> Timing:
        makers = [
            partial(runtime.compile_model, self.reference, self._plain()),
            partial(runtime.compile_model, self.result.folder / "model.xml", served),
        ]
        timings = race_heats(
            makers,
            lambda compiled: runtime.requests_of(compiled, self.data, TIMED_REQUESTS),
            objective=self.result.objective,
            seconds=TIMED_SECONDS,
            heats=TIMED_HEATS,
            most=TIMED_ROUNDS,
            seed=self.settings.seed,
        )
        return timings[1]

    def _look(self) -> int:
        """Log the use of these data in the result's profile and return the number of the look."""
        what = {"plans": [self.result.plan.key], "budget": self.budget.to_json(), "device": self.settings.device}
        return look(self._profile, self.data, {**what, "openvino": versions()["openvino"], "metrics": list(self.names)})

    def _overlaps(self) -> list[str]:
        """Say how many of the data were used by the run itself."""
        known = {str(key["fingerprint"]): bytes.fromhex(value) for key, value in self._profile.entries("samples")}
        found = []
        for role, data in self.result.data.items():
            count = shared(self.data.content, known.get(data.fingerprint, b""))
            if count and not (role == "calibration" and data == self.result.data.get("search")):
                found.append(
                    f"{count} of the {len(self.data)} samples are also in the {role} data of the run: they prove nothing "
                    "new about it."
                )
        return found

    def _changes(self) -> list[str]:
        """Say what is not as it was when the result was made."""
        found, now = [], versions()
        found += [f"{self._damage}. {REMEDY}"] if self._damage else []
        changed = [name for name, value in self.result.versions.items() if now.get(name) != value]
        found += [f"{name} was {self.result.versions[name]} and is {now.get(name, 'not there')}." for name in changed]
        here = runtime.capabilities(self.settings.device)
        before = self.result.device.get("full_name", here.full_name)
        found += [f"The device was {before} and is {here.full_name}."] if before != here.full_name else []
        measured = measured_with(self.result.device)
        if self.result.plan.runs_int8 and measured != here.int8:
            found.append(f"Sums of int8 products are {here.int8} here, and were {measured} where the result was made.")
        return found

    @cached_property
    def _damage(self) -> str:
        return damage(self.result.folder, self.result.model_digest)

    @cached_property
    def _profile(self) -> Profile:
        return Profile(self.result.folder / "profile.jsonl")


UNSEEN = (
    "The result was written by a version that did not look into If, Loop and TensorIterator: whether the float model given "
    "is the one that it was made from cannot be told from there."
)
"""What is said where a fingerprint of the first scheme leaves something open."""
HINTS = ("PERFORMANCE_HINT", "NUM_STREAMS", "INFERENCE_NUM_THREADS")
"""Properties that say how a model is served, whatever it is."""


def checking(
    folder: str | Path,
    *,
    data: Any,
    metric: Any,
    reference: Any,
    device: str | None,
    confidence: float | None,
    seed: int,
    progress: Progress,
) -> Checking:
    """Open all that a check needs; raises UsageError for what is not there, or is not what the result was made from."""
    result = Result.load(folder)
    broken = unusable(result.folder)
    if broken:
        raise ModelError(f"The result '{folder}' is damaged: {broken}. {REMEDY}")
    wanted = metrics_of(result, metric)
    metrics = tuple(resolve_metric(item) for item in wanted)
    budget = Budget.from_json({**result.budget.to_json(), "max_latency_ms": None, "max_size_bytes": None})
    if confidence is not None:
        budget = Budget.from_json({**budget.to_json(), "confidence": confidence})
    if len(metrics) != len(budget.others) + 1:
        raise UsageError(f"The result has budgets for {len(budget.others) + 1} metrics; give as many with --metric.")
    settings = Options(**{**served_like(result), **({"device": device} if device else {})}, seed=seed)
    settings = replace(settings, slice_by=result.slice_by or None, group_by=result.group_by or None)
    runtime.check_device(settings.device)
    model = load_float(source_of(result, reference), settings)
    known = likeness(model, result.model_fingerprint)
    if not known:
        raise UsageError(
            f"The model given is not the float model that '{folder}' was made from: its fingerprint is "
            f"{fingerprint(model)}, and the result's {result.model_fingerprint}. Give that one with --reference."
        )
    step = told(progress, "comparing samples by content")
    contents = read_contents(open_dataset(data), step, slice_by=settings.slice_by, group_by=settings.group_by)
    names = names_of_metrics(wanted, metrics)
    proof, remarks = contents.proving(range(len(contents.hashes)))
    remarks += (UNSEEN,) if known == "alike" else ()
    return Checking(result, model, metrics, names, proof, remarks, budget, settings, progress)


def served_like(result: Result) -> dict[str, Any]:
    """Return the options by which a model is loaded and served as a result was."""
    return {
        "device": str(result.device["device"]),
        "optimize": result.objective,
        "batch": result.batch if result.batch > 1 else None,
        "input_shape": result.input_shape or None,
    }


def metrics_of(result: Result, metric: Any) -> list[Any]:
    """Return the metrics to judge by: those given, or the result's own; raises UsageError when these were objects."""
    if metric is not None:
        return list(metric) if isinstance(metric, list | tuple) else [metric]
    if not result.metrics or not all(result.metrics):
        raise UsageError(
            f"The result was made with the metric {result.metric}, which was given as an object. Give it again with --metric."
        )
    return list(result.metrics)


def source_of(result: Result, reference: Any) -> Any:
    """Return the float model that a result was made from; raises UsageError when it is not where it was."""
    if reference is not None:
        return reference
    if result.model_source and Path(result.model_source).exists():
        return result.model_source
    where = f" It was '{result.model_source}', which is not there any more." if result.model_source else ""
    raise UsageError(f"Give the float model that the result was made from with --reference.{where}")
