"""Strategies that choose recipes first, then layers along a path from the cheapest plan to the safest."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from ovquant.domain.table import LayerRow, Levels, Proposal, Table
from ovquant.plugins.strategies.coarse import next_recipe
from ovquant.plugins.strategies.fine import Path, next_change, next_on_paths, next_pinned

STEPS = 24
"""Steps of divergence for which the cheapest layers are solved: enough that neighbours differ by a layer or two."""
GRID = 1e-9
"""Costs below this are none: the solver's tolerance would decide."""


@cache
def ranked_path(layers: tuple[LayerRow, ...]) -> tuple[Levels, ...]:
    """Return growing changes of the cheapest choice, each the one that gains the most per cost of those left.

    The cheapest choice has put back what is cheaper so. From there a layer that gains is put back, or to another level, or
    one that loses is taken back: the greedy solution of the relaxed multiple-choice knapsack (Dantzig, 1957; Sinha and
    Zoltners, 1979).
    """
    now = _cheapest_of_each(layers)
    steps: dict[str, list[LayerRow]] = {}
    for layer in layers:
        steps.setdefault(layer.name, []).append(layer)
    path = [_chosen(now)]
    while changes := [change for name, rows in steps.items() for change in _steps(name, rows, now.get(name))]:
        best = min(changes, key=lambda change: (-change.density, -change.gain, change.name, change.level))
        if best.to is None:
            del now[best.name]
        else:
            now[best.name] = best.to
        path.append(_chosen(now))
    return tuple(path)


@dataclass(frozen=True)
class _Step:
    """A change of one layer that gains, to a level or, where that is None, to what its recipe gives it."""

    name: str
    to: LayerRow | None
    gain: float
    cost: float

    @property
    def density(self) -> float:
        return self.gain / self.cost if self.cost > 0 else float("inf")

    @property
    def level(self) -> str:
        return "" if self.to is None else self.to.level


def _steps(name: str, rows: Sequence[LayerRow], now: LayerRow | None) -> list[_Step]:
    gain, cost = (0.0, 0.0) if now is None else (now.gain, now.cost)
    found = [_Step(name, row, row.gain - gain, row.cost - cost) for row in rows if row is not now]
    found += [] if now is None else [_Step(name, None, -gain, -cost)]
    return [step for step in found if step.gain > 0]


def _cheapest_of_each(layers: Sequence[LayerRow]) -> dict[str, LayerRow]:
    """Return the cheapest level of each layer for which one is cheaper than what the recipe gives it."""
    found: dict[str, LayerRow] = {}
    for layer in layers:
        if layer.cost < min(0.0, found[layer.name].cost if layer.name in found else 0.0):
            found[layer.name] = layer
    return found


def _chosen(rows: Mapping[str, LayerRow]) -> Levels:
    return frozenset(row.choice for row in rows.values())


@cache
def solved_path(layers: tuple[LayerRow, ...]) -> tuple[Levels, ...]:
    """Return the cheapest choices of layers for growing gains, from the cheapest of all to the most that is possible.

    Each solves a multiple-choice program: minimise the sum of costs over binary choices, at most one level for each layer,
    subject to the sum of gains being at least so much (scipy.optimize.milp, which is HiGHS).
    """
    free = {name: row for name, row in _cheapest_of_each(layers).items() if row.cost < -GRID}
    least = sum(row.gain for row in free.values())
    highest: dict[str, float] = {}
    for layer in layers:
        highest[layer.name] = max(highest.get(layer.name, 0.0), layer.gain)
    most = sum(highest.values())
    path = [_chosen(free)]
    # The steps grow: mostly little has to be gained.
    for share in np.linspace(0.0, 1.0, STEPS + 1)[1:] ** 2:
        chosen = cheapest(layers, least + share * (most - least)) if most > least else path[0]
        if chosen not in path:
            path.append(chosen)
    return tuple(path)


def cheapest(layers: Sequence[LayerRow], gain: float) -> Levels:
    """Return the layers to put back that gain at least so much and cost the least, ties going to fewer layers."""
    # scipy takes a moment to import, and a strategy is imported when plugins are only listed.
    from scipy.optimize import Bounds, LinearConstraint, milp

    order = sorted(layers, key=lambda layer: layer.choice)
    gains = np.array([layer.gain for layer in order])
    costs = np.array([layer.cost for layer in order])
    scale = float(np.abs(costs).max()) or 1.0
    # A thousandth of the largest cost per layer: a layer that costs nothing is still put back only when it is needed.
    tie = 1e-3 * (1 + np.arange(len(order)) * 1e-3)
    reach = float(np.abs(gains).max()) or 1.0
    names = sorted({layer.name for layer in order})
    enough = LinearConstraint(gains / reach, lb=(gain - 1e-9 * abs(gain)) / reach)
    # A layer has one level.
    single = [LinearConstraint(np.array([[layer.name == name for layer in order] for name in names], float), ub=1)]
    with _quiet_solver():
        solved = milp(
            costs / scale + tie,
            constraints=[enough, *(single if len(names) < len(order) else [])],
            integrality=np.ones(len(order)),
            bounds=Bounds(0, 1),
            options={"mip_rel_gap": 1e-3, "node_limit": 100},
        )
    if solved.x is None:
        return _chosen(_most_gaining(order))
    return frozenset(layer.choice for layer, chosen in zip(order, solved.x, strict=True) if chosen > 0.5)


def _most_gaining(layers: Sequence[LayerRow]) -> dict[str, LayerRow]:
    """Return the level of each layer that gains most, of those that gain."""
    ranked = sorted((layer for layer in layers if layer.gain > 0), key=lambda layer: (layer.gain, layer.choice))
    return {layer.name: layer for layer in ranked}


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
