"""A saved result verified again: on new data, another device or another version of OpenVINO."""

from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Unpack

import openvino

from ovquant import runtime
from ovquant.api.data import check_sample
from ovquant.api.options import CheckOptions, Options, ServeOptions, read_options
from ovquant.api.prepare import load_float, tokenizer_of
from ovquant.api.result import Result
from ovquant.domain.budget import Budget
from ovquant.domain.checks import BOTH, record_check
from ovquant.domain.digest import REMEDY, damage, unusable
from ovquant.domain.holdout_log import level_of, log_use, worn
from ovquant.domain.profile import Profile
from ovquant.domain.progress import Progress, silent, told
from ovquant.domain.result import Checked, Data, versions
from ovquant.domain.split import By, Subset, read_contents, shared
from ovquant.domain.trial import Timing, Verdict, verdict_of
from ovquant.errors import ModelError, UsageError
from ovquant.graph.fingerprint import fingerprint
from ovquant.graph.first_scheme import likeness
from ovquant.measure.evaluate import Evaluation, evaluate_all
from ovquant.measure.nans import added, told_nan
from ovquant.measure.paired import Pairing, resampler
from ovquant.measure.reference import Reference
from ovquant.measure.rows import rows_of
from ovquant.measure.stopwatch import race_heats, requests_for
from ovquant.plugins.datasets import open_dataset
from ovquant.plugins.metrics import ResolvedMetric, resolve_metrics
from ovquant.runtime import SERVED, Deployment

TIMED_SECONDS, TIMED_HEATS, TIMED_ROUNDS, TIMED_REQUESTS = 4.0, 8, 150, 16


