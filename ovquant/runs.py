"""What every entry point shares: the options, the prepared model and data, and the folder of a run."""

import contextlib
import shutil
import tempfile
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import openvino

from ovquant import runtime
from ovquant.budgets import Budget
from ovquant.building import Progress, silent, told
from ovquant.datasets import open_dataset
from ovquant.errors import MetricError, ModelError, OvquantError, UsageError
from ovquant.graph import structure
from ovquant.keeping import Kept, kept_operations
from ovquant.loaders import digest_in, load_model, parse_shapes, set_shapes
from ovquant.looking import carry, remember
from ovquant.measuring import Objective, Workbench
from ovquant.metrics import metric_name, resolve_metric
from ovquant.places import Place, disk_error, find_place, refuse_partial, writing
from ovquant.profiles import Profile
from ovquant.quantization import MadeUp, is_quantized, with_unique_names
from ovquant.records import Record, edited
from ovquant.replacing import EDITED, clear, move_into_place
from ovquant.results import CANDIDATE, Data, Result
from ovquant.runtime import Deployment
from ovquant.splits import By, Splits, split_data
from ovquant.trials import Trial
from ovquant.walking import Outcome, lost
from ovquant.wholeness import model_digest

DEFAULT_STRATEGY = "integer-program"


@dataclass(frozen=True)
class Options:
    """How to search and where to serve; the defaults are for low latency on the CPU.

    `recipes` are texts such as "transformer+bias"; the search tries these alone, else all that suit the model.
    `keep_float` are operation names, operation types or regular expressions of names. `time_budget` is in seconds,
    `max_trials` counts plans. With `pareto` the result also holds every plan on the front of accuracy and speed.
    `input_shape` is as on the command line, such as "[1,3,48,320]" or "ids[1,16],mask[1,16]". `slice_by` and `group_by`
    are a column of the data, "target", or a function of a sample: each slice has a drop of its own, and what is in one
    group stays on one side of the split and counts as one where it is asked how sure a drop is.
    """

    device: str = "CPU"
    optimize: Objective = "latency"
    recipes: Sequence[str] = ()
    strategy: Any = DEFAULT_STRATEGY
    time_budget: float | None = None
    max_trials: int | None = None
    pareto: bool = False
    keep_float: Sequence[str] = ()
    batch: int | None = None
    threads: int | None = None
    properties: Mapping[str, str] | None = None
    input_shape: str | None = None
    seed: int = 0
    slice_by: By | None = None
    group_by: By | None = None

    def own_properties(self) -> dict[str, str]:
        """Return the compile properties that the user asked for."""
        threads = {} if self.threads is None else {"INFERENCE_NUM_THREADS": str(self.threads)}
        return {**threads, **{name: str(value) for name, value in (self.properties or {}).items()}}

    def deployment(self) -> Deployment:
        """Return where and how the model will serve; the hint is written out, so that plans hold all that was measured."""
        hint = "THROUGHPUT" if self.optimize == "throughput" else "LATENCY"
        return Deployment(self.device, {"PERFORMANCE_HINT": hint, **self.own_properties()}, self.batch or 1)


@dataclass(frozen=True)
class Prepared:
    """A float model that is ready to be quantized, its metrics and their names, and what must stay in float.

    `source` and `given` are how the model and the metrics were given, where that was as a text.
    """

    model: openvino.Model
    metrics: tuple[Any, ...]
    names: tuple[str, ...]
    name: str
    kept: Kept
    source: str = ""
    given: tuple[str, ...] = ()


def read_options(options: Mapping[str, Any]) -> Options:
    """Return the options; raises UsageError for one that does not exist."""
    known = list(Options.__dataclass_fields__)
    unknown = [name for name in options if name not in known]
    if unknown:
        raise UsageError(f"There is no option '{unknown[0]}'. The options: {', '.join(known)}.")
    settings = Options(**options)
    if settings.batch is not None and settings.batch < 1:
        raise UsageError(f"--batch is {settings.batch}; it is at least 1.")
    if settings.max_trials is not None and settings.max_trials < 1:
        raise UsageError(f"--max-trials is {settings.max_trials}; it is at least 1.")
    if settings.optimize not in ("latency", "throughput", "size"):
        raise UsageError(f"--optimize is '{settings.optimize}'; choose latency, throughput or size.")
    return settings


