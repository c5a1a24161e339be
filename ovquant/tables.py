"""What a strategy sees and says: plain tables in, the next thing to try or to probe out."""

from collections.abc import Mapping
from dataclasses import dataclass, field

PartNames = tuple[str, ...]
"""The recipe parts of a candidate, in the order they are applied; empty for float."""


@dataclass(frozen=True)
class Candidate:
    """A choice: recipe parts, and the layers put back to float."""

    parts: PartNames
    float_layers: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Probe:
    """A wish to have the layers of a recipe ranked."""

    parts: PartNames


Proposal = Candidate | Probe


@dataclass(frozen=True)
class TrialRow:
    """One candidate as measured on the search split.

    `excess` is how far outside the budget it is (zero or less: inside), `cost` the objective relative to float
    (below 1 is better), `cost_high` the upper end of its interval, `divergence` the relative squared error of the
    outputs against float, `noise` half the width of the 95 % interval of the drop (zero where there is none). `failed` rows could not be built or measured, and their figures mean nothing.
    """

    candidate: Candidate
    excess: float
    cost: float
    cost_high: float
    divergence: float
    noise: float = 0.0
    failed: bool = False

    @property
    def inside(self) -> bool:
        """Tell whether it is inside the budget and surely better than float."""
        return not self.failed and self.excess <= 0 and self.cost_high < 1


@dataclass(frozen=True)
class LayerRow:
    """One layer of a recipe; `gain` is how much the divergence falls when this layer alone is put back to float."""

    name: str
    gain: float


@dataclass(frozen=True)
class Table:
    """All that is known so far.

    `parts` are the recipe parts on offer, in the order to try them. `allowed` is the drop the budget allows, in the
    metric's unit. `layers` holds the layers of the recipes that were probed.
    """

    parts: tuple[str, ...]
    allowed: float
    trials: tuple[TrialRow, ...] = ()
    layers: Mapping[PartNames, tuple[LayerRow, ...]] = field(default_factory=dict)
    seed: int = 0

    def row(self, candidate: Candidate) -> TrialRow | None:
        """Return the measured row of a candidate, or None."""
        return next((row for row in self.trials if row.candidate == candidate), None)
