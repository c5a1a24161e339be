"""Build a given plan on a model and verify it."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from ovquant.api.check import by_of, metrics_of, served_like, source_of
from ovquant.api.options import ApplyOptions, Options, check_slices, read_options
from ovquant.api.prepare import tokenizer_of
from ovquant.api.quantize import module_of
from ovquant.api.result import Result
from ovquant.api.run import Run
from ovquant.api.session import Given, opened
from ovquant.api.workspace import Work
from ovquant.domain.budget import Budget, Drop, Drops, Floors, read_budget
from ovquant.domain.holdout_log import carry, level_of, log_use, worn
from ovquant.domain.place import find_place
from ovquant.domain.plan import Plan
from ovquant.domain.profile import Profile
from ovquant.domain.progress import Progress, silent
from ovquant.domain.record import NUMBERS
from ovquant.domain.sample import Sample, own_tokens
from ovquant.domain.split import By
from ovquant.domain.taught import Taught
from ovquant.domain.trial import Trial, Verdict, verdict_of
from ovquant.errors import UsageError
from ovquant.measure.workbench import Workbench
from ovquant.plugins.datasets import open_dataset
from ovquant.plugins.metrics import resolve_metrics
from ovquant.search.bar import doubtful, outside
from ovquant.search.holdout import Outcome


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
    budget: Budget | None = None,
    calibration: Any = None,
    module: Any = None,
    retrain: bool = False,
    numbers: Path | None = None,
    output: str | Path | None = None,
    force: bool = False,
    progress: Progress = silent,
    command: str = "",
    **options: Unpack[ApplyOptions],
) -> Result:
    """Build a plan on a model of the same architecture, measure it and verify the budget; nothing is searched.

    Costs one calibration and one evaluation of the plan and of float. Half of the data calibrates and the other half
    verifies, unless `calibration` is given: then all of the data verify. Numbers that were trained are read from plan.safetensors
    beside the plan, or `numbers` where it is no file; with `retrain` they are trained anew, which needs the `module` that the model was exported from. max_drop: the budget that the plan carries unless
    given, here or as a `budget`; UsageError is raised where it carries none, or one for other metrics. The verdict is `met` or `missed`, or with
    a confidence `inconclusive` where the point estimate alone is inside.
    """
    begin = time.monotonic()
    settings = read_options(options, ApplyOptions, of=apply)
    wanted = plan if isinstance(plan, Plan) else Plan.load(Path(plan))
    numbers = numbers if isinstance(plan, Plan) else Path(plan).with_name(NUMBERS)
    before = wanted.taught
    if retrain:
        wanted = anew(wanted)
    work = Work(output, force=force, inputs=(model, data, calibration, module, numbers))
    limit = None if worst_slice is None else Drop.parse(worst_slice)
    # Accuracy control scores what it calibrates with; else that needs no targets.
    controlled = wanted.recipe is not None and wanted.recipe.algorithm == "accuracy-control"
    given = Given(model, metric, settings, data, {})
    if calibration is not None:
        # Then all of the data are held out.
        scored = ("search", "holdout") if controlled else ("holdout",)
        given = Given(model, metric, settings, calibration, {"holdout": data}, scored)
    given = replace(given, module=module_of(model, module, needed=True) if retrain else None, numbers=numbers)
    with opened(given, progress) as (session, described):
        if max_drop is None and floor is None and budget is None:
            asked = carried_budget(wanted, described.names, limit, confidence)
        else:
            asked = read_budget(
                max_drop, floor, metrics=described.names, worst_slice=limit, confidence=confidence, budget=budget
            )
        check_slices(asked, settings)
        session.open()
        with work:
            bench = Workbench(session.instruments(work.folder / "trials", work.profile()))
            outcome = verify(bench, wanted, asked, settings)
            outcome = replace(
                outcome, notes=(*outcome.notes, *apart(before, bench, outcome)) if retrain else outcome.notes
            )
            return Run(described, settings, asked, bench, begin, command).finish(outcome, work)


def anew(plan: Plan) -> Plan:
    """Return a plan whose numbers are trained again; raises UsageError where none were."""
    if plan.recipe is None or not plan.recipe.trainer:
        raise UsageError("--retrain is for a plan whose numbers were trained; these were not. Leave it out.")
    return replace(plan, recipe=replace(plan.recipe, trained=""), taught=None)


def apart(before: Taught | None, bench: Workbench, outcome: Outcome) -> list[str]:
    """Say how near to float a training came that was repeated, and the one before."""
    now = bench.documented(outcome.chosen).plan.taught
    if before is None or now is None:
        return []
    return [
        f"Trained anew, outputs are {now.after:.4g} from float's where they were {now.before:.4g} before; the training of the plan came "
        f"to {before.after:.4g} from {before.before:.4g}."
    ]


def verify(bench: Workbench, plan: Plan, budget: Budget, settings: Options) -> Outcome:
    """Measure float and a plan, which is served with the properties of the options, and judge the plan."""
    allowed = bench.check_budget(budget, "holdout")
    served = replace(
        plan.allowing(allowed),
        properties={**settings.deployment().properties, **plan.properties, **settings.own_properties()},
    )
    what = {"plans": [served.key], "budget": budget.to_json()}
    number = log_use(bench.profile, bench.conditions.splits.holdout, what)
    baseline, about = compared_with(bench, budget)
    trial = verified(bench, served, budget, number)
    trial = trial if budget.max_memory_bytes is None else bench.weighed(trial)
    verdict, notes = judged(trial, budget, [*about, *worn(number)])
    return Outcome(verdict, notes, chosen=trial, baseline=baseline, trials=(trial,), walked=(trial,))


def compared_with(bench: Workbench, budget: Budget) -> tuple[Trial, list[str]]:
    """Return the float that a plan is compared with, and remarks: f32 where float as it is served breaks, or may break, what f32 holds."""
    conditions = bench.conditions
    served = verified(bench, conditions.float_plan, budget, None)
    score = served.holdout
    if budget.max_drop is None or score is None or (score.inside and not doubtful(score)):
        return served, []
    reference = verified(bench, conditions.reference_plan, budget, None)
    if reference.holdout is None or reference.timing is None or not reference.holdout.inside:
        return served, []
    bench.bar = conditions.reference_plan
    note = outside(bench, score, reference.timing.ratio)
    return replace(reference, timing=bench.timing(conditions.reference_plan)), [note]


def carried_budget(plan: Plan, metrics: Sequence[str], worst_slice: Drop | None, confidence: float | None) -> Budget:
    """Return the budget that a plan carries; raises UsageError where it has none, or one for other metrics."""
    if plan.budget is None:
        raise UsageError("The plan carries no budget. Say what it must hold, such as --max-drop 1%.")
    budget = Budget.from_json(plan.budget)
    names = [limit.metric for limit in budget.limits]
    if names != list(metrics):
        raise UsageError(
            f"The plan's budget is for {', '.join(names)}, and the metric here is {', '.join(metrics)}. Give the budget with "
            "--max-drop."
        )
    if worst_slice is not None:
        budget = replace(budget, worst_slice=worst_slice)
    return budget if confidence is None else replace(budget, confidence=confidence)


def judged(trial: Trial, budget: Budget, notes: Sequence[str]) -> tuple[Verdict, tuple[str, ...]]:
    """Return the verdict about a plan that was given, and remarks: it must hold the limits of latency, size and memory too."""
    assert trial.holdout is not None
    assert trial.timing is not None
    verdict = verdict_of(trial.holdout)
    taken = trial.memory_bytes
    if budget.over(latency_ms=trial.timing.p50_ms, size_bytes=trial.size_bytes, memory_bytes=taken) <= 0:
        return verdict, tuple(notes)
    memory = "" if taken is None else f", and {taken / 1e6:.4g} MB of memory when served"
    over = f"It takes {trial.timing.p50_ms:.4g} ms and {trial.size_bytes / 1e6:.4g} MB{memory}, which is over a limit of the budget."
    return "missed", (*notes, over)


def verified(bench: Workbench, wanted: Plan, budget: Budget, number: int | None) -> Trial:
    """Build and measure a plan on the holdout alone; number: the number of times that the holdout has decided something, if it does here."""
    level = None if number is None else level_of(budget.confidence, number)
    scores = bench.instruments.score(wanted, "holdout", budget, level=level).at_use(number)
    return Trial(wanted, holdout=scores, timing=bench.timing(wanted), **bench.instruments.traits(wanted))


def reads_texts(result: Result, sample: Sample) -> bool:
    """Tell whether a result's own metrics need no targets for a sample: they read its text, or compare with float."""
    if own_tokens(sample) is None:
        return False
    return all(known.reads_texts or known.compares_with_float for known in resolve_metrics(metrics_of(result, None)))


