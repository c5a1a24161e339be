"""Strategies that choose recipes first, then layers along a path from the cheapest plan to the safest."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from ovquant.domain.table import LayerRow, Proposal, Table
from ovquant.plugins.strategies.coarse import next_recipe
from ovquant.plugins.strategies.fine import Path, next_change, next_on_paths, next_pinned

LEVELS = 24
"""Levels of divergence for which the cheapest layers are solved: enough that neighbours differ by a layer or two."""
GRID = 1e-9
"""Costs below this are none: the solver's tolerance would decide."""


@cache
def ranked_path(layers: tuple[LayerRow, ...]) -> tuple[frozenset[str], ...]:
    """Return growing changes of the cheapest choice, each the one that gains the most per cost of those left.

    The cheapest choice has in float what is cheaper in float. From there a layer that gains is put to float, or one
    that loses is taken back: the greedy solution of the knapsack's relaxation (Dantzig, 1957).
    """
    floats = frozenset(layer.name for layer in layers if layer.cost < 0)
    changes = [layer for layer in layers if (layer.gain > 0) != (layer.name in floats) and layer.gain != 0]
    ranked = sorted(changes, key=lambda layer: (-_density(layer), -abs(layer.gain), layer.name))
    path = [floats]
    for layer in ranked:
        path.append(path[-1] ^ {layer.name})
    return tuple(path)


def _density(layer: LayerRow) -> float:
    return abs(layer.gain) / abs(layer.cost) if layer.cost else float("inf")


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


@dataclass(frozen=True)
class Bisection:
    """Find the recipe parts that help together, then bisect how many layers, most gain per cost first, must be float.

    `recipes` is how many recipes are tried at most, `bases` how many of them are refined layer by layer, `margin` the
    share of the budget that a second, safer plan per recipe is asked to leave unused (search data flatter), and `steps`
    how many single changes of the best plan are tried.
    """

    recipes: int = 24
    bases: int = 1
    margin: float = 0.5
    steps: int = 8
    path: ClassVar[Path] = staticmethod(ranked_path)

    def propose(self, table: Table) -> Proposal | None:
        """Return the next candidate or probe, or None when nothing is left to try."""
        return (
            next_pinned(table, type(self).path, margin=self.margin)
            or next_recipe(table, most=self.recipes)
            or next_on_paths(table, type(self).path, bases=self.bases, margin=self.margin)
            or next_change(table, steps=self.steps)
        )


@dataclass(frozen=True)
class IntegerProgram(Bisection):
    """Find the recipe parts that help together, then solve which layers must be float for ever less divergence.

    The solutions are the path, which is bisected by real trials. The options are those of `bisection`.
    """

    path: ClassVar[Path] = staticmethod(solved_path)
