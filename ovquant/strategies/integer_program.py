"""Recipes first, then the cheapest layers for each level of divergence, by an integer program."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import numpy as np

from ovquant.strategies.coarse import next_recipe
from ovquant.strategies.fine import next_change, next_on_paths
from ovquant.tables import LayerRow, Proposal, Table

LEVELS = 24
"""Levels of divergence for which the cheapest layers are solved: enough that neighbours differ by a layer or two."""
GRID = 1e-9
"""Costs below this are none: the solver's tolerance would decide."""


@dataclass(frozen=True)
class IntegerProgram:
    """Find the recipe parts that help together, then solve which layers must be float for ever less divergence.

    The solutions are a path from the cheapest plan to the safest, which is bisected by real trials. The options are
    those of `bisection`.
    """

    recipes: int = 24
    bases: int = 1
    margin: float = 0.5
    steps: int = 8

    def propose(self, table: Table) -> Proposal | None:
        """Return the next candidate or probe, or None when nothing is left to try."""
        return (
            next_recipe(table, most=self.recipes)
            or next_on_paths(table, solved_path, bases=self.bases, margin=self.margin)
            or next_change(table, steps=self.steps)
        )


@cache
def solved_path(layers: tuple[LayerRow, ...]) -> tuple[frozenset[str], ...]:
    """Return the cheapest choices of layers for levels of gain, from the cheapest of all to the most that is possible.

    Each solves: minimise the sum of costs over binary choices, subject to the sum of gains being at least the level
    (scipy.optimize.milp, which is HiGHS).
    """
    free = frozenset(layer.name for layer in layers if layer.cost < -GRID)
    least = sum(layer.gain for layer in layers if layer.name in free)
    most = sum(max(0.0, layer.gain) for layer in layers)
    path = [free]
    # The steps grow: mostly little has to be gained.
    for share in np.linspace(0.0, 1.0, LEVELS + 1)[1:] ** 2:
        chosen = cheapest(layers, least + share * (most - least)) if most > least else free
        if chosen not in path:
            path.append(chosen)
    return tuple(path)


def cheapest(layers: Sequence[LayerRow], gain: float) -> frozenset[str]:
    """Return the layers to put back that gain at least so much and cost the least, ties going to fewer layers."""
    # scipy takes a moment to import, and a strategy is imported when plugins are only listed.
    from scipy.optimize import Bounds, LinearConstraint, milp

    order = sorted(layers, key=lambda layer: layer.name)
    gains = np.array([layer.gain for layer in order])
    costs = np.array([layer.cost for layer in order])
    scale = float(np.abs(costs).max()) or 1.0
    # A thousandth of the largest cost per layer: a layer that costs nothing is still put back only when it is needed.
    tie = 1e-3 * (1 + np.arange(len(order)) * 1e-3)
    reach = float(np.abs(gains).max()) or 1.0
    with _quiet_solver():
        solved = milp(
            costs / scale + tie,
            constraints=LinearConstraint(gains / reach, lb=(gain - 1e-9 * abs(gain)) / reach),
            integrality=np.ones(len(order)),
            bounds=Bounds(0, 1),
            options={"mip_rel_gap": 1e-3, "node_limit": 100},
        )
    if solved.x is None:
        return frozenset(layer.name for layer in order if layer.gain > 0)
    return frozenset(layer.name for layer, chosen in zip(order, solved.x, strict=True) if chosen > 0.5)


@contextmanager
def _quiet_solver() -> Iterator[None]:
    """Keep off standard output, which holds results alone, a line that HiGHS prints there whatever it is told."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