@dataclass(frozen=True)
class Checking:
    """One check: the saved result, its float model, and the metrics and data to check with."""

    result: Result
    reference: openvino.Model
    metrics: tuple[ResolvedMetric, ...]
    data: Subset
    remarks: tuple[str, ...]
    budget: Budget
    settings: Options
    progress: Progress

    def run(self) -> Checked:
        """Score the saved model beside float in f32, time it beside float as it is served, and judge it."""
        served = Deployment(self.settings.device, dict(self.result.plan.properties), self.result.provenance.batch)
        saved = runtime.compile_model(self.result.folder / "model.xml", served)
        truth = runtime.compile_model(
            self.reference, self._plain(), extra=runtime.reference_properties(self.reference, self.settings.device)
        )
        mine, theirs = self._scored(saved, truth, "the saved model"), self._scored(truth, truth, "the float model")
        number = self._log_use()
        level = level_of(self.budget.confidence, number)
        pairing = Pairing(self.metrics, self.data.slices, self.data.groups, level)
        scores = pairing.scores(mine, theirs, "holdout", self.budget).at_use(number)
        timing, notes = self._timing(served), worn(number)
        notes += [f"{self.result.plan.title} is slower than float here."] if timing.ratio_low > 1 else []
        broken = added(mine[0].nan, theirs[0].nan)
        notes += [told_nan(broken, "the saved model")] if broken else []
        # What was measured of another model says nothing of this one, however well it does.
        verdict: Verdict = "missed" if self._damage or broken else verdict_of(scores)
        self._record(verdict)
        return Checked(
            verdict=verdict,
            plan=self.result.plan.title,
            score=scores,
            timing=timing,
            budget=self.budget,
            data=Data(len(self.data), self.data.fingerprint),
            served={"device": served.device, "batch": str(served.batch), **runtime.properties_of(saved, SERVED)},
            versions=versions(),
            notes=(*self.remarks, *self._overlaps(), *self._changes(), *notes),
        )

    def _record(self, verdict: Verdict) -> None:
        """Record what was found with this machine's int8 arithmetic: where it is another, a result is served once it passed."""
        if self.result.plan.runs_int8 and self.settings.device == self.result.provenance.device["device"]:
            int8 = runtime.int8_arithmetic(self.settings.device)
            record_check(self.result.folder, int8=int8, digest=self.result.model_digest, verdict=verdict)

    def _plain(self) -> Deployment:
        """Return how float is served: with the hint of the plan, and none of what only the plan needs."""
        hint = {name: value for name, value in self.result.plan.properties.items() if name in HINTS}
        return Deployment(self.settings.device, hint, self.result.provenance.batch)

    def _scored(self, compiled: openvino.CompiledModel, truth: openvino.CompiledModel, what: str) -> list[Evaluation]:
        return evaluate_all(
            compiled,
            self.data,
            metrics=self.metrics,
            reference=Reference(lambda: truth),
            step=told(self.progress, f"evaluating {what}"),
            resample=resampler(len(self.data), groups=self.data.groups, seed=self.settings.seed),
            whose=what,
        )

    def _timing(self, served: Deployment) -> Timing:
        makers = [
            partial(runtime.compile_model, self.reference, self._plain()),
            partial(runtime.compile_model, self.result.folder / "model.xml", served),
        ]
        objective = self.result.provenance.objective
        timings = race_heats(
            makers,
            lambda compiled: requests_for(compiled, self.data, objective, self.settings.generation(), TIMED_REQUESTS),
            objective=objective,
            seconds=TIMED_SECONDS,
            heats=TIMED_HEATS,
            most=TIMED_ROUNDS,
            seed=self.settings.seed,
        )
        return timings[1]

    def _log_use(self) -> int:
        """Log the use of these data in the result's profile and return how many times they have decided something."""
        what = {"plans": [self.result.plan.key], "budget": self.budget.to_json(), "device": self.settings.device}
        return log_use(
            self._profile,
            self.data,
            {**what, "openvino": versions()["openvino"], "metrics": [metric.name for metric in self.metrics]},
        )

    def _overlaps(self) -> list[str]:
        """Say how many of the data were used by the run itself."""
        known = {str(key["fingerprint"]): bytes.fromhex(value) for key, value in self._profile.entries("samples")}
        found = []
        for role, data in self.result.provenance.data.items():
            count = shared(self.data.content, known.get(data.fingerprint, b""))
            if count and not (role == "calibration" and data == self.result.provenance.data.get("search")):
                found.append(
                    f"{count} of the {len(self.data)} samples are also in the {role} data of the run: they prove nothing "
                    "new about it."
                )
        return found

    def _changes(self) -> list[str]:
        """Say what has changed since the result was made."""
        found, now = [], versions()
        found += [f"{self._damage}. {REMEDY}"] if self._damage else []
        changed = [name for name, value in self.result.provenance.versions.items() if now.get(name) != value]
        found += [
            f"{name} was {self.result.provenance.versions[name]} and is {now.get(name, 'not there')}."
            for name in changed
        ]
        here = runtime.capabilities(self.settings.device)
        before = self.result.provenance.device.get("full_name", here.full_name)
        found += [f"The device was {before} and is {here.full_name}."] if before != here.full_name else []
        measured = self.result.arithmetic
        if measured not in ("", BOTH, here.int8):
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
LIMITS = ("max_latency_ms", "max_size_bytes", "max_memory_bytes")
"""What a budget limits beside scores: another machine may take more."""
HINTS = ("PERFORMANCE_HINT", "NUM_STREAMS", "INFERENCE_NUM_THREADS")
"""Properties that say how a model is served, whatever it is."""