def prepare(model: Any, metric: Any, settings: Options) -> Prepared:
    """Load the model and the metric and check them against the device; the model that came in is not changed."""
    runtime.check_device(settings.device)
    loaded = load_float(model, settings)
    if is_quantized(loaded):
        raise ModelError(
            "The model is already quantized: it holds quantizers or low-bit weights. "
            "Give the float model that it was made from."
        )
    kept = kept_operations(loaded, settings.keep_float)
    wanted = list(metric) if isinstance(metric, list | tuple) else [metric]
    metrics = tuple(resolve_metric(item) for item in wanted)
    texts = tuple(item if isinstance(item, str) else "" for item in wanted)
    source = str(Path(model).resolve()) if isinstance(model, str | Path) and Path(model).exists() else ""
    return Prepared(loaded, metrics, names_of_metrics(wanted, metrics), model_name(model), kept, source, texts)


def names_of_metrics(given: Sequence[Any], metrics: Sequence[Any]) -> tuple[str, ...]:
    """Return what each metric is called, in budgets too: its own name, or how it was given where two have the same one.

    Raises UsageError for two that are the same.
    """
    own = [metric_name(metric) for metric in metrics]
    names = tuple(
        str(item) if own.count(name) > 1 and isinstance(item, str) else name
        for item, name in zip(given, own, strict=True)
    )
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UsageError(f"The metric {twice[0]} is given twice; give each once.")
    return names


def load_float(model: Any, settings: Options) -> openvino.Model:
    """Load a model as a copy with unique operation names, at the shapes and batch asked for."""
    loaded = with_unique_names(load_model(model), made_up=made_up_names(model))
    if settings.input_shape:
        loaded = set_shapes(loaded, parse_shapes(settings.input_shape))
    return runtime.with_batch(loaded, settings.batch) if settings.batch else loaded


def made_up_names(model: Any) -> MadeUp:
    """Return which names openvino made up for a model that was given like this: others each time it is made."""
    suffix = Path(model).suffix if isinstance(model, str | Path) else ""
    if suffix == ".xml":
        return "none"
    return "own" if suffix in (".onnx", ".pdmodel", ".pb") else "any"


def model_name(model: Any) -> str:
    """Return what a model is called in messages and default folder names."""
    if isinstance(model, str | Path):
        text = str(model)
        return Path(text.partition(".py:")[0]).stem if ".py:" in text else Path(text).stem
    return str(getattr(model, "friendly_name", "") or type(model).__name__)


def open_splits(
    data: Any, settings: Options, *, calibration: Any = None, holdout: Any = None, progress: Progress = silent
) -> Splits:
    """Open the data and give each sample its role."""
    opened = open_dataset(data)
    return split_data(
        opened,
        holdout=None if holdout is None else open_dataset(holdout),
        calibration=None if calibration is None else open_dataset(calibration),
        seed=settings.seed,
        slice_by=settings.slice_by,
        group_by=settings.group_by,
        step=told(progress, "comparing samples by content"),
    )


def verification_splits(data: Any, calibration: Any, settings: Options, progress: Progress = silent) -> Splits:
    """Return splits for verifying a plan: with separate calibration data, all of the data are held out."""
    if calibration is None:
        return open_splits(data, settings, progress=progress)
    return open_splits(calibration, settings, holdout=data, progress=progress)


def check_data(prepared: Prepared, splits: Splits) -> None:
    """Raise DataError or MetricError early, before anything is measured, when the data do not fit."""
    for role, samples in (("search", splits.search), ("holdout", splits.holdout), ("calibration", splits.calibration)):
        sample = samples[0]
        runtime.fit(prepared.model.inputs, sample, what=f"the first sample of the {role} data")
        for metric in prepared.metrics if role != "calibration" else ():
            if getattr(metric, "against", "targets") == "targets" and sample.target is None:
                raise MetricError(
                    f"The metric {metric_name(metric)} needs targets and the {role} data have none. Add targets, or use "
                    "the label-free metric fidelity, which compares with the float model."
                )


