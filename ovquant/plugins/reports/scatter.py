"""The chart of the trials as an SVG element: cost across, drop up, the budget as a line."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

from ovquant.plugins.reports.figures import TIMED, decimal

if TYPE_CHECKING:
    from ovquant.domain.result import ResultRecord
    from ovquant.domain.trial import Trial


WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 16, 48
BEYOND = 10
"""Drops of more budgets than this are drawn at the upper edge: they would press all others onto the axis."""


@dataclass(frozen=True)
class Point:
    """One trial: its cost relative to float, its drop, what to say about it, and its CSS class."""

    cost: float
    drop: float
    title: str
    kind: str


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
    for trial in sorted((result.baseline, *result.trials), key=lambda trial: trial.plan.key == result.plan.key):
        cost = cost_of(trial, result)
        if trial.search is None or cost is None or not math.isfinite(trial.search.drop):
            continue
        drop = trial.search.drop
        title = f"{trial.plan.full_title}: {cost:.3f} of float, drop {decimal(drop)}"
        points.append(Point(cost, drop, title, _kind(trial, result)))
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


def scatter(result: "ResultRecord") -> Element | None:
    """Return the chart, or None when there are no trials to show."""
    points, limit = points_of(result), limit_of(result)
    if not points or limit is None:
        return None
    across, up = _axes(points, limit)
    chart = Element("svg", {"viewBox": f"0 0 {WIDTH} {HEIGHT}", "role": "img", "class": "chart"})
    SubElement(chart, "title").text = f"{len(points)} trials: cost relative to float, and drop on the search split"
    what = "size" if result.provenance.objective == "size" else TIMED[result.provenance.objective]
    _draw_axes(chart, across, up, f"{what} relative to float")
    if result.budget.max_drop is not None:
        _line(chart, (across.first, up(limit)), (across.last, up(limit)), "limit")
        _label(chart, (across.last, up(limit) - 5), f"budget {decimal(limit)}", "end")
    for point in points:
        mark = SubElement(
            chart, "circle", {"cx": str(across(point.cost)), "cy": str(up(point.drop)), "r": "5", "class": point.kind}
        )
        SubElement(mark, "title").text = point.title
    return chart


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


def _draw_axes(chart: Element, across: Axis, up: Axis, what: str) -> None:
    for tick in across.ticks:
        _line(chart, (across(tick), up.first), (across(tick), up.last), "grid")
        _label(chart, (across(tick), up.first + 18), f"{tick:.3g}", "middle")
    for tick in up.ticks:
        _line(chart, (across.first, up(tick)), (across.last, up(tick)), "grid")
        _label(chart, (across.first - 8, up(tick) + 4), f"{tick:.3g}", "end")
    _label(chart, ((across.first + across.last) / 2, HEIGHT - 8), what, "middle")
    label = _label(chart, (14, (up.first + up.last) / 2), "drop on the search split", "middle")
    label.set("transform", f"rotate(-90 14 {(up.first + up.last) / 2})")


def _line(chart: Element, start: tuple[float, float], end: tuple[float, float], kind: str) -> None:
    ends = {"x1": start[0], "y1": start[1], "x2": end[0], "y2": end[1]}
    SubElement(chart, "line", {**{name: f"{value:g}" for name, value in ends.items()}, "class": kind})


def _label(chart: Element, place: tuple[float, float], text: str, anchor: str) -> Element:
    label = SubElement(chart, "text", {"x": f"{place[0]:g}", "y": f"{place[1]:g}", "text-anchor": anchor})
    label.text = text
    return label
