"""The pipeline from model, data and budget to a result; it reads here, top to bottom."""

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import openvino

from ovquant import runtime
from ovquant.budgets import Budget, Drop
from ovquant.datasets import open_dataset
from ovquant.errors import MetricError, ModelError, OutputError, OvquantError, UsageError
from ovquant.evaluating import Evaluation, evaluate as score_model, name_of
from ovquant.graph import operation_types
from ovquant.keeping import Kept, kept_operations
from ovquant.loaders import load_model, parse_shapes, set_shapes
from ovquant.measuring import Objective, Progress, Workbench, silent, timing_of
from ovquant.metrics import resolve_metric
from ovquant.plans import Plan, Recipe
from ovquant.profiles import Profile
from ovquant.quantization import is_quantized, with_unique_names
from ovquant.recipes import offered_parts, read_recipe, split_parts
from ovquant.registry import Registry
from ovquant.results import Data, Result, move_into_place, refuse_finished
from ovquant.runtime import Deployment
from ovquant.searching import Outcome, Search
from ovquant.splits import Splits, split_data, whole
from ovquant.statistics import mean_interval
from ovquant.trials import Score, Timing, Trial

DEFAULT_STRATEGY = "coarse-to-fine"


@dataclass(frozen=True)
class Options:
    """How to search and where to serve; the defaults are for low latency on the CPU.

    `recipes` are texts such as "transformer+bias"; the search tries these alone, else all that suit the model.
    `keep_float` are operation names, operation types or regular expressions of names. `time_budget` is in seconds.
    `input_shape` is as on the command line, such as "[1,3,48,320]" or "ids[1,16],mask[1,16]".
    """

    device: str = "CPU"
    optimize: Objective = "latency"
    recipes: Sequence[str] = ()
    strategy: Any = DEFAULT_STRATEGY
    time_budget: float | None = None
    keep_float: Sequence[str] = ()
    batch: int | None = None
    threads: int | None = None
    properties: Mapping[str, str] | None = None
    input_shape: str | None = None
    seed: int = 0

    def deployment(self) -> Deployment:
        """Return where and how the model will serve."""
        threads = {} if self.threads is None else {"INFERENCE_NUM_THREADS": str(self.threads)}
        properties = {**threads, **{name: str(value) for name, value in (self.properties or {}).items()}}
        return Deployment(self.device, properties, self.batch or 1)


def quantize(
    model: Any,
    *,
    data: Any,
    metric: Any,
    max_drop: str | float | Drop,
    floor: float | None = None,
    calibration: Any = None,
    holdout: Any = None,
    output: str | Path | None = None,
    force: bool = False,
    progress: Progress = silent,
    on_trial: Callable[[Trial], None] = lambda trial: None,
    command: str = "",
    **options: Any,
) -> Result:
    """Find the fastest model inside an accuracy budget and prove it on held-out data.

    model: a path, an openvino.Model or a torch.nn.Module; it is not changed. data: a path, a sequence of samples, a
    DataLoader or a dataset; half is held out unless `holdout` is given. metric: a name or a function. max_drop: "1%"
    (relative), "1pt" or 0.01 (absolute). options: the fields of Options. With `output`, work in progress is kept in
    OUTPUT.partial and the same call continues it. Raises OvquantError with the cause.
    """
    begin = time.monotonic()
    settings = read_options(options)
    budget = Budget(Drop.parse(max_drop), floor)
    prepared = prepare(model, metric, settings)
    splits = open_splits(data, calibration=calibration, holdout=holdout, seed=settings.seed)
    check_data(prepared, splits)
    with Work(output, force=force) as work:
        bench = workbench(prepared, splits, settings, work, progress)
        outcome = search_of(bench, budget, settings, prepared, on_trial, begin).run()
        result = finish(outcome, bench, budget, prepared, settings, work, begin, command)
        return work.finish(result)