def workbench(prepared: Prepared, splits: Splits, settings: Options, work: "Work", progress: Progress) -> Workbench:
    """Return the workbench that builds and measures in the work folder; looks at holdouts are never forgotten."""
    profile = Profile(work.folder / "profile.jsonl")
    if work.place is not None and (work.place.real / "profile.jsonl").exists():
        carry(Profile(work.place.real / "profile.jsonl"), profile)
    return workbench_in(work.folder / "trials", prepared, splits, settings, profile, progress)


def workbench_in(
    folder: Path, prepared: Prepared, splits: Splits, settings: Options, profile: Profile, progress: Progress
) -> Workbench:
    """Return the workbench that builds in a folder and records in a profile."""
    return Workbench(
        model=prepared.model,
        splits=splits,
        metrics=prepared.metrics,
        names=prepared.names,
        deployment=settings.deployment(),
        objective=settings.optimize,
        profile=profile,
        folder=folder,
        seed=settings.seed,
        progress=progress,
    )


def finish(
    outcome: Outcome,
    bench: Workbench,
    budget: Budget,
    prepared: Prepared,
    settings: Options,
    work: "Work",
    begin: float,
    command: str,
) -> Result:
    """Put the chosen model into the work folder and describe the run."""
    for samples in (bench.splits.search, bench.splits.holdout, bench.splits.calibration):
        remember(bench.profile, samples)
    built = bench.builder.build(outcome.chosen.plan)
    for name in ("model.xml", "model.bin"):
        shutil.copy2(built.with_name(name), work.folder / name)
    for number, trial in enumerate(outcome.front, start=1):
        save_plan(bench, trial, work.folder / "pareto" / f"{number:02}")
    if outcome.candidate is not None:
        save_plan(bench, outcome.candidate, work.folder / CANDIDATE)
    plain = plainly(bench, outcome.chosen, budget)
    roles = {"search": bench.splits.search, "holdout": bench.splits.holdout, "calibration": bench.splits.calibration}
    return Result(
        verdict=outcome.verdict,
        trial=outcome.chosen,
        baseline=outcome.baseline,
        trials=outcome.trials,
        walked=outcome.walked,
        budget=budget,
        metric=prepared.names[0],
        higher_is_better=prepared.metrics[0].higher_is_better,
        metrics=prepared.given,
        slice_by=_by_text(settings.slice_by),
        group_by=_by_text(settings.group_by),
        served=bench.served(outcome.chosen.plan),
        model_source=prepared.source,
        model_digest=model_digest(work.folder),
        model_structure=structure(bench.model),
        friendly_name=bench.model.get_friendly_name(),
        torch_weights=digest_in(bench.model),
        input_shape=settings.input_shape or "",
        objective=settings.optimize,
        device=asdict(runtime.capabilities(settings.device)),
        data={role: Data(len(samples), samples.fingerprint) for role, samples in roles.items()},
        model_name=prepared.name,
        model_fingerprint=bench.fingerprint,
        batch=settings.batch or 1,
        seed=settings.seed,
        seconds=time.monotonic() - begin,
        folder=work.folder,
        notes=(*bench.splits.notes, *outcome.notes, *plain_notes(plain, outcome.chosen)),
        plain=plain,
        command=command,
        front=outcome.front,
        candidate=outcome.candidate,
    )


def _by_text(by: By | None) -> str:
    return by if isinstance(by, str) else metric_name(by) if by is not None else ""


def plainly(bench: Workbench, chosen: Trial, budget: Budget) -> Trial | None:
    """Return how a plan does where an application compiles it with no properties; None where that changes nothing."""
    plan = replace(chosen.plan, name=f"{chosen.plan.name}, compiled with no properties", properties={})
    try:
        if bench.served(plan) == bench.served(chosen.plan):
            return None
        score = bench.score(plan, "holdout", budget)
        return replace(chosen, plan=plan, search=None, holdout=score, timing=bench.timing(plan))
    except (MetricError, ModelError) as error:
        return Trial(plan, problem=str(error))


def plain_notes(plain: Trial | None, chosen: Trial) -> list[str]:
    """Say where a plain `core.compile_model` would break what was measured."""
    if plain is None:
        return []
    remedy = "Compile it with the properties in compile.json, or with ovquant.Core."
    if plain.holdout is None or plain.timing is None:
        return [f"With no properties the model cannot be served: {plain.problem} {remedy}"]
    speed = f"{plain.timing.speedup:.2f}× float's speed"
    if not plain.holdout.holds and (chosen.holdout is None or chosen.holdout.excess <= 0):
        return [f"Compiled with no properties it loses {lost(plain.holdout)}, outside the budget. {remedy}"]
    return [f"Compiled with no properties it loses {lost(plain.holdout)}, at {speed}. {remedy}"]


