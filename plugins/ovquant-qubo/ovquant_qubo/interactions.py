"""What layers cost and gain together: the figures of each alone, and what each pair adds to them."""

import math
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from ovquant.protocols import LayerRow, PairRow, TrialRow

WILD = 100.0
"""A layer that costs this many times float, or does this many times the harm of its recipe, did not run at all."""


@dataclass(frozen=True)
class Coupling:
    """What two layers in float cost and gain beyond the sum of what each does alone; they are given by place."""

    first: int
    second: int
    cost: float
    gain: float


@dataclass(frozen=True)
class Quadratic:
    """Cost and gain as quadratic functions of which layers are in float, relative to none being so."""

    names: tuple[str, ...]
    costs: tuple[float, ...]
    gains: tuple[float, ...]
    couplings: tuple[Coupling, ...] = ()

    def cost(self, floats: Set[str]) -> float:
        """Return how much the cost rises."""
        return self._sum(floats, self.costs, lambda coupling: coupling.cost)

    def gain(self, floats: Set[str]) -> float:
        """Return how much the divergence falls."""
        return self._sum(floats, self.gains, lambda coupling: coupling.gain)

    def _sum(self, floats: Set[str], singles: Sequence[float], of: Callable[[Coupling], float]) -> float:
        on = [name in floats for name in self.names]
        alone = sum(figure for figure, chosen in zip(singles, on, strict=True) if chosen)
        return alone + sum(of(item) for item in self.couplings if on[item.first] and on[item.second])


def ran(row: LayerRow | PairRow, base: TrialRow) -> bool:
    """Tell whether the figures of a layer or pair of a recipe can be of something that ran."""
    if not (math.isfinite(row.gain) and math.isfinite(row.cost)):
        return False
    return row.cost <= WILD and -row.gain <= WILD * max(base.divergence, 1.0)


def quadratic(layers: Sequence[LayerRow], pairs: Sequence[PairRow], base: TrialRow) -> Quadratic:
    """Return the quadratic model of layers that ran and of the pairs of them; a pair that did not run is forbidden."""
    order = sorted(layers, key=lambda row: row.name)
    places = {row.name: place for place, row in enumerate(order)}
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
    return Quadratic(
        tuple(row.name for row in order),
        tuple(row.cost for row in order),
        tuple(row.gain for row in order),
        tuple(sorted(couplings, key=lambda item: (item.first, item.second))),
    )
