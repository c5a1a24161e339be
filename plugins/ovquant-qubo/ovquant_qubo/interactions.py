"""What layers cost and gain together: the figures of each alone, and what each pair adds to them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

from ovquant.protocols import LayerLevel, LayerRow, Levels, PairRow, TrialRow

WILD = 100.0
"""A layer that costs this many times float, or does this many times the harm of its recipe, did not run at all."""


@dataclass(frozen=True)
class Coupling:
    """What two choices cost and gain beyond the sum of what each does alone; they are given by place."""

    first: int
    second: int
    cost: float
    gain: float


@dataclass(frozen=True)
class Quadratic:
    """Cost and gain as quadratic functions of which layers are put back to which level, relative to none being so."""

    choices: tuple[LayerLevel, ...]
    costs: tuple[float, ...]
    gains: tuple[float, ...]
    couplings: tuple[Coupling, ...] = ()

    def cost(self, levels: Levels) -> float:
        """Return how much the cost rises."""
        return self._sum(levels, self.costs, lambda coupling: coupling.cost)

    def gain(self, levels: Levels) -> float:
        """Return how much the divergence falls."""
        return self._sum(levels, self.gains, lambda coupling: coupling.gain)

    def _sum(self, levels: Levels, singles: Sequence[float], of: Callable[[Coupling], float]) -> float:
        on = [choice in levels for choice in self.choices]
        alone = sum(figure for figure, chosen in zip(singles, on, strict=True) if chosen)
        return alone + sum(of(item) for item in self.couplings if on[item.first] and on[item.second])


def ran(row: LayerRow | PairRow, base: TrialRow) -> bool:
    """Tell whether the figures of a layer or pair of a recipe can be of something that ran."""
    if not (math.isfinite(row.gain) and math.isfinite(row.cost)):
        return False
    return row.cost <= WILD and -row.gain <= WILD * max(base.divergence, 1.0)


def quadratic(layers: Sequence[LayerRow], pairs: Sequence[PairRow], base: TrialRow) -> Quadratic:
    """Return the quadratic model of layers that ran and of the pairs of them; a pair that did not run is forbidden.

    Two levels of a layer are worth less together than either alone. Pairs were measured at the first level of each layer.
    """
    first_levels = {row.name: row.level for row in reversed(layers)}
    order = sorted(layers, key=lambda row: row.choice)
    places = {row.name: place for place, row in enumerate(order) if row.level == first_levels[row.name]}
    couplings: list[Coupling] = []
    forbidden: list[Coupling] = []
    for pair in pairs:
        if pair.first in places and pair.second in places:
            first, second = sorted((places[pair.first], places[pair.second]))
            cost = pair.cost - order[first].cost - order[second].cost
            gain = pair.gain - order[first].gain - order[second].gain
            (couplings if ran(pair, base) else forbidden).append(Coupling(first, second, cost, gain))
    # As much as all else together can bring: no choice is better with the pair than without.
    cost = sum(abs(row.cost) for row in order) + sum(abs(item.cost) for item in couplings)
    gain = sum(abs(row.gain) for row in order) + sum(abs(item.gain) for item in couplings)
    couplings += [Coupling(item.first, item.second, cost, -gain) for item in forbidden]
    for first, second in combinations(range(len(order)), 2):
        one, other = order[first], order[second]
        if one.name == other.name:
            cost, gain = abs(one.cost) + abs(other.cost), abs(one.gain) + abs(other.gain)
            couplings.append(Coupling(first, second, cost, -gain))
    return Quadratic(
        tuple(row.choice for row in order),
        tuple(row.cost for row in order),
        tuple(row.gain for row in order),
        tuple(sorted(couplings, key=lambda item: (item.first, item.second))),
    )