def save_plan(bench: Workbench, trial: Trial, folder: Path) -> None:
    """Put a trial's model and plan into a folder of its own, in place of what is there."""
    with Place(folder, folder).scratch() as made:
        for name in ("model.xml", "model.bin"):
            shutil.copy2(bench.builder.build(trial.plan).with_name(name), made / name)
        trial.plan.save(made / "plan.json")
        move_into_place(made, folder)


WORK_FILES = (
    "profile.jsonl",
    "model.xml",
    "model.bin",
    "plan.json",
    "compile.json",
    "result.json",
    "report.html",
    "report.md",
)
"""What a run leaves in its folder, beside the folders of its trials."""
WORK_FOLDERS = ("trials", "best", "pareto", CANDIDATE)


class Work:
    """The folder of a run: OUTPUT.partial until the result is finished, or a temporary one without an output.

    The place is tried when this is made, before anything expensive; the run holds it from `with` on. inputs: what the run
    reads, which no output may be or hold. Raises OutputError for a place that cannot be taken.
    """

    def __init__(self, output: str | Path | None, *, force: bool = False, inputs: Sequence[Any] = ()) -> None:
        self.place = None if output is None else find_place(output, force=force, inputs=inputs)
        self._temporary = TemporaryFolder() if self.place is None else None
        self.folder = self._temporary.path if self._temporary is not None else self.place.partial  # type: ignore[union-attr]
        self._resumed, self._held = False, contextlib.ExitStack()
        if self.place is not None:
            refuse_partial(self.place)
        if self.place is not None and self.folder.parent.exists():
            # Another run is found now, and not after the model was loaded.
            with writing(self.place.target), self.place.locked():
                pass

    def __enter__(self) -> "Work":
        if self.place is not None:
            with writing(self.place.target):
                self.folder.parent.mkdir(parents=True, exist_ok=True)
                self._held.enter_context(self.place.locked())
                refuse_partial(self.place)
                self._resumed = self.folder.exists()
                self.folder.mkdir(exist_ok=True)
                Record("run").write(self.folder)
            # The plans of a run that was killed while it wrote them are written anew.
            for name in ("pareto", CANDIDATE):
                shutil.rmtree(self.folder / name, ignore_errors=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        """Leave nothing behind when a new run fails before its first trial; else keep what was measured to go on from."""
        with self._held:
            unwritable = disk_error(self.folder, error)
            known = isinstance(error, OvquantError) or unwritable is not None
            if known and self.place is not None and not self._resumed and not self._has_trials():
                self._drop()
            if unwritable is not None:
                raise unwritable from error

    def _drop(self) -> None:
        """Delete what the run wrote, and its folder if nothing else is in it."""
        for name in WORK_FOLDERS:
            shutil.rmtree(self.folder / name, ignore_errors=True)
        clear(self.folder, set(WORK_FILES), {})

    def _has_trials(self) -> bool:
        return next(Profile(self.folder / "profile.jsonl").entries("trial"), None) is not None

    def keep_best(self, bench: Workbench, trial: Trial) -> None:
        """Have the best plan so far on disk, in OUTPUT.partial/best, should the run be stopped."""
        if self.place is not None:
            save_plan(bench, trial, self.folder / "best")

    def finish(self, result: Result) -> Result:
        """Write the result's files, drop what only the search needed, and give the folder its final name."""
        changed = [] if self.place is None or not self.place.real.exists() else edited(self.place.real)
        notes = [f"{name} was changed since ovquant wrote it, and is kept as {name}{EDITED}." for name in changed]
        result = replace(result, notes=(*result.notes, *notes))
        for name in ("trials", "best"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        result.write(self.folder)
        if self.place is None:
            return replace(result, keep=self._temporary)
        return replace(result, folder=self.place.put(self.folder))


class TemporaryFolder:
    """A folder that is deleted with the object, quietly: a result without an output lives as long as it is used."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="ovquant-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)
