"""A result as sections of plain text rows, the same in every report."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ovquant.domain.layer import F32, FLOAT
from ovquant.plugins.reports.figures import (
    TIMED,
    decimal,
    file_size,
    interval,
    milliseconds,
    per_second,
    signed,
    speedup,
    speedup_interval,
)

if TYPE_CHECKING:
    from ovquant.domain.budget import Budget
    from ovquant.domain.result import ResultRecord
    from ovquant.domain.trial import Score, Scores, Timing, Trial


METHODS = {
    "exact": "exact test",
    "betting": "betting bound",
    "bootstrap": "bootstrap (approximate)",
    "t": "Student's t (approximate)",
}
FLOATING = (FLOAT, F32)
TRIALS = "Trials on the search split"
NONE = "–"
"""What stands where nothing was measured."""


@dataclass(frozen=True)
class Section:
    """A table under a title: a header and rows of as many texts; `remark` explains it, or says why it is empty."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    remark: str = ""


def summary(result: "ResultRecord") -> Section:
    """Return the float model beside the returned one."""
    whole, timing = result.trial.holdout or result.trial.search, result.trial.timing
    score = None if whole is None else whole.main
    rows = [
        *_score_rows(result, score),
        *_elsewhere_rows(result),
        *_timing_rows(result, timing),
        _size_row(result),
        *_memory_rows(result),
    ]
    return Section("Summary", ("", "float", f"returned: {result.plan.title}"), tuple(rows), _summary_remark(score))


def walk(result: "ResultRecord") -> Section:
    """Return the walk over the holdout, safest plan first."""
    rows = []
    for place, trial in enumerate(result.walked, start=1):
        score = trial.holdout
        if score is None:
            continue
        main = score.main
        ends = not score.holds and place == len(result.walked)
        passed = _passed(score, main.level) + (": the walk ends" if ends else "")
        measured = (decimal(main.value), signed(main.drop), interval(main.low, main.high) or NONE)
        rows.append((str(place), trial.plan.full_title, *measured, _p_value(score.nearest), _speed(trial), passed))
    return Section(
        "Walk over the holdout",
        ("", "plan", result.metric, "drop", "95 % interval", "p", "speed-up", ""),
        tuple(rows),
        "The plans and their order, safest first, were fixed before the holdout was looked at; the last that is inside "
        "is returned. " + _walk_remark(result)
        if rows
        else "No plan was walked: none was inside the budget and surely better than float on the search split.",
    )


REQUIREMENTS = ("", "samples", "float", "quantized", "drop", "allowed", "95 % interval", "by", "p", "verdict")
"""The columns of what had to hold."""


def requirements(result: "ResultRecord") -> Section:
    """Return everything that had to hold, metric by metric and slice by slice, for the returned plan."""
    scores = () if result.trial.holdout is None else result.trial.holdout.all
    rows = tuple(requirement_row(score) for score in scores)
    return Section("What had to hold", REQUIREMENTS, rows, "On the holdout. Each must hold by itself.")


def requirement_row(score: "Score") -> tuple[str, ...]:
    """Return the texts for one thing that had to hold; the columns are REQUIREMENTS."""
    return (
        score.name,
        f"{score.samples:,}",
        decimal(score.float_value),
        decimal(score.value),
        signed(score.drop),
        decimal(score.allowed),
        interval(score.low, score.high) or NONE,
        METHODS.get(score.method, NONE),
        _p_value(score),
        _passed(score, score.level),
    )


def trials(result: "ResultRecord") -> Section:
    """Return every trial as measured on the search split."""
    header = (
        "plan",
        "float",
        result.metric,
        "drop",
        "budget",
        "p50",
        "speed-up",
        "95 % interval",
        "size",
        "divergence",
        "predicted",
        "problem",
    )
    rows = tuple(_trial_row(trial, result) for trial in (result.baseline, *result.trials))
    return Section(
        TRIALS,
        header,
        rows,
        "Divergence is the relative squared error of the outputs against float, of logits their Kullback-Leibler divergence; predicted is the speed-up that was expected "
        "before the plan was built. A trial's score ends as soon as it is clear on which side of the budget it is; float's beside it is on the "
        "same samples. Each p50 is that of float times what the plan took in turn with it."
        if result.trials
        else "Nothing tried.",
    )


def tables(result: "ResultRecord") -> tuple[Section, ...]:
    """Return what was walked and tried, the front where it was asked for, and the layers of the returned plan."""
    front_of = (front(result),) if result.front else ()
    scores = result.trial.holdout
    several = scores is not None and (len(scores.all) > 1 or scores.main.level is not None)
    proven = (requirements(result),) if several else ()
    return (*proven, walk(result), *front_of, trials(result), float_layers(result))


