"""What every report says: a result as a sentence and sections of plain text rows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ovquant.reports.figures import decimal, file_size, interval, milliseconds, signed, speedup

if TYPE_CHECKING:
    from ovquant.budgets import Budget
    from ovquant.results import Result
    from ovquant.trials import Score, Timing, Trial

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
            return f"{result.plan.name} is {_advantage(result)} and holds {budget} {_proof(result)}."
        case "float":
            if result.budget.max_drop is None:
                return f"The float model itself holds {budget} so it is what was saved."
            return f"No faster plan holds {budget} so the float model is what was saved."
        case "inconclusive":
            return (
                f"A faster plan is inside {budget} by its point estimate but not proven; "
                f"{result.plan.name}, which is, was saved."
            )
        case "infeasible":
            return f"Even the float model is outside {budget} and no plan holds it; the float model was saved."
        case "missed":
            return f"{result.plan.name} is outside {budget} {_proof(result)}."


def summary(result: "Result") -> Section:
    """Return the float model beside the returned one."""
    score, timing = result.trial.holdout or result.trial.search, result.trial.timing
    rows = [*_score_rows(result, score), *_timing_rows(result, timing), _size_row(result)]
    return Section("Summary", ("", "float", f"returned: {result.plan.name}"), tuple(rows), _summary_remark(score))


def walk(result: "Result") -> Section:
    """Return the walk over the holdout, safest plan first."""
    rows = []
    for place, trial in enumerate(result.walked, start=1):
        score = trial.holdout
        if score is None:
            continue
        passed = "inside" if score.excess <= 0 else "outside: the walk ends"
        measured = (decimal(score.value), signed(score.drop), interval(score.low, score.high) or NONE)
        rows.append((str(place), trial.plan.name, *measured, _speed(trial), passed))
    return Section(
        "Walk over the holdout",
        ("", "plan", result.metric, "drop", "95 % interval", "speed-up", ""),
        tuple(rows),
        "The plans and their order, safest first, were fixed before the holdout was looked at; the last that is inside "
        "is returned."
        if rows
        else "No plan was walked: none was inside the budget and surely better than float on the search split.",
    )


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
    return (walk(result), *front_of, trials(result), float_layers(result))


def front(result: "Result") -> Section:
    """Return the plans that no other beats in both accuracy and speed, and where they lie."""
    rows = []
    for place, trial in enumerate(result.front, start=1):
        score = trial.holdout
        measured = (NONE,) * 3
        if score is not None:
            measured = (decimal(score.value), signed(score.drop), interval(score.low, score.high) or NONE)
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
    """Return the layers of the returned plan whose precision differs from the recipe's."""
    rows = tuple(sorted((name, precision) for name, precision in result.plan.layers.items()))
    if rows:
        counted = f" of {len(result.trial.layers)}" if result.trial.layers else ""
        remark = f"{len(rows)}{counted} layers were put back."
    else:
        remark = "The whole model is float." if result.plan.is_float else "No layer was put back to float."
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


def _proof(result: "Result") -> str:
    score = result.trial.holdout or result.trial.search
    if score is None:
        return "as far as was measured"
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
        ("95 % interval of the drop", NONE, interval(score.low, score.high) or "none for this metric"),
        *_allowed_row(result.budget, score),
    ]


def _allowed_row(budget: "Budget", score: "Score") -> list[tuple[str, str, str]]:
    if budget.max_drop is None:
        return []
    return [(f"drop the budget allows ({budget.max_drop})", NONE, decimal(score.drop - score.excess))]


def _summary_remark(score: "Score | None") -> str:
    if score is None:
        return ""
    no_interval = "" if score.low is not None else " It has no interval: the metric is not a mean over samples."
    return f"The drop is against the float model in f32, on {score.samples:,} samples.{no_interval}"


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
        scored = (decimal(score.value), signed(score.drop), "inside" if score.excess <= 0 else "outside")
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