# The stages of the pipeline -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Prepared:
    """A float model that is ready to be quantized, its metric, and what must stay in float."""

    model: openvino.Model
    metric: Any
    name: str
    kept: Kept


def read_options(options: Mapping[str, Any]) -> Options:
    """Return the options; raises UsageError for one that does not exist."""
    known = list(Options.__dataclass_fields__)
    unknown = [name for name in options if name not in known]
    if unknown:
        raise UsageError(f"There is no option '{unknown[0]}'. The options: {', '.join(known)}.")
    settings = Options(**options)
    if settings.batch is not None and settings.batch < 1:
        raise UsageError(f"--batch is {settings.batch}; it is at least 1.")
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
    return Prepared(loaded, resolve_metric(metric), model_name(model), kept)


def load_float(model: Any, settings: Options) -> openvino.Model:
    """Load a model as a copy with unique operation names, at the shapes and batch asked for."""
    loaded = with_unique_names(load_model(model))
    if settings.input_shape:
        loaded = set_shapes(loaded, parse_shapes(settings.input_shape))
    return runtime.with_batch(loaded, settings.batch) if settings.batch else loaded


def model_name(model: Any) -> str:
    """Return what a model is called in messages and default folder names."""
    if isinstance(model, str | Path):
        text = str(model)
        return Path(text.partition(".py:")[0]).stem if ".py:" in text else Path(text).stem
    return str(getattr(model, "friendly_name", "") or type(model).__name__)


def open_splits(data: Any, *, calibration: Any, holdout: Any, seed: int) -> Splits:
    """Open the data and give each sample its role."""
    opened = open_dataset(data)
    return split_data(
        opened,
        holdout=None if holdout is None else open_dataset(holdout),
        calibration=None if calibration is None else open_dataset(calibration),
        seed=seed,
    )


def check_data(prepared: Prepared, splits: Splits) -> None:
    """Raise DataError or MetricError early, before anything is measured, when the data do not fit."""
    for role, samples in (("search", splits.search), ("holdout", splits.holdout), ("calibration", splits.calibration)):
        sample = samples[0]
        runtime.fit(prepared.model.inputs, sample, what=f"the first sample of the {role} data")
        needs_targets = getattr(prepared.metric, "against", "targets") == "targets" and role != "calibration"
        if needs_targets and sample.target is None:
            raise MetricError(
                f"The metric {name_of(prepared.metric)} needs targets and the {role} data have none. Add targets, or "
                "use the label-free metric fidelity, which compares with the float model."
            )


def workbench(prepared: Prepared, splits: Splits, settings: Options, work: "Work", progress: Progress) -> Workbench:
    """Return the workbench that builds and measures in the work folder."""
    return Workbench(
        model=prepared.model,
        splits=splits,
        metric=prepared.metric,
        deployment=settings.deployment(),
        objective=settings.optimize,
        profile=Profile(work.folder / "profile.jsonl"),
        folder=work.folder / "trials",
        seed=settings.seed,
        progress=progress,
    )