def front(result: "ResultRecord") -> Section:
    """Return the plans that no other beats in both accuracy and speed, and where they lie."""
    rows = []
    for place, trial in enumerate(result.front, start=1):
        score = trial.holdout
        measured = (NONE,) * 3
        if score is not None:
            main = score.main
            measured = (decimal(main.value), signed(main.drop), interval(main.low, main.high) or NONE)
        size = file_size(trial.size_bytes) or NONE
        rows.append((f"pareto/{place:02}", trial.plan.full_title, *measured, _speed(trial), size))
    return Section(
        "Front of accuracy and speed",
        ("folder", "plan", f"{result.metric} on the holdout", "drop", "95 % interval", "speed-up", "size"),
        tuple(rows),
        "None of these is both cheaper and nearer to float than another, by the search split. The holdout is shown for "
        "all of them, so what is picked by it is picked on it.",
    )


def float_layers(result: "ResultRecord") -> Section:
    """Return the layers of the returned plan that are float in the model that was built, and what its recipe left out."""
    if result.plan.recipe is None:
        return Section("Layers in float", ("layer", "precision"), (), "The whole model is float.")
    layers = result.trial.layers or result.plan.layers
    shown = {
        name: precision for name, precision in layers.items() if precision in FLOATING or name in result.plan.layers
    }
    rows = tuple(sorted(shown.items()))
    counted = f" of {len(layers)}" if result.trial.layers else ""
    back = {level: sum(precision == level for precision in shown.values()) for level in shown.values()}
    floating = sum(count for level, count in back.items() if level in FLOATING)
    remark = f"{floating}{counted} layers are in float." if floating else "No layer was put back to float."
    remark += "".join(f" {count} are in {level}." for level, count in back.items() if level not in FLOATING)
    kept = [*result.plan.recipe.keep_float_types, *(f"'{name}'" for name in result.plan.recipe.keep_float_names)]
    remark += f" The recipe itself keeps {', '.join(kept)} in float; these are not among its layers." if kept else ""
    return Section("Layers in float", ("layer", "precision"), rows, remark)


def circumstances(result: "ResultRecord") -> tuple[Section, ...]:
    """Return what one needs to repeat the run: data, device, properties, versions and the run itself."""
    data = tuple((role, f"{item.samples:,}", item.fingerprint) for role, item in result.provenance.data.items())
    run = {
        "model": result.provenance.model_name,
        "plan": result.plan.full_title,
        "recipe": result.plan.name,
        "model fingerprint": result.provenance.model_fingerprint,
        "objective": result.provenance.objective,
        "batch": result.provenance.batch,
        "seed": result.provenance.seed,
        "seconds": f"{result.provenance.seconds:.0f}",
        **({"command": result.provenance.command} if result.provenance.command else {}),
    }
    return (
        Section("Data", ("role", "samples", "fingerprint"), data),
        Section("Device", ("", ""), _pairs(result.provenance.device)),
        *(
            (Section("Accuracy was measured on what will serve", ("", ""), _pairs(result.provenance.served)),)
            if result.provenance.served
            else ()
        ),
        Section(
            "Properties the model was compiled with",
            ("property", "value"),
            _pairs(result.plan.properties),
            "" if result.plan.properties else "None but the device's defaults.",
        ),
        Section("Run", ("", ""), _pairs(run)),
        Section("Versions", ("package", "version"), _pairs(result.provenance.versions)),
    )


def _passed(score: "Score | Scores", level: float | None) -> str:
    if score.holds:
        return "proven" if level is not None else "inside"
    if score.undecided:
        return "not proven" if level is not None else "undecided"
    return "outside"


def _p_value(score: "Score") -> str:
    return NONE if score.p_value is None else decimal(score.p_value)


def _walk_remark(result: "ResultRecord") -> str:
    level = next((trial.holdout.main.level for trial in result.walked if trial.holdout is not None), None)
    if level is None:
        return (
            "The point estimates decide; the intervals were measured after plans were selected, so they prove nothing."
        )
    return (
        f"Each plan is tested at level {level:.4g} that its drop is outside the budget, in this order, and the first that "
        "is not proven ends the walk (fixed-sequence testing): no correction for their number is needed."
    )


