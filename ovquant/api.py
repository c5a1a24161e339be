"""The public functions, from model, data and budget to a result; each reads from top to bottom."""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ovquant.budgets import Budget, Drop, Limit, read_drops, read_floors
from ovquant.building import Progress, silent
from ovquant.checking import Checked, checking, metrics_of, served_like, source_of
from ovquant.datasets import open_dataset
from ovquant.errors import UsageError
from ovquant.exporters import export_result
from ovquant.graph import operation_types
from ovquant.looking import carry, level_of, look, worn
from ovquant.measuring import Objective, Workbench
from ovquant.places import find_place, writing
from ovquant.plans import Plan, Recipe
from ovquant.profiles import Profile
from ovquant.recipes import offered_parts, read_recipe, split_parts
from ovquant.registry import Registry
from ovquant.resolving import Record, resolve
from ovquant.results import Result
from ovquant.runs import (
    DEFAULT_STRATEGY,
    Options,
    Prepared,
    Work,
    check_data,
    finish,
    open_splits,
    prepare,
    read_options,
    verification_splits,
    workbench,
    workbench_in,
)
from ovquant.searching import Search
from ovquant.trials import Trial, Verdict, verdict_of
from ovquant.walking import Outcome

Drops = str | float | Drop | Mapping[str, str | float | Drop] | Sequence[str] | None
"""One drop, or one by metric: a mapping, or texts such as "accuracy=1%"."""
Floors = str | float | Mapping[str, float] | Sequence[str] | None
"""One floor, or one by metric."""


