"""The public functions, from model, data and budget to a result; each reads from top to bottom."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ovquant import runtime
from ovquant.budgets import Budget, Drop
from ovquant.building import Progress, silent
from ovquant.datasets import open_dataset
from ovquant.errors import UsageError
from ovquant.evaluating import Evaluation
from ovquant.evaluating import evaluate as score_model
from ovquant.graph import operation_types
from ovquant.measuring import Objective, Workbench
from ovquant.metrics import metric_name, resolve_metric
from ovquant.plans import Plan, Recipe
from ovquant.profiles import Profile
from ovquant.recipes import offered_parts, read_recipe, split_parts
from ovquant.registry import Registry
from ovquant.resolving import Record, resolve
from ovquant.results import Result, refuse_finished
from ovquant.runs import (
    DEFAULT_STRATEGY,
    Options,
    Prepared,
    Work,
    check_data,
    finish,
    load_float,
    model_name,
    open_splits,
    prepare,
    read_options,
    verification_splits,
    workbench,
    workbench_in,
)
from ovquant.searching import Search
from ovquant.statistics import mean_interval
from ovquant.trials import Timing, Trial, Verdict
from ovquant.walking import Outcome


def quantize(
    model: Any,
    *,
    data: Any,
    metric: Any,
    max_drop: str | float | Drop | None = None,
    floor: float | None = None,
    max_latency_ms: float | None = None,
    max_size_bytes: int | None = None,
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
    (relative), "1pt" or 0.01 (absolute). max_latency_ms (median) and max_size_bytes limit the returned model; without
    max_drop the most accurate plan within them is returned. options: the fields of Options. With `output`, work in progress is kept in
    OUTPUT.partial and the same call continues it. Raises OvquantError with the cause.
    """
    begin = time.monotonic()
    settings = read_options(options)
    budget = read_budget(max_drop, floor, max_latency_ms, max_size_bytes)
    refuse_finished(output, force=force)
    prepared = prepare(model, metric, settings)
    splits = open_splits(data, calibration=calibration, holdout=holdout, seed=settings.seed, progress=progress)
    check_data(prepared, splits)
    with Work(output, force=force) as work:
        bench = workbench(prepared, splits, settings, work, progress)
        search = search_of(bench, budget, settings, prepared, on_trial, begin)
        outcome = replace(search, on_best=lambda trial: work.keep_best(bench, trial)).run()
        result = finish(outcome, bench, budget, prepared, settings, work, begin, command)
        return work.finish(result)


def read_budget(
    max_drop: str | float | Drop | None,
    floor: float | None = None,
    max_latency_ms: float | None = None,
    max_size_bytes: int | None = None,
) -> Budget:
    """Return the budget that the arguments of the public functions make."""
    return Budget(None if max_drop is None else Drop.parse(max_drop), floor, max_latency_ms, max_size_bytes)


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

    # A recipe that was asked for is tried as it is, and other algorithms take none of the settings of quantization.
    alone = {part for part in parts if read((part,)).algorithm != "post-training"}
    plain = read(()).sketch
    free = {part for part in parts if read((part,)) != read(()) and read((part,)).sketch == plain}
    return Search(
        bench,
        budget,
        Registry("strategies").resolve(settings.strategy),
        parts,
        read,
        seed=settings.seed,
        until=float("inf") if settings.time_budget is None else begin + settings.time_budget,
        most_trials=settings.max_trials,
        pareto=settings.pareto,
        alone=frozenset(parts if settings.recipes else alone),
        free=frozenset(free),
        on_trial=on_trial,
    )


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
    compiled = runtime.compile_model(load_float(model, settings), deployment)
    truth = (
        None
        if reference is None
        else runtime.compile_model(load_float(reference, settings), deployment, extra=runtime.REFERENCE)
    )
    mine = score_model(
        compiled, samples, metric=scorer, reference=truth, step=lambda done, total: progress("evaluating", done, total)
    )
    name, sign = metric_name(scorer), 1.0 if scorer.higher_is_better else -1.0
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


@dataclass(frozen=True)
class Contender:
    """One model of a benchmark; the ratios in `timing` are to the first model."""

    name: str
    timing: Timing


def benchmark(models: Sequence[Any], *, data: Any = None, seconds: float = 10.0, **options: Any) -> list[Contender]:
    """Time models in turn, in one interleaved run, on samples of the data or on random inputs of fixed shapes.

    seconds: time in all, compilation aside. Returns one Contender per model; ratios are to the first. `optimize`
    "throughput" times bursts with all requests busy. Raises DataError when the shapes are dynamic and no data given.
    """
    settings = read_options(options)
    runtime.check_device(settings.device)
    throughput = settings.optimize == "throughput"
    loaded = [load_float(model, settings) for model in models]
    compiled = [runtime.compile_model(model, settings.deployment()) for model in loaded]
    samples = open_dataset(data) if data is not None else runtime.random_samples(compiled[0], seed=settings.seed)
    requests = [runtime.requests_of(contender, samples, 16) for contender in compiled]
    interleave = runtime.interleave_throughput if throughput else runtime.interleave
    times = interleave(compiled, requests[0], seconds=seconds)
    names = [model_name(model) if not isinstance(model, str | Path) else str(model) for model in models]
    return [Contender(name, Timing.of(times[:, place], times[:, 0])) for place, name in enumerate(names)]


