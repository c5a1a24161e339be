"""The pictures of a result as figures that a template draws: every trial by cost and drop, and the drop against the budget."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ovquant.plugins.reports.figures import TIMED, decimal, interval

if TYPE_CHECKING:
    from ovquant.domain.operation import Quantizer, Spread
    from ovquant.domain.result import ResultRecord
    from ovquant.domain.trial import Trial


WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 16, 48
LEAST_SHARE = 1e-4
"""The smallest share that is told as a figure."""
BEYOND = 10
"""Drops of more budgets than this are drawn at the upper edge: they would press all others onto the axis."""


@dataclass(frozen=True)
class Point:
    """One trial: its cost relative to float, its drop, what to say about it, its CSS class, and its place in the table of trials."""

    cost: float
    drop: float
    title: str
    kind: str
    trial: int


@dataclass(frozen=True)
class Axis:
    """One axis: the values at its ends and the pixels they are drawn at."""

    low: float
    high: float
    first: float
    last: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value, kept between the ends."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.first + share * (self.last - self.first), 1)

    @property
    def ticks(self) -> list[float]:
        """Return about five round values."""
        step = round_step((self.high - self.low) / 5)
        count = math.floor(self.high / step + 1e-9) - math.ceil(self.low / step - 1e-9)
        return [(math.ceil(self.low / step - 1e-9) + place) * step for place in range(count + 1)]


def round_step(least: float) -> float:
    """Return the smallest of 1, 2 and 5 times a power of ten that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next((power * digit for digit in (1, 2, 5) if power * digit >= least), power * 10)


def points_of(result: "ResultRecord") -> list[Point]:
    """Return a point per trial that was measured, the returned one last, so that it lies on top."""
    points = []
    places = enumerate((result.baseline, *result.trials))
    for place, trial in sorted(places, key=lambda item: item[1].plan.key == result.plan.key):
        cost = cost_of(trial, result)
        if trial.search is None or cost is None or not math.isfinite(trial.search.drop):
            continue
        drop = trial.search.drop
        title = f"{trial.plan.full_title}: {cost:.3f} of float, drop {decimal(drop)}"
        points.append(Point(cost, drop, title, _kind(trial, result), place))
    return points


def cost_of(trial: "Trial", result: "ResultRecord") -> float | None:
    """Return what the search makes small, relative to float, or None where it was not measured."""
    if result.provenance.objective == "size":
        return (
            trial.size_bytes / result.baseline.size_bytes if trial.size_bytes and result.baseline.size_bytes else None
        )
    return None if trial.timing is None else trial.timing.ratio


def limit_of(result: "ResultRecord") -> float | None:
    """Return the largest drop inside the budget on the search split, a floor included."""
    scores = [trial.search for trial in (result.baseline, *result.trials) if trial.search is not None]
    return scores[0].main.allowed if scores else None


@dataclass(frozen=True)
class Mark:
    """A point in pixels, with what to say about it, its CSS class, and the place of its trial in the table of trials."""

    x: float
    y: float
    title: str
    kind: str
    trial: int


@dataclass(frozen=True)
class Scatter:
    """The chart of the trials: cost across, drop up, and the budget as a line, where there is one."""

    across: Axis
    up: Axis
    marks: tuple[Mark, ...]
    what: str
    limit: float | None = None

    width, height = WIDTH, HEIGHT

    @property
    def limit_text(self) -> str:
        """Return what stands at the line."""
        return "" if self.limit is None else f"budget {decimal(self.limit)}"


def scatter(result: "ResultRecord") -> Scatter | None:
    """Return the chart, or None when there are no trials to show."""
    points, limit = points_of(result), limit_of(result)
    if not points or limit is None:
        return None
    across, up = _axes(points, limit)
    marks = tuple(Mark(across(point.cost), up(point.drop), point.title, point.kind, point.trial) for point in points)
    what = "size" if result.provenance.objective == "size" else TIMED[result.provenance.objective]
    return Scatter(
        across, up, marks, f"{what}, relative to float", limit if result.budget.max_drop is not None else None
    )


@dataclass(frozen=True)
class DropPicture:
    """A drop with its 95 % interval beside the drop that is allowed, along one axis."""

    axis: Axis
    drop: float
    allowed: float
    low: float | None
    high: float | None
    inside: bool
    title: str