def quantize(
    model: Any,
    *,
    data: Any,
    metric: Any,
    max_drop: Drops = None,
    floor: Floors = None,
    worst_slice: str | float | Drop | None = None,
    confidence: float | None = None,
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
    DataLoader or a dataset; half is held out unless `holdout` is given. metric: a name or a function, or several, all of
    whose budgets must hold. max_drop: "1%" (relative), "1pt" or 0.01 (absolute), or a mapping of these by metric.
    worst_slice: what no slice of the data, made by the option slice_by, may lose more of. confidence: how sure the budget
    must be held on the holdout, such as 0.95; without it the point estimates decide. max_latency_ms (median) and
    max_size_bytes limit the returned model; without max_drop the most accurate plan within them is returned. options:
    the fields of Options. With `output`, work in progress is kept in OUTPUT.partial and the same call continues it.
    Raises OvquantError with the cause.
    """
    begin = time.monotonic()
    settings = read_options(options)
    work = Work(output, force=force, inputs=(model, data, calibration, holdout))
    prepared = prepare(model, metric, settings)
    budget = read_budget(
        max_drop,
        floor,
        max_latency_ms,
        max_size_bytes,
        metrics=prepared.names,
        worst_slice=sliced(worst_slice, settings),
        confidence=confidence,
    )
    splits = open_splits(data, settings, calibration=calibration, holdout=holdout, progress=progress)
    check_data(prepared, splits)
    with work:
        bench = workbench(prepared, splits, settings, work, progress)
        search = search_of(bench, budget, settings, prepared, on_trial, begin)
        outcome = replace(search, on_best=lambda trial: work.keep_best(bench, trial)).run()
        result = finish(outcome, bench, budget, prepared, settings, work, begin, command)
        return work.finish(result)


def read_budget(
    max_drop: Drops = None,
    floor: Floors = None,
    max_latency_ms: float | None = None,
    max_size_bytes: int | None = None,
    *,
    metrics: Sequence[str] = ("the metric",),
    worst_slice: Drop | None = None,
    confidence: float | None = None,
) -> Budget:
    """Return the budget that the arguments of the public functions make; metrics: their names, the first one first."""
    drops, floors = read_drops(max_drop, metrics), read_floors(floor, metrics)
    limits = zip(metrics[1:], drops[1:], floors[1:], strict=True)
    others = tuple(Limit(name, drop, lowest) for name, drop, lowest in limits)
    return Budget(drops[0], floors[0], max_latency_ms, max_size_bytes, others, worst_slice, confidence)


def sliced(worst_slice: str | float | Drop | None, settings: Options) -> Drop | None:
    """Return the drop that no slice may exceed; raises UsageError when it and what to slice by are not both given."""
    if (worst_slice is None) != (settings.slice_by is None):
        raise UsageError(
            "--slice-by and --worst-slice go together: give the column, and what no slice may lose more of."
        )
    return None if worst_slice is None else Drop.parse(worst_slice)


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


def profile(
    model: Any,
    *,
    data: Any,
    metric: Any,
    output: str | Path,
    max_drop: Drops = "1%",
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
    prepared = prepare(model, metric, settings)
    budget = read_budget(max_drop, metrics=prepared.names)
    splits = open_splits(data, settings, calibration=calibration, holdout=holdout, progress=progress)
    check_data(prepared, splits)
    with writing(target), tempfile.TemporaryDirectory(prefix="ovquant-") as folder:
        target.parent.mkdir(parents=True, exist_ok=True)
        bench = workbench_in(Path(folder), prepared, splits, settings, Profile(target), progress)
        search = search_of(bench, budget, settings, prepared, on_trial, begin)
        search.explore(search.judge())
    return target


def plan(
    profile: str | Path,
    budget: Budget | None = None,
    *,
    max_drop: Drops = None,
    floor: Floors = None,
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
    budget = budget or profile_budget(
        path, max_drop, floor, max_latency_ms=max_latency_ms, max_size_bytes=max_size_bytes
    )
    record = Record.read(Profile(path))
    found = resolve(record, budget, Registry("strategies").resolve(strategy), optimize)
    return replace(found, plan=replace(found.plan, budget={"metric": record.metrics[0], **budget.to_json()}))


def profile_budget(
    profile: str | Path, max_drop: Drops, floor: Floors, *, max_latency_ms: float | None, max_size_bytes: int | None
) -> Budget:
    """Return the budget for a profile's metrics, which are named as they are in it."""
    path = Path(profile)
    if not path.exists():
        raise UsageError(
            f"The profile '{path}' does not exist. Give the profile.jsonl of a result or of `ovquant profile`."
        )
    metrics = Record.read(Profile(path)).metrics
    return read_budget(max_drop, floor, max_latency_ms, max_size_bytes, metrics=metrics)


def apply(
    plan: Plan | str | Path,
    model: Any,
    *,
    data: Any,
    metric: Any,
    max_drop: Drops = None,
    floor: Floors = None,
    worst_slice: str | float | Drop | None = None,
    confidence: float | None = None,
    calibration: Any = None,
    output: str | Path | None = None,
    force: bool = False,
    progress: Progress = silent,
    command: str = "",
    **options: Any,
) -> Result:
    """Build a plan on a model of the same architecture, measure it and verify the budget; nothing is searched.

    Costs one calibration and one evaluation of the plan and of float. Half of the data calibrates and the other half
    verifies, unless `calibration` is given: then all of the data verify. max_drop: the budget that the plan carries unless
    given; UsageError is raised where it carries none, or one for other metrics. The verdict is `met` or `missed`, or with
    a confidence `inconclusive` where the point estimate alone is inside.
    """
    begin = time.monotonic()
    settings = read_options(options)
    wanted = plan if isinstance(plan, Plan) else Plan.load(Path(plan))
    work = Work(output, force=force, inputs=(model, data, calibration))
    prepared = prepare(model, metric, settings)
    if max_drop is None and floor is None:
        budget = carried_budget(wanted, prepared.names, settings, worst_slice, confidence)
    else:
        limit = sliced(worst_slice, settings)
        budget = read_budget(max_drop, floor, metrics=prepared.names, worst_slice=limit, confidence=confidence)
    splits = verification_splits(data, calibration, settings, progress)
    check_data(prepared, splits)
    with work:
        bench = workbench(prepared, splits, settings, work, progress)
        bench.check_budget(budget, "holdout")
        served = replace(
            wanted, properties={**settings.deployment().properties, **wanted.properties, **settings.own_properties()}
        )
        number = look(bench.profile, bench.splits.holdout, {"plans": [served.key], "budget": budget.to_json()})
        baseline, trial = verified(bench, bench.float_plan, budget, None), verified(bench, served, budget, number)
        outcome = Outcome(
            *judged(trial, budget, worn(number)), chosen=trial, baseline=baseline, trials=(trial,), walked=(trial,)
        )
        return work.finish(finish(outcome, bench, budget, prepared, settings, work, begin, command))


def carried_budget(
    plan: Plan,
    metrics: Sequence[str],
    settings: Options,
    worst_slice: str | float | Drop | None,
    confidence: float | None,
) -> Budget:
    """Return the budget that a plan carries; raises UsageError where it has none, or one for other metrics."""
    if plan.budget is None:
        raise UsageError("The plan carries no budget. Say what it must hold, such as --max-drop 1%.")
    values = dict(plan.budget)
    first, budget = str(values.pop("metric")), Budget.from_json(values)
    names = [first, *(limit.metric for limit in budget.others)]
    if names != list(metrics):
        raise UsageError(
            f"The plan's budget is for {', '.join(names)}, and the metric here is {', '.join(metrics)}. Give the budget with "
            "--max-drop."
        )
    if worst_slice is not None:
        budget = replace(budget, worst_slice=Drop.parse(worst_slice))
    sliced(budget.worst_slice, settings)
    return budget if confidence is None else replace(budget, confidence=confidence)


def judged(trial: Trial, budget: Budget, notes: Sequence[str]) -> tuple[Verdict, tuple[str, ...]]:
    """Return the verdict about a plan that was given, and remarks: it must hold the limits of latency and size too."""
    assert trial.holdout is not None
    assert trial.timing is not None
    verdict = verdict_of(trial.holdout)
    if budget.over(latency_ms=trial.timing.p50_ms, size_bytes=trial.size_bytes) <= 0:
        return verdict, tuple(notes)
    over = f"It takes {trial.timing.p50_ms:.4g} ms and {trial.size_bytes / 1e6:.4g} MB, which is over a limit of the budget."
    return "missed", (*notes, over)


def verified(bench: Workbench, wanted: Plan, budget: Budget, number: int | None) -> Trial:
    """Build and measure a plan on the holdout alone; number: which look at it this is, if it decides anything."""
    level = None if number is None else level_of(budget.confidence, number)
    score, facts = bench.score(wanted, "holdout", budget, level=level), bench.facts(wanted)
    score = replace(score, look=number)
    return Trial(wanted, None, score, bench.timing(wanted), facts["size_bytes"], facts["divergence"], facts["layers"])


def check(
    folder: str | Path,
    *,
    data: Any,
    metric: Any = None,
    reference: Any = None,
    device: str | None = None,
    confidence: float | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Checked:
    """Verify a saved result again: on new data, another device, or another version of OpenVINO.

    The saved model is scored on all of the data beside its float model in f32, and timed beside it as it is served.
    metric, reference and device are the result's own unless given; the float model must be the one that the result was
    made from, by fingerprint. confidence: that of the result's budget unless given. The use of the data is logged in the
    result's profile. The verdict is `met`, `missed`, or `inconclusive`. Raises UsageError for what does not belong to
    the result.
    """
    how = {"data": data, "metric": metric, "reference": reference, "device": device, "confidence": confidence}
    return checking(folder, **how, seed=seed, progress=progress).run()


def refresh(
    folder: str | Path,
    *,
    data: Any,
    metric: Any = None,
    max_drop: Drops = None,
    confidence: float | None = None,
    reference: Any = None,
    seed: int = 0,
    progress: Progress = silent,
    command: str = "",
) -> Result:
    """Calibrate a saved result's plan again on new data, such as a recording, and replace the result if that holds.

    Half of the data calibrates, the other half verifies. metric and max_drop are the result's own unless given; data
    without targets are verified by `fidelity`, and need a max_drop. reference: the float model, by default the one that the
    result was made from. Only a verdict of `met` replaces the folder, by renaming; else all stays as it was. Raises
    UsageError for a result that quantizes nothing, or what is missing.
    """
    before = Result.load(folder)
    before.require_whole()
    if before.plan.is_float:
        raise UsageError(f"'{folder}' holds the float model: there is nothing to calibrate again.")
    labelled = open_dataset(data)[0].target is not None
    own = before.budget
    if max_drop is None and (metric is not None or not labelled or own.max_drop is None):
        raise UsageError("Give --max-drop: the budget of the result is in its own metric, which needs labels.")
    place = find_place(folder, force=True)
    with place.locked(), place.scratch() as scratch:
        made = apply(
            replace(before.plan, budget={"metric": before.metric, **own.to_json()}),
            source_of(before, reference),
            data=data,
            metric=metric or (metrics_of(before, None) if labelled else "fidelity"),
            max_drop=max_drop,
            confidence=confidence if confidence is not None else own.confidence,
            slice_by=(before.slice_by or None) if max_drop is None else None,
            group_by=before.group_by or None,
            output=scratch,
            progress=progress,
            command=command,
            **served_like(before),
            seed=seed,
        )
        if made.verdict != "met":
            return replace(made, folder=place.target)
        carry(Profile(place.real / "profile.jsonl"), Profile(made.folder / "profile.jsonl"))
        return replace(made, folder=place.put(made.folder))


def export(folder: str | Path, *, to: Any, output: str | Path, force: bool = False) -> Path:
    """Write a saved result in the shape that another program reads, and return where it is.

    to: "zip", "model-server", "optimum:source=FOLDER", "onnx" (of ovquant-onnx), or an exporter of your own. Raises
    UsageError when the folder holds no whole result, ModelError when its model is not the one that was measured, and
    OutputError when the output is there already; `force` replaces an export that ovquant wrote, and nothing else.
    """
    result = Result.load(folder)
    for name in ("model.xml", "model.bin"):
        if not (result.folder / name).is_file():
            raise UsageError(f"'{folder}' has no {name}. Give the folder that -o wrote, whole.")
    result.require_whole()
    return export_result(result.folder, Path(output), to=to, force=force)


__all__ = [
    "Checked",
    "Options",
    "apply",
    "check",
    "export",
    "plan",
    "profile",
    "quantize",
    "refresh",
]
