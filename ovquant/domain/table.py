"""What a strategy sees and says: plain tables in, the next thing to try or to probe out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ovquant.domain.layer import FLOAT

COMFORT = 0.5
"""The share of the budget that a plan leaves unused when it need not be made safer: the data of the search flatter."""
SAVING = 0.01
"""The least saving, relative to float, that is worth calibrating, building or scoring for: less is lost in noise."""
HARM = 1.5
"""A part that makes the outputs diverge this many times more does harm, whatever few samples score."""
PLAIN = "default"
"""The part that changes nothing: what a recipe without parts is written as."""
IN_F32 = "f32"
"""The part by which what is not quantized is computed in f32; on offer where float as the device computes it is outside the budget."""
WEIGHTS = "weights"
"""The part that stores weights in few bits and quantizes no activations, with or without options."""
UNROUNDED = "dynamic-quantization:group_size=0"
"""The part by which activations beside stored weights are not quantized as they come."""
TRAINED = "trained"
"""The part that takes the model that was trained with quantizers in it; on offer where one was given."""
TRAIN = "train"
"""The part by which the numbers of weights in four bits are trained."""
PartNames = tuple[str, ...]
"""The recipe parts of a candidate, in the order they are applied; empty for float."""


class LayerLevel(NamedTuple):
    """A layer, and what it has instead of what its recipe gives it: the device's own `float`, `f32`, or `int8-weights`."""

    layer: str
    level: str = FLOAT


Levels = frozenset[LayerLevel]
"""The layers that differ from their recipe, each with one level."""


def switched(levels: Levels, choice: LayerLevel) -> Levels:
    """Return levels with a layer at another one, or, where it is at that, as its recipe gives it."""
    others = frozenset(known for known in levels if known.layer != choice.layer)
    return others if choice in levels else others | {choice}


@dataclass(frozen=True)
class Candidate:
    """A choice: recipe parts, and the layers that are put back to another level."""

    parts: PartNames
    levels: Levels = frozenset()


@dataclass(frozen=True)
class Probe:
    """A wish to have the layers of a recipe measured one at a time, or each pair of the layers that it names."""

    parts: PartNames
    pairs: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Calibration:
    """A wish to have the numbers of a recipe chosen: those of its parts, and of all on offer, that change no operation."""

    parts: PartNames


Proposal = Candidate | Probe | Calibration


@dataclass(frozen=True)
class TrialRow:
    """One candidate as measured on the search split.

    `excess` is how far outside the budget it is (zero or less: inside), `cost` the objective relative to float
    (below 1 is better), `cost_high` the upper end of its interval, `divergence` how far outputs are from float's, such as the relative squared error of the
    outputs against float, `noise` half the width of the 95 % interval of the drop (zero where there is none).
    `failed` rows could not be built or measured, and their figures mean nothing.
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


def failed_row(candidate: Candidate) -> TrialRow:
    """Return the row of a candidate that could not be built or measured."""
    nothing = float("inf")
    return TrialRow(candidate, nothing, nothing, nothing, nothing, failed=True)


@dataclass(frozen=True)
class LayerRow:
    """One layer of a recipe, put back to one level alone; a layer has a row for each level that it may have.

    `gain` is how much the divergence falls, `cost` how much the relative cost rises; negative where the level is cheaper.
    """

    name: str
    gain: float
    cost: float = 0.0
    level: str = FLOAT

    @property
    def choice(self) -> LayerLevel:
        """Return the layer at this level."""
        return LayerLevel(self.name, self.level)


@dataclass(frozen=True)
class PairRow:
    """Two layers of a recipe, put back together to the first level that each has a row for: the same figures as for one."""

    first: str
    second: str
    gain: float
    cost: float = 0.0


@dataclass(frozen=True)
class CalibrationRow:
    """A recipe that differs from others in its numbers alone, and how far its outputs are from float's."""

    parts: PartNames
    divergence: float


@dataclass(frozen=True)
class Table:
    """All that is known so far.

    `parts` are the recipe parts on offer, in the order to try them; those `alone` are not joined with others, and those
    that are `free` change ranges and biases but no operation, and so no cost. `allowed` is the drop the budget allows,
    in the metric's unit. `layers` holds the layers of the recipes that were probed, `pairs` the pairs that were, and
    `calibrations`, by the parts that are not free, the recipes among which numbers were chosen, nearest to float first. `opening`
    is the recipe that is likely to be best, before anything is known; empty where none is. `pinning` is the part that quantizes
    nothing and whose layers are float as the device computes it or, put back, f32; it is named where float as the device computes
    it is outside the budget, and else empty. `training` is the part that trains the numbers of weights in four bits, empty where none may.
    """

    parts: tuple[str, ...]
    allowed: float
    trials: tuple[TrialRow, ...] = ()
    layers: Mapping[PartNames, tuple[LayerRow, ...]] = field(default_factory=dict)
    seed: int = 0
    pairs: Mapping[PartNames, tuple[PairRow, ...]] = field(default_factory=dict)
    alone: frozenset[str] = frozenset()
    free: frozenset[str] = frozenset()
    calibrations: Mapping[PartNames, tuple[CalibrationRow, ...]] = field(default_factory=dict)
    opening: PartNames = ()
    pinning: str = ""
    training: str = ""

    def operations(self, parts: PartNames) -> PartNames:
        """Return those of a recipe's parts that decide its operations."""
        return tuple(part for part in parts if part not in self.free)

    def comfortable(self, row: TrialRow) -> bool:
        """Tell whether a row is so far inside the budget that making it safer is not worth any cost."""
        return not row.failed and row.excess <= -COMFORT * self.allowed

    def row(self, candidate: Candidate) -> TrialRow | None:
        """Return the measured row of a candidate, or None."""
        return next((row for row in self.trials if row.candidate == candidate), None)