def _score_rows(result: "ResultRecord", score: "Score | None") -> Iterable[tuple[str, str, str]]:
    if score is None:
        return [(result.metric, NONE, NONE)]
    better = "higher is better" if result.higher_is_better else "lower is better"
    role = "holdout" if score.split == "holdout" else "search split"
    share = f" ({score.drop / abs(score.float_value):.2%} of float)" if score.float_value else ""
    return [
        (f"{result.metric} on the {role} ({better})", decimal(score.float_value), decimal(score.value)),
        ("drop", NONE, decimal(score.drop) + share),
        (
            "95 % interval of the drop",
            NONE,
            f"{interval(score.low, score.high)}, {METHODS[score.method]}"
            if score.method in METHODS
            else interval(score.low, score.high) or "none for this metric",
        ),
        *_allowed_row(result.budget, score),
    ]


def _elsewhere_rows(result: "ResultRecord") -> Iterable[tuple[str, str, str]]:
    """Return how the returned plan fares with the int8 arithmetic that the device has not."""
    scores = () if result.trial.elsewhere is None else result.trial.elsewhere.all
    return [
        (f"{score.name} (simulated)", decimal(score.float_value), decimal(score.value))
        for score in scores
        if not score.slice
    ]


def _allowed_row(budget: "Budget", score: "Score") -> list[tuple[str, str, str]]:
    if budget.max_drop is None:
        return []
    return [(f"drop the budget allows ({budget.max_drop})", NONE, decimal(score.drop - score.excess))]


def _summary_remark(score: "Score | None") -> str:
    if score is None:
        return ""
    remark = f"The drop is against the float model in f32, on {score.samples:,} samples."
    if score.low is None:
        remark += " It has no interval: the metric is not a mean over samples, and was not resampled (too slow, or it refuses resamples)."
    elif score.split == "holdout" and score.level is None:
        remark += " Its interval was measured after plans were selected: use --confidence for a guarantee."
    return remark


def _timing_rows(result: "ResultRecord", timing: "Timing | None") -> Iterable[tuple[str, str, str]]:
    what = TIMED[result.provenance.objective]
    if timing is None:
        return [(f"{what} p50 / p95", NONE, NONE)]
    doubt = "" if timing.decided else "; the noise exceeds the difference"
    same = result.trial.plan.key == result.baseline.plan.key
    speed = "1.00×" if same else f"{speedup(timing.ratio)} ({speedup_interval(timing)}{doubt})"
    rates = ("throughput", per_second(timing.float_p50_ms), per_second(timing.p50_ms))
    return [
        *([rates] if result.provenance.objective == "throughput" else []),
        (f"{what} p50", milliseconds(timing.float_p50_ms), milliseconds(timing.p50_ms)),
        (f"{what} p95", milliseconds(timing.float_p95_ms), milliseconds(timing.p95_ms)),
        ("speed-up (95 % interval)", "1.00×", speed),
    ]


def _size_row(result: "ResultRecord") -> tuple[str, str, str]:
    sizes = [file_size(trial.size_bytes) or NONE for trial in (result.baseline, result.trial)]
    return ("size", sizes[0], sizes[1])


def _memory_rows(result: "ResultRecord") -> list[tuple[str, str, str]]:
    held = [trial.memory_bytes for trial in (result.baseline, result.trial)]
    if held == [None, None]:
        return []
    float_memory, memory = (NONE if size is None else file_size(size) for size in held)
    return [("peak memory when served", float_memory, memory)]


def _trial_row(trial: "Trial", result: "ResultRecord") -> tuple[str, ...]:
    score, timing, plan = trial.search, trial.timing, trial.plan
    name = f"{plan.full_title} (returned)" if plan.key == result.plan.key else plan.full_title
    scored = (NONE,) * 4
    if score is not None:
        main = score.main
        values = (decimal(main.float_value), decimal(main.value), signed(main.drop))
        scored = (*values, "inside" if score.inside else "outside")
    timed = (NONE,) * 3
    if timing is not None:
        # Medians of different moments cannot be compared: all are those of the moment in which the returned plan was timed last.
        beside = result.trial.timing or timing
        p50 = beside.float_p50_ms * timing.ratio
        timed = (milliseconds(p50), speedup(timing.ratio), speedup_interval(timing) or NONE)
    divergence = NONE if trial.divergence is None else decimal(trial.divergence)
    predicted = NONE if trial.predicted is None else speedup(trial.predicted)
    return (name, *scored, *timed, file_size(trial.size_bytes) or NONE, divergence, predicted, trial.problem)


def _speed(trial: "Trial") -> str:
    return NONE if trial.timing is None else speedup(trial.timing.ratio)


def _pairs(values: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    return tuple((name, _plain(value)) for name, value in values.items())


def _plain(value: object) -> str:
    return ", ".join(str(part) for part in value) if isinstance(value, tuple | list) else str(value)
