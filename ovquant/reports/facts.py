"""What every report says: a result as a sentence and sections of plain text rows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ovquant.reports.figures import decimal, file_size, interval, milliseconds, signed, speedup

if TYPE_CHECKING:
    from ovquant.budgets import Budget
    from ovquant.checking import Checked
    from ovquant.results import Result
    from ovquant.trials import Score, Timing, Trial

METHODS = {
    "exact": "exact test",
    "betting": "betting bound",
    "bootstrap": "bootstrap (approximate)",
    "t": "Student's t (approximate)",
}
NONE = "–"
"""What stands where nothing was measured."""


@dataclass(frozen=True)
class Section:
    """A table under a title: a header and rows of as many texts; `remark` explains it, or says why it is empty."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    remark: str = ""


def verdict_sentence(result: "Result") -> str:
    """Return the verdict in one sentence."""
    budget = f"the budget, {result.budget},"
    match result.verdict:
        case "met":
            return f"{result.plan.name} is {_advantage(result)} and holds {budget} {_proof(result)}{_surety(result.trial.holdout, result.budget)}{_doubt(result.trial.holdout, result.budget)}."
        case "float":
            if result.budget.max_drop is None:
                return f"The float model itself holds {budget} so it is what was saved."
            return f"No faster plan holds {budget} so the float model is what was saved."
        case "inconclusive":
            saved = "the float model was saved" if result.plan.is_float else f"{result.plan.name} was built"
            if result.candidate is not None and result.candidate.holdout is not None and result.candidate.holdout.holds:
                return f"{result.candidate.plan.name} holds {budget} and is not shown to be faster than float; {saved}."
            return f"A faster plan may well be inside {budget} but that is not proven; {saved}."
        case "infeasible":
            return f"Even the float model is outside {budget} and no plan holds it; the float model was saved."
        case "missed":
            return f"{result.plan.name} is outside {budget} {_proof(result)}."


def summary(result: "Result") -> Section:
    """Return the float model beside the returned one."""
    whole, timing = result.trial.holdout or result.trial.search, result.trial.timing
    score = None if whole is None else whole.main
    rows = [*_score_rows(result, score), *_timing_rows(result, timing), _size_row(result)]
    return Section("Summary", ("", "float", f"returned: {result.plan.name}"), tuple(rows), _summary_remark(score))


def walk(result: "Result") -> Section:
    """Return the walk over the holdout, safest plan first."""
    rows = []
    for place, trial in enumerate(result.walked, start=1):
        score = trial.holdout
        if score is None:
            continue
        passed = _passed(score) if score.holds else f"{_passed(score)}: the walk ends"
        main = score.main
        measured = (decimal(main.value), signed(main.drop), interval(main.low, main.high) or NONE)
        rows.append((str(place), trial.plan.name, *measured, _p_value(score), _speed(trial), passed))
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


def requirements(result: "Result") -> Section:
    """Return everything that had to hold, metric by metric and slice by slice, for the returned plan."""
    rows = () if result.trial.holdout is None else requirement_rows(result.trial.holdout)
    return Section("What had to hold", REQUIREMENTS, rows, "On the holdout. Each must hold by itself.")


def requirement_rows(score: "Score") -> tuple[tuple[str, ...], ...]:
    """Return a row of texts for each thing that had to hold; the columns are REQUIREMENTS."""
    return tuple(
        (
            f"{part.metric} of slice {part.slice}" if part.slice else part.metric,
            f"{part.samples:,}",
            decimal(part.float_value),
            decimal(part.value),
            signed(part.drop),
            decimal(part.allowed),
            interval(part.low, part.high) or NONE,
            METHODS.get(part.method, NONE),
            _p_value(part),
            _passed(part),
        )
        for part in score.all
    )


def checked_sentence(found: "Checked") -> str:
    """Return the verdict of a check in one sentence."""
    score, budget, main = found.score, f"the budget, {found.budget},", found.score.main
    drop = f"with a drop of {decimal(main.drop)} in {main.metric} on {main.samples:,} samples"
    match found.verdict:
        case "met":
            return f"{found.plan} holds {budget} {drop}{_surety(score, found.budget)}{_doubt(score, found.budget)}."
        case "inconclusive":
            more = "" if score.needed is None else f"; about {score.needed:,} samples would decide"
            return f"{found.plan} may well hold {budget} {drop}, but that is not proven{more}."
        case _:
            return f"{found.plan} is outside {budget} {drop}."