def drop_picture(result: "ResultRecord") -> DropPicture | None:
    """Return the picture of the returned plan's drop, or None where nothing was scored or no drop is allowed."""
    whole = result.trial.holdout or result.trial.search
    if whole is None or result.budget.max_drop is None:
        return None
    score, between = whole.main, interval(whole.main.low, whole.main.high)
    if not (math.isfinite(score.drop) and math.isfinite(score.allowed)):
        return None
    # Without two finite ends there is no interval to draw.
    low, high = (score.low, score.high) if between else (None, None)
    ends = [value for value in (0.0, score.drop, score.allowed, low, high) if value is not None]
    width = f", 95 % interval {between}" if between else ""
    title = f"drop {decimal(score.drop)}{width}; {decimal(score.allowed)} is allowed"
    axis = Axis(*_padded(min(ends), max(ends)), 12, WIDTH - 12)
    return DropPicture(axis, score.drop, score.allowed, low, high, score.excess <= 0, title)


def _kind(trial: "Trial", result: "ResultRecord") -> str:
    if trial.plan.key == result.plan.key:
        return "returned"
    if trial.plan.is_float:
        return "float"
    return "inside" if trial.search is not None and trial.search.inside else "outside"


def _axes(points: Sequence[Point], limit: float) -> tuple[Axis, Axis]:
    costs = [*(point.cost for point in points), 1.0]
    edge = BEYOND * max(abs(limit), 1e-6)
    drops = [*(max(-edge, min(point.drop, edge)) for point in points), limit, 0.0]
    across = Axis(*_padded(min(costs), max(costs)), LEFT, WIDTH - RIGHT)
    return across, Axis(*_padded(min(drops), max(drops)), HEIGHT - BOTTOM, TOP)


def _padded(low: float, high: float) -> tuple[float, float]:
    margin = 0.08 * (high - low) or 0.08 * (abs(high) or 1.0)
    return low - margin, high + margin


@dataclass(frozen=True)
class Curve:
    """How far outputs were from float's while numbers were trained: steps across, distance up, and where it began."""

    across: Axis
    up: Axis
    marks: tuple[tuple[float, float], ...]
    before: float
    text: str

    width, height = WIDTH, HEIGHT


def learning(result: "ResultRecord") -> Curve | None:
    """Return the picture of the training of the returned plan's numbers, or None where they were not trained."""
    taught = result.plan.taught
    if taught is None:
        return None
    steps, distances = zip(*taught.curve, strict=True)
    # What diverged is told by its place on the upper edge.
    high = min(max(distances), 2 * taught.before)
    across, up = (
        Axis(*_padded(0, max(steps)), LEFT, WIDTH - RIGHT),
        Axis(*_padded(0, high), HEIGHT - BOTTOM, TOP),
    )
    marks = tuple((across(step), up(distance)) for step, distance in taught.curve)
    return Curve(across, up, marks, taught.before, taught.told)


@dataclass(frozen=True)
class Bars:
    """How the values of a quantizer are spread over its steps: a bar for each bin, and the place of the first and last step."""

    title: str
    remark: str
    bars: tuple[tuple[float, float], ...]
    first: float
    last: float
    step: float

    width, height = 320, 80


def spread_pictures(result: "ResultRecord") -> list[Bars]:
    """Return a picture for each quantizer whose values were counted, in the model's order."""
    return [
        _bars(item.name, quantizer, quantizer.spread)
        for item in result.operations
        for quantizer in item.quantizers
        if quantizer.spread is not None
    ]


def _bars(name: str, quantizer: "Quantizer", spread: "Spread") -> Bars:
    axis = Axis(spread.low, spread.high, 0, Bars.width)
    tallest, step = max(spread.counts), Bars.width / len(spread.counts)
    # By the square root, so that rare values far out are seen too.
    heights = [round((Bars.height - 4) * math.sqrt(count / tallest), 1) for count in spread.counts]
    bars = tuple((round(place * step, 1), height) for place, height in enumerate(heights))
    remark = "none outside"
    if spread.clipped:
        remark = f"{spread.clipped:.2%} outside" if spread.clipped >= LEAST_SHARE else "less than 0.01% outside"
    title = f"{quantizer.of} of {name}, {quantizer.type}"
    return Bars(title, remark, bars, axis(spread.first), axis(spread.last), round(step, 1))