def search_of(
    bench: Workbench,
    budget: Budget,
    settings: Options,
    prepared: Prepared,
    on_trial: Callable[[Trial], None],
    begin: float,
) -> Search:
    """Return the search over the recipes asked for, or over all that suit the model."""
    start = Recipe(keep_float_types=prepared.kept.types, keep_float_names=prepared.kept.names)
    parts = tuple(settings.recipes) or tuple(offered_parts(operation_types(prepared.model)))

    def read(names: Sequence[str]) -> Recipe:
        return read_recipe([part for name in names for part in split_parts(name)], start=start)

    for part in parts:
        read((part,))
    return Search(
        bench,
        budget,
        Registry("strategies").resolve(settings.strategy),
        parts,
        read,
        seed=settings.seed,
        until=float("inf") if settings.time_budget is None else begin + settings.time_budget,
        on_trial=on_trial,
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
    built = bench.build(outcome.chosen.plan)
    for name in ("model.xml", "model.bin"):
        shutil.copy2(built.with_name(name), work.folder / name)
    roles = {"search": bench.splits.search, "holdout": bench.splits.holdout, "calibration": bench.splits.calibration}
    return Result(
        verdict=outcome.verdict,
        trial=outcome.chosen,
        baseline=outcome.baseline,
        trials=outcome.trials,
        walked=outcome.walked,
        budget=budget,
        metric=name_of(prepared.metric),
        higher_is_better=prepared.metric.higher_is_better,
        objective=settings.optimize,
        device=asdict(runtime.capabilities(settings.device)),
        data={role: Data(len(samples), samples.fingerprint) for role, samples in roles.items()},
        model_name=prepared.name,
        model_fingerprint=bench.fingerprint,
        batch=settings.batch or 1,
        seed=settings.seed,
        seconds=time.monotonic() - begin,
        folder=work.folder,
        notes=outcome.notes,
        command=command,
    )


class Work:
    """The folder of a run: OUTPUT.partial until the result is finished, or a temporary one without an output."""

    def __init__(self, output: str | Path | None, *, force: bool) -> None:
        self.target = None if output is None else Path(output)
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        if self.target is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="ovquant-")
            self.folder = Path(self._temporary.name)
        else:
            refuse_finished(self.target, force=force)
            self.folder = self.target.with_name(self.target.name + ".partial")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"The folder '{self.folder}' cannot be made: {error.strerror}.") from error

    def __enter__(self) -> "Work":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        """Leave nothing behind when a run fails before it measured anything; else keep it to go on from."""
        profile = self.folder / "profile.jsonl"
        if isinstance(error, OvquantError) and not profile.exists():
            shutil.rmtree(self.folder, ignore_errors=True)

    def finish(self, result: Result) -> Result:
        """Write the result's files, drop what only the search needed, and give the folder its final name."""
        result.write(self.folder)
        shutil.rmtree(self.folder / "trials", ignore_errors=True)
        if self.target is None:
            return replace(result, keep=self._temporary)
        return replace(result, folder=move_into_place(self.folder, self.target))


# The other entry points -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """A model's score on data, and its drop against a reference where one was given."""

    metric: str
    higher_is_better: bool
    evaluation: Evaluation
    reference: Evaluation | None = None
    drop: float | None = None
    low: float | None = None
    high: float | None = None


def evaluate(
    model: Any, *, data: Any, metric: Any, reference: Any = None, progress: Progress = silent, **options: Any
) -> Comparison:
    """Score a model on data, beside a reference if given; the drop has a paired interval where the metric is a mean.

    The model runs at the device's default precision, the reference in f32.
    """
    settings = read_options(options)
    runtime.check_device(settings.device)
    scorer, samples = resolve_metric(metric), open_dataset(data)
    deployment = settings.deployment()
    compiled = runtime.compile_model(load_float(model, settings), deployment, extra={"PERFORMANCE_HINT": "THROUGHPUT"})
    extra = {"PERFORMANCE_HINT": "THROUGHPUT", **runtime.REFERENCE}
    truth = None if reference is None else runtime.compile_model(load_float(reference, settings), deployment, extra=extra)
    mine = score_model(
        compiled, samples, metric=scorer, reference=truth, step=lambda done, total: progress("evaluating", done, total)
    )
    name, sign = name_of(scorer), 1.0 if scorer.higher_is_better else -1.0
    if truth is None:
        return Comparison(name, scorer.higher_is_better, mine)
    theirs = score_model(
        truth, samples, metric=scorer, reference=truth, step=lambda done, total: progress("reference", done, total)
    )
    low = high = None
    if mine.items is not None and theirs.items is not None:
        low, high = mean_interval([sign * (b - a) for a, b in zip(mine.items, theirs.items, strict=True)])
    drop = sign * (theirs.score - mine.score)
    return Comparison(name, scorer.higher_is_better, mine, theirs, drop, low, high)