def checking(
    folder: str | Path,
    *,
    data: Any,
    metric: Any,
    reference: Any,
    confidence: float | None,
    progress: Progress,
    options: CheckOptions,
) -> Checking:
    """Open all that a check needs; raises UsageError for what is not there, or is not what the result was made from."""
    result = Result.load(folder)
    broken = unusable(result.folder)
    if broken:
        raise ModelError(f"The result '{folder}' is damaged: {broken}. {REMEDY}")
    metrics = resolve_metrics(metrics_of(result, metric))
    budget = Budget.from_json({**result.budget.to_json(), **dict.fromkeys(LIMITS)})
    if confidence is not None:
        budget = Budget.from_json({**budget.to_json(), "confidence": confidence})
    if len(metrics) != len(budget.limits):
        raise UsageError(f"The result has budgets for {len(budget.limits)} metrics; give as many with --metric.")
    origin = result.provenance
    settings = replace(
        Options(**served_like(result)),
        device=options.get("device") or str(origin.device["device"]),
        seed=options.get("seed", 0),
        slice_by=by_of("slice_by", options.get("slice_by"), origin.slice_by),
        group_by=by_of("group_by", options.get("group_by"), origin.group_by),
    )
    runtime.check_device(settings.device)
    source = source_of(result, reference)
    model = load_float(source, settings)
    known = likeness(model, result.provenance.model_fingerprint)
    if not known:
        raise UsageError(
            f"The model given is not the float model that '{folder}' was made from: its fingerprint is "
            f"{fingerprint(model)}, and the result's {result.provenance.model_fingerprint}. Give that one with --reference."
        )
    step = told(progress, "comparing samples by content")
    samples, batches = rows_of(open_dataset(data, tokenizer=tokenizer_of(source)), model, settings.deployment())
    check_sample(model, metrics, samples[0])
    contents = read_contents(samples, step, slice_by=settings.slice_by, group_by=settings.group_by)
    proof, remarks = contents.proving(range(len(contents.hashes)))
    remarks += (*batches, *contents.notes, *((UNSEEN,) if known == "alike" else ()))
    return Checking(result, model, metrics, proof, remarks, budget, settings, progress)


def served_like(result: Result) -> ServeOptions:
    """Return the options by which a model is loaded and served as a result was."""
    served: ServeOptions = {
        "device": str(result.provenance.device["device"]),
        "optimize": result.provenance.objective,
        "batch": result.provenance.batch if result.provenance.batch > 1 else None,
        "input_shape": result.provenance.input_shape or None,
    }
    if (generation := result.provenance.generation) is not None:
        served |= {"prompt_tokens": generation.prompt_tokens, "new_tokens": generation.new_tokens}
    return served


def metrics_of(result: Result, metric: Any) -> list[Any]:
    """Return the metrics to judge by: those given, or the result's own; raises UsageError when these were objects."""
    if metric is not None:
        return list(metric) if isinstance(metric, list | tuple) else [metric]
    if not result.provenance.metrics or not all(result.provenance.metrics):
        raise UsageError(
            f"The result was made with the metric {result.metric}, which was given as an object. Give it again with --metric."
        )
    return list(result.provenance.metrics)


def by_of(option: str, given: By | None, recorded: str) -> By | None:
    """Return what to slice or to group by: what is given, or the result's own; raises UsageError when this was a function."""
    if given is None and recorded.endswith("()"):
        raise UsageError(f"The result was made with {option}={recorded[:-2]}, a function. Give it again with {option}.")
    return given or recorded or None


def source_of(result: Result, reference: Any) -> Any:
    """Return the float model that a result was made from; raises UsageError when it is not where it was."""
    if reference is not None:
        return reference
    if result.provenance.model_source and Path(result.provenance.model_source).exists():
        return result.provenance.model_source
    where = (
        f" It was '{result.provenance.model_source}', which is not there any more."
        if result.provenance.model_source
        else ""
    )
    raise UsageError(f"Give the float model that the result was made from with --reference.{where}")


def check(
    folder: str | Path,
    *,
    data: Any,
    metric: Any = None,
    reference: Any = None,
    confidence: float | None = None,
    progress: Progress = silent,
    **options: Unpack[CheckOptions],
) -> Checked:
    """Verify a saved result again: on new data, another device, or another version of OpenVINO.

    The saved model is scored on all of the data beside its float model in f32, and timed beside it as it is served.
    metric, reference, device, slice_by and group_by are the result's own unless given, and must be given where they were
    objects or functions; the float model must be the one that the result was made from, by fingerprint. confidence: that of
    the result's budget unless given. The use of the data is logged in the result's profile. The verdict is `met`, `missed`,
    or `inconclusive`. Raises UsageError for what does not belong to the result.
    """
    read_options(options, CheckOptions, of=check)
    how = {"data": data, "metric": metric, "reference": reference, "confidence": confidence}
    return checking(folder, **how, progress=progress, options=options).run()
