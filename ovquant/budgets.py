"""The budget: how much a score may fall, and below what it may never be."""

import math
import re
from dataclasses import asdict, dataclass
from typing import Any

from ovquant.errors import MetricError, UsageError

_FORM = re.compile(r"^\s*([0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*(%|pt|)\s*$")


@dataclass(frozen=True)
class Drop:
    """An allowed drop: relative (a share of the float score) or absolute (in the metric's own unit)."""

    value: float
    relative: bool = False

    def __post_init__(self) -> None:
        if not math.isfinite(self.value) or self.value < 0:
            raise UsageError(f"A drop is a number of zero or more; got {self.value}.")
        if self.relative and self.value > 1:
            raise UsageError(f"A relative drop is at most 100%; got {self.value:.0%}.")

    @classmethod
    def parse(cls, text: "str | float | Drop") -> "Drop":
        """Read `1%` (relative), `1pt` (0.01 absolute) or `0.01` (absolute, in the metric's unit)."""
        if isinstance(text, Drop):
            return text
        if isinstance(text, int | float):
            return cls(float(text))
        match = _FORM.match(text)
        if match is None:
            raise UsageError(f"'{text}' is no drop. Write 1% (relative), 1pt (0.01) or 0.01 (the metric's unit).")
        number, unit = float(match[1]), match[2]
        return cls(number / 100 if unit else number, relative=unit == "%")

    def allowed(self, float_score: float) -> float:
        """Return the drop allowed against a float score, in the metric's unit.

        Raises MetricError for a relative drop from a float score of zero, which allows nothing and means nothing.
        """
        if not self.relative:
            return self.value
        if float_score == 0:
            raise MetricError(
                "The float model scores 0, so a drop relative to it has no meaning. "
                "Give an absolute drop such as --max-drop 0.01, or check the data and the metric."
            )
        return self.value * abs(float_score)

    def __str__(self) -> str:
        return f"{self.value * 100:g}%" if self.relative else f"{self.value:g}"


@dataclass(frozen=True)
class Budget:
    """What the returned model must hold: a drop from float, and optionally a floor under the score."""

    max_drop: Drop
    floor: float | None = None

    def excess(self, score: float, *, float_score: float, higher_is_better: bool) -> float:
        """Return by how much a score is outside the budget, in the metric's unit; zero or less is inside."""
        sign = 1.0 if higher_is_better else -1.0
        drop = sign * (float_score - score)
        outside = drop - self.max_drop.allowed(float_score)
        if self.floor is not None:
            outside = max(outside, sign * (self.floor - score))
        return 0.0 if abs(outside) < 1e-12 else outside

    def holds(self, score: float, *, float_score: float, higher_is_better: bool) -> bool:
        """Tell whether a score is inside the budget."""
        return self.excess(score, float_score=float_score, higher_is_better=higher_is_better) <= 0

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Budget":
        """Read what `to_json` wrote."""
        return cls(Drop(**values["max_drop"]), values["floor"])

    def __str__(self) -> str:
        floor = "" if self.floor is None else f", never past {self.floor:g}"
        return f"a drop of at most {self.max_drop}{floor}"
