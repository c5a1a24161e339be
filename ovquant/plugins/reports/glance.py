"""What a reader sees of a result at a glance, what each step of the search was worth, and its operations one by one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ovquant.plugins.reports.figures import TIMED, decimal, file_size, interval, milliseconds, speedup, speedup_interval
from ovquant.plugins.reports.sections import NONE, Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ovquant.domain.operation import Operation
    from ovquant.domain.result import ResultRecord
    from ovquant.domain.trial import Trial

INTEGERS = ("i8", "u8")


@dataclass(frozen=True)
class Tile:
    """One figure of the result, what it is, and what stands behind it."""

    label: str
    value: str
    detail: str


def tiles(result: "ResultRecord") -> tuple[Tile, ...]:
    """Return speed-up, drop, size and memory of the returned plan, those that were measured."""
    found = []
    timing, whole = result.trial.timing, result.trial.holdout or result.trial.search
    if timing is not None:
        same = result.plan.key == result.baseline.plan.key
        between = speedup_interval(timing)
        detail = f"{milliseconds(timing.float_p50_ms)} → {milliseconds(timing.p50_ms)}"
        detail = "float itself" if same else f"{detail}; 95 % {between}" if between else detail
        what = TIMED[result.provenance.objective]
        found.append(Tile(f"Speed-up ({what})", "1.00×" if same else speedup(timing.ratio), detail))
    if whole is not None:
        score = whole.main
        allowed = f"of {decimal(score.allowed)} allowed; " if result.budget.max_drop is not None else ""
        between = interval(score.low, score.high)
        where = f"{score.samples:,} {'held-out' if score.split == 'holdout' else 'search'} samples"
        found.append(
            Tile(
                f"Drop in {result.metric}",
                decimal(score.drop),
                f"{allowed}95 % {between}" if between else f"{allowed}{where}",
            )
        )
    sizes = [file_size(trial.size_bytes) for trial in (result.baseline, result.trial)]
    found += [Tile("Size", sizes[1], f"float: {sizes[0]}")] if all(sizes) else []
    held = [trial.memory_bytes for trial in (result.baseline, result.trial)]
    if held[0] is not None and held[1] is not None:
        found.append(Tile("Memory when served", file_size(held[1]), f"float: {file_size(held[0])}"))
    return tuple(found)


def steps(result: "ResultRecord") -> Section:
    """Return what each step of the search was worth: the recipe tried first, the best one, and layers put back."""
    header = ("step", "plan", "drop on the search split", "speed-up")
    measured = [trial for trial in result.trials if trial.search is not None and trial.timing is not None]
    if not measured:
        return Section("What each step was worth", header, ())
    recipes = [trial for trial in measured if not trial.plan.layers]
    inside = [trial for trial in recipes if trial.search is not None and trial.search.inside]
    best = min(inside or recipes, key=_ratio, default=None)
    named = [("the recipe that was tried first", measured[0]), ("the best recipe, its numbers chosen", best)]
    named += [("single layers put back", result.trial)] if result.plan.layers else []
    rows, seen = [("float, as it is served", "float", *_drop_and_speed(result.baseline))], set[str]()
    for step, trial in named:
        if trial is not None and trial.plan.key not in seen:
            seen.add(trial.plan.key)
            rows.append((step, trial.plan.full_title, *_drop_and_speed(trial)))
    return Section("What each step was worth", header, tuple(rows))


def _ratio(trial: "Trial") -> float:
    assert trial.timing is not None
    return trial.timing.ratio


def _drop_and_speed(trial: "Trial") -> tuple[str, str]:
    drop = NONE if trial.search is None else decimal(trial.search.drop)
    return drop, NONE if trial.timing is None else speedup(trial.timing.ratio)


@dataclass(frozen=True)
class Line:
    """One operation as texts, and its times as shares of the longest, in percent."""

    name: str
    type: str
    planned: str
    executed: str
    differs: bool
    float_micros: str
    micros: str
    float_share: float
    share: float
    gain: str
    grid: str
    why: str


def lines(result: "ResultRecord") -> tuple[Line, ...]:
    """Return the operations of the returned model, in its order."""
    longest = max(
        (time for item in result.operations for time in (item.micros, item.float_micros) if time), default=1.0
    )
    return tuple(_line(item, result, longest) for item in result.operations)


def layers_remark(result: "ResultRecord") -> str:
    """Return what stands above the operations."""
    differing = sum(_differs(item) for item in result.operations)
    told = f" {differing} of them run in another precision than planned." if differing else ""
    return (
        "Operations with weights, quantizers or a precision of their own, in the model's order. Each time is that of the primitive that "
        "holds the operation, timed inside the model; one that holds several is given for each of them. The gain is the fall of the "
        "divergence from float that the search measured when it put the operation back alone." + told
    )


def _line(item: "Operation", result: "ResultRecord", longest: float) -> Line:
    return Line(
        item.name,
        item.type,
        item.planned,
        item.executed,
        _differs(item),
        _micros(item.float_micros),
        _micros(item.micros),
        round(100 * (item.float_micros or 0.0) / longest, 1),
        round(100 * (item.micros or 0.0) / longest, 1),
        NONE if item.gain is None else f"{item.gain:.2g}",
        "; ".join(_grids(item)),
        _why(item, result),
    )


def _differs(item: "Operation") -> bool:
    """Tell whether an operation that is planned in int8 is computed in something else."""
    return item.planned == "int8" and bool(item.primitive) and item.executed not in INTEGERS


def _micros(value: float | None) -> str:
    return NONE if value is None else f"{value:,.0f}"


def _grids(item: "Operation") -> "Sequence[str]":
    """Return scale and zero point of each quantizer; those of channels as a span."""
    found = []
    for grid in item.quantizers:
        if grid.scale_min is None or grid.scale_max is None:
            continue
        scale = _span(grid.scale_min, grid.scale_max)
        zero = "" if grid.zero_min is None or grid.zero_max is None else f", zero {_span(grid.zero_min, grid.zero_max)}"
        channels = f" in {grid.channels} channels" if grid.channels > 1 else ""
        found.append(f"{grid.of} {grid.type}: {scale}{zero}{channels}")
    return found


def _span(low: float, high: float) -> str:
    # A zero point of -0.0 is none.
    low, high = low + 0.0, high + 0.0
    return f"{low:.3g}" if low == high else f"{low:.3g}…{high:.3g}"


def _why(item: "Operation", result: "ResultRecord") -> str:
    """Say why an operation is not in int8; nothing where it is."""
    recipe = result.plan.recipe
    if item.planned == "int8" or recipe is None:
        return ""
    if item.name in result.plan.layers:
        return f"put back to {result.plan.layers[item.name]} by the search"
    if item.type in recipe.keep_float_types:
        return f"the recipe keeps {item.type} in float"
    if item.name in recipe.keep_float_names:
        return "kept in float as asked"
    return "" if recipe.algorithm == "weights" else "not quantized by the recipe"