def profile(
    model: Any,
    *,
    data: Any,
    metric: Any,
    output: str | Path,
    max_drop: str | float | Drop = "1%",
    calibration: Any = None,
    holdout: Any = None,
    progress: Progress = silent,
    on_trial: Callable[[Trial], None] = lambda trial: None,
    **options: Any,
) -> Path:
    """Measure recipes and layers on the search split, into a profile.jsonl that `plan` reads; the holdout is not touched.

    max_drop: where the strategy should look closest; any budget can be solved from the profile afterwards.
    """
    begin = time.monotonic()
    settings, target = read_options(options), Path(output)
    budget = read_budget(max_drop)
    prepared = prepare(model, metric, settings)
    splits = open_splits(data, calibration=calibration, holdout=holdout, seed=settings.seed, progress=progress)
    check_data(prepared, splits)
    with tempfile.TemporaryDirectory(prefix="ovquant-") as folder:
        target.parent.mkdir(parents=True, exist_ok=True)
        bench = workbench_in(Path(folder), prepared, splits, settings, Profile(target), progress)
        search = search_of(bench, budget, settings, prepared, on_trial, begin)
        search.explore(search.judge())
    return target


def plan(
    profile: str | Path,
    budget: Budget | None = None,
    *,
    max_drop: str | float | Drop | None = None,
    floor: float | None = None,
    max_latency_ms: float | None = None,
    max_size_bytes: int | None = None,
    strategy: Any = DEFAULT_STRATEGY,
    optimize: Objective | None = None,
) -> Trial:
    """Solve a profile again for a budget; nothing is run, and `apply` then builds and verifies the plan.

    The strategy goes on from what was measured. The trial returned is a measured one, or one with `predicted` alone
    where a plan that was never built is predicted to be cheaper; float where none is inside. optimize: what the profile
    was measured for unless given; "size" can always be asked for. Raises UsageError when the profile holds no trials, or
    trials of several runs.
    """
    path = Path(profile)
    if not path.exists():
        raise UsageError(
            f"The profile '{path}' does not exist. Give the profile.jsonl of a result or of `ovquant profile`."
        )
    budget = budget or read_budget(max_drop, floor, max_latency_ms, max_size_bytes)
    return resolve(Record.read(Profile(path)), budget, Registry("strategies").resolve(strategy), optimize)


def apply(
    plan: Plan | str | Path,
    model: Any,
    *,
    data: Any,
    metric: Any,
    max_drop: str | float | Drop = "1%",
    floor: float | None = None,
    calibration: Any = None,
    output: str | Path | None = None,
    force: bool = False,
    progress: Progress = silent,
    command: str = "",
    **options: Any,
) -> Result:
    """Build a plan on a model of the same architecture, measure it and verify the budget; nothing is searched.

    Costs one calibration and one evaluation of the plan and of float. Half of the data calibrates and the other half
    verifies, unless `calibration` is given: then all of the data verify. The verdict is `met` or `missed`.
    """
    begin = time.monotonic()
    settings = read_options(options)
    budget = read_budget(max_drop, floor)
    wanted = plan if isinstance(plan, Plan) else Plan.load(Path(plan))
    refuse_finished(output, force=force)
    prepared = prepare(model, metric, settings)
    splits = verification_splits(data, calibration, settings.seed, progress)
    check_data(prepared, splits)
    with Work(output, force=force) as work:
        bench = workbench(prepared, splits, settings, work, progress)
        bench.allowed_drop = budget.allowed(bench.evaluation(bench.reference_plan, "holdout").score)
        served = replace(
            wanted, properties={**settings.deployment().properties, **wanted.properties, **settings.own_properties()}
        )
        baseline, trial = (verified(bench, item, budget) for item in (bench.float_plan, served))
        verdict: Verdict = "met" if trial.holdout is not None and trial.holdout.excess <= 0 else "missed"
        outcome = Outcome(verdict, trial, baseline, (trial,), (trial,))
        return work.finish(finish(outcome, bench, budget, prepared, settings, work, begin, command))


def verified(bench: Workbench, wanted: Plan, budget: Budget) -> Trial:
    """Build and measure a plan on the holdout alone."""
    score, facts = bench.score(wanted, "holdout", budget), bench.facts(wanted)
    return Trial(wanted, None, score, bench.timing(wanted), facts["size_bytes"], facts["divergence"], facts["layers"])


__all__ = [
    "Comparison",
    "Contender",
    "Options",
    "apply",
    "benchmark",
    "evaluate",
    "plan",
    "profile",
    "quantize",
]