def refresh(
    folder: str | Path,
    *,
    data: Any,
    metric: Any = None,
    max_drop: Drops = None,
    confidence: float | None = None,
    reference: Any = None,
    slice_by: By | None = None,
    group_by: By | None = None,
    seed: int = 0,
    progress: Progress = silent,
    command: str = "",
) -> Result:
    """Calibrate a saved result's plan again on new data, such as a recording, and replace the result if that holds.

    Half of the data calibrates, the other half verifies. metric and max_drop are the result's own unless given; data
    without targets are verified by `fidelity`, and need a max_drop. reference: the float model, by default the one that the
    result was made from. slice_by, group_by: the result's own unless given; a function must be given again. Only a verdict of `met` replaces the folder, by renaming; else all stays as it was. Raises
    UsageError for a result that quantizes nothing, or what is missing.
    """
    before = Result.load(folder)
    before.require_whole()
    if before.plan.is_float:
        raise UsageError(f"'{folder}' holds the float model: there is nothing to calibrate again.")
    first = open_dataset(data, tokenizer=tokenizer_of(source_of(before, reference)))[0]
    labelled = first.target is not None or (metric is None and reads_texts(before, first))
    own = before.budget
    if max_drop is None and (metric is not None or not labelled or own.max_drop is None):
        raise UsageError("Give --max-drop: the budget of the result is in its own metric, which needs labels.")
    place = find_place(folder, force=True)
    with place.locked(), place.scratch() as scratch:
        made = apply(
            replace(before.plan, budget=replace(own, metric=before.metric).to_json()),
            source_of(before, reference),
            data=data,
            metric=metric or (metrics_of(before, None) if labelled else "fidelity"),
            max_drop=max_drop,
            confidence=confidence if confidence is not None else own.confidence,
            slice_by=by_of("slice_by", slice_by, before.provenance.slice_by) if max_drop is None else None,
            group_by=by_of("group_by", group_by, before.provenance.group_by),
            numbers=place.real / NUMBERS,
            output=scratch,
            progress=progress,
            command=command,
            **served_like(before),
            show_samples=before.provenance.show_samples,
            seed=seed,
        )
        if made.verdict != "met":
            return replace(made, folder=place.target)
        carry(Profile(place.real / "profile.jsonl"), Profile(made.folder / "profile.jsonl"))
        return replace(made, folder=place.put(made.folder))