def trials(result: "Result") -> Section:
    """Return every trial as measured on the search split."""
    header = (
        "plan",
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
    rows = tuple(_trial_row(trial, result.trial) for trial in (result.baseline, *result.trials))
    return Section(
        "Trials on the search split",
        header,
        rows,
        "Divergence is the relative squared error of the outputs against float; predicted is the speed-up that was expected "
        "before the plan was built. A trial's score ends as soon as it is clear on which side of the budget it is."
        if result.trials
        else "Nothing tried.",
    )


def tables(result: "Result") -> tuple[Section, ...]:
    """Return what was walked and tried, the front where it was asked for, and the layers of the returned plan."""
    front_of = (front(result),) if result.front else ()
    score = result.trial.holdout
    proven = (requirements(result),) if score is not None and (score.parts or score.level is not None) else ()
    return (*proven, walk(result), *front_of, trials(result), float_layers(result))


def front(result: "Result") -> Section:
    """Return the plans that no other beats in both accuracy and speed, and where they lie."""
    rows = []
    for place, trial in enumerate(result.front, start=1):
        score = trial.holdout
        measured = (NONE,) * 3
        if score is not None:
            main = score.main
            measured = (decimal(main.value), signed(main.drop), interval(main.low, main.high) or NONE)
        size = file_size(trial.size_bytes) or NONE
        rows.append((f"pareto/{place:02}", trial.plan.name, *measured, _speed(trial), size))
    return Section(
        "Front of accuracy and speed",
        ("folder", "plan", f"{result.metric} on the holdout", "drop", "95 % interval", "speed-up", "size"),
        tuple(rows),
        "None of these is both cheaper and nearer to float than another, by the search split. The holdout is shown for "
        "all of them, so what is picked by it is picked on it.",
    )


def float_layers(result: "Result") -> Section:
    """Return the layers of the returned plan that are float in the model that was built, and what its recipe left out."""
    if result.plan.recipe is None:
        return Section("Layers in float", ("layer", "precision"), (), "The whole model is float.")
    layers = result.trial.layers or result.plan.layers
    rows = tuple(sorted((name, precision) for name, precision in layers.items() if precision == "f32"))
    counted = f" of {len(layers)}" if result.trial.layers else ""
    remark = f"{len(rows)}{counted} layers were put back to float." if rows else "No layer was put back to float."
    kept = [*result.plan.recipe.keep_float_types, *(f"'{name}'" for name in result.plan.recipe.keep_float_names)]
    remark += f" The recipe itself keeps {', '.join(kept)} in float; these are not among its layers." if kept else ""
    return Section("Layers in float", ("layer", "precision"), rows, remark)


def circumstances(result: "Result") -> tuple[Section, ...]:
    """Return what one needs to repeat the run: data, device, properties, versions and the run itself."""
    data = tuple((role, f"{item.samples:,}", item.fingerprint) for role, item in result.data.items())
    run = {
        "model": result.model_name,
        "model fingerprint": result.model_fingerprint,
        "objective": result.objective,
        "batch": result.batch,
        "seed": result.seed,
        "seconds": f"{result.seconds:.0f}",
        **({"command": result.command} if result.command else {}),
    }
    return (
        Section("Data", ("role", "samples", "fingerprint"), data),
        Section("Device", ("", ""), _pairs(result.device)),
        *(
            (Section("Accuracy was measured on what will serve", ("", ""), _pairs(result.served)),)
            if result.served
            else ()
        ),
        Section(
            "Properties the model was compiled with",
            ("property", "value"),
            _pairs(result.plan.properties),
            "" if result.plan.properties else "None but the device's defaults.",
        ),
        Section("Run", ("", ""), _pairs(run)),
        Section("Versions", ("package", "version"), _pairs(result.versions)),
    )


def _advantage(result: "Result") -> str:
    timing, size, float_size = result.trial.timing, result.trial.size_bytes, result.baseline.size_bytes
    if result.objective == "size" and size and float_size:
        return f"{float_size / size:.2f}× smaller than float"
    if timing is None:
        return "quantized"
    if not timing.decided:
        return "about as fast as float"
    return f"{speedup(timing.ratio)} faster than float" if timing.ratio < 1 else "slower than float"


def _surety(score: "Score | None", budget: "Budget") -> str:
    if score is None or score.level is None or budget.confidence is None:
        return ""
    how = "certified" if score.certified else "approximate"
    look = f"look {score.look} at these samples, " if score.look else ""
    return f", {how} with {budget.confidence:.4g} confidence ({look}tested at level {score.level:.4g})"


def _doubt(score: "Score | None", budget: "Budget") -> str:
    """Say that a point estimate decides nothing where its interval reaches outside the budget, and what would."""
    if score is None or budget.max_drop is None:
        return ""
    part = next((part for part in score.all if part.level is None and part.open), None)
    if part is None:
        return ""
    of = f" in {part.metric}{f' of slice {part.slice}' if part.slice else ''}"
    more = "" if part.needed is None else f"; about {part.needed:,} samples would"
    return f", which decides nothing: the 95 % interval of the drop{of} is {interval(part.low, part.high)}, and {decimal(part.allowed)} is allowed{more}"


def _passed(score: "Score") -> str:
    if score.holds:
        return "proven" if score.level is not None else "inside"
    if score.undecided:
        return "not proven" if score.level is not None else "undecided"
    return "outside"


def _p_value(score: "Score") -> str:
    return NONE if score.p_value is None else decimal(score.p_value)


def _walk_remark(result: "Result") -> str:
    level = next((trial.holdout.level for trial in result.walked if trial.holdout is not None), None)
    if level is None:
        return "The point estimates decide; the intervals were measured after plans were selected, so they are no certificate."
    return (
        f"Each plan is tested at level {level:.4g} that its drop is outside the budget, in this order, and the first that "
        "is not proven ends the walk (fixed-sequence testing): no correction for their number is needed."
    )


def _proof(result: "Result") -> str:
    whole = result.trial.holdout or result.trial.search
    if whole is None:
        return "as far as was measured"
    score = whole.main
    role = "held-out samples" if score.split == "holdout" else "samples of the search split"
    return f"with a drop of {decimal(score.drop)} in {result.metric} on {score.samples:,} {role}"


def _score_rows(result: "Result", score: "Score | None") -> Iterable[tuple[str, str, str]]:
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
        remark += (
            " Its interval was measured after plans were selected: it is no certificate, which --confidence makes."
        )
    return remark


def _timing_rows(result: "Result", timing: "Timing | None") -> Iterable[tuple[str, str, str]]:
    what = "time per sample" if result.objective == "throughput" else "latency"
    if timing is None:
        return [(f"{what} p50 / p95", NONE, NONE)]
    range_text = interval(1 / timing.ratio_high, 1 / timing.ratio_low)
    doubt = "" if timing.decided else "; the noise exceeds the difference"
    same = result.trial.plan.key == result.baseline.plan.key
    speed = "1.00×" if same else f"{speedup(timing.ratio)} ({range_text}{doubt})"
    return [
        (f"{what} p50", milliseconds(timing.float_p50_ms), milliseconds(timing.p50_ms)),
        (f"{what} p95", milliseconds(timing.float_p95_ms), milliseconds(timing.p95_ms)),
        ("speed-up (95 % interval)", "1.00×", speed),
    ]


def _size_row(result: "Result") -> tuple[str, str, str]:
    sizes = [file_size(trial.size_bytes) or NONE for trial in (result.baseline, result.trial)]
    return ("size", sizes[0], sizes[1])


def _trial_row(trial: "Trial", chosen: "Trial") -> tuple[str, ...]:
    score, timing = trial.search, trial.timing
    name = f"{trial.plan.name} (returned)" if trial.plan.key == chosen.plan.key else trial.plan.name
    scored = (NONE,) * 3
    if score is not None:
        scored = (decimal(score.main.value), signed(score.main.drop), "inside" if score.excess <= 0 else "outside")
    timed = (NONE,) * 3
    if timing is not None:
        range_text = interval(1 / timing.ratio_high, 1 / timing.ratio_low)
        timed = (milliseconds(timing.p50_ms), speedup(timing.ratio), range_text)
    divergence = NONE if trial.divergence is None else decimal(trial.divergence)
    predicted = NONE if trial.predicted is None else speedup(trial.predicted)
    return (name, *scored, *timed, file_size(trial.size_bytes) or NONE, divergence, predicted, trial.problem)


def _speed(trial: "Trial") -> str:
    return NONE if trial.timing is None else speedup(trial.timing.ratio)


def _pairs(values: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    return tuple((name, _plain(value)) for name, value in values.items())


def _plain(value: object) -> str:
    return ", ".join(str(part) for part in value) if isinstance(value, tuple | list) else str(value)
