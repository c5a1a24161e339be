"""Simulated annealing of the choice of layers, for a ladder of weights of gain against cost."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ovquant.protocols import Levels
from ovquant_qubo.interactions import Quadratic

Array = NDArray[np.float64]
Choices = NDArray[np.bool_]
"""Sets of layers put back, each to a level `[set, choice]`."""

TIE = 1e-3
"""The share of the largest cost that each layer costs on top: one that does nothing is left as it is."""
SMALLEST = 1e-9
"""A share of the largest figure that is rounding, not measurement."""
WIDER = 4.0
"""How far the ladder goes beyond where layers change alone or by what pairs add: both together change elsewhere."""
BETAS = (0.3, 3e3)
"""Inverse temperatures, from all being tried to a thousandth of the largest bias counting."""
MOST_CHOICES = 256
"""Choices on a path at most: more would differ by less than can be measured."""


@cache
def solutions(model: Quadratic, *, levels: int, reads: int, sweeps: int, seed: int) -> tuple[Levels, ...]:
    """Return the choices that none beats in both predicted cost and predicted gain, from the least gain to the most.

    Each weight w of the ladder minimises cost(x) - w gain(x) over binary x. The weights reach what lies on the convex
    hull; what lies between are mostly choices that differ from it by one layer, so these join in.
    """
    choices = model.choices
    if not choices:
        return (frozenset(),)
    costs, gains = _scaled(model)
    annealed = [
        _annealed(costs - weight * gains, reads, sweeps, _seed(seed, level))
        for level, weight in enumerate(_ladder(costs, gains, levels))
    ]
    found = np.unique(np.concatenate([np.zeros((1, len(choices)), dtype=bool), *annealed]), axis=0)
    found = found[_front(_totals(costs, found), _totals(gains, found))]
    found = _with_neighbours(found, costs, gains)
    return tuple(frozenset(choice for choice, on in zip(choices, row, strict=True) if on) for row in found)


def _scaled(model: Quadratic) -> tuple[Array, Array]:
    """Return costs and gains as upper triangular matrices with figures of at most about 1, singles on the diagonal."""
    costs, gains = np.diag(model.costs), np.diag(model.gains)
    for item in model.couplings:
        costs[item.first, item.second] = item.cost
        gains[item.first, item.second] = item.gain
    for figures in (costs, gains):
        figures /= np.abs(figures).max() or 1.0
        figures[np.abs(figures) < SMALLEST] = 0.0
    return costs + TIE * np.eye(len(costs)), gains


def _ladder(costs: Array, gains: Array, levels: int) -> list[float]:
    """Return the weights of gain: none, then geometric from where the first layer changes to where the last one did.

    A layer changes at the weight at which its cost and its gain are even, if they have the same sign.
    """
    alike = (costs * gains > 0) & (np.abs(gains) > TIE)
    changes = costs[alike] / gains[alike] if alike.any() else np.ones(1)
    return [0.0, *np.geomspace(WIDER * changes.max(), changes.min() / WIDER, levels - 1)[::-1]]


def _seed(seed: int, level: int) -> int:
    """Return a seed of its own for each level, within what the sampler takes."""
    return (seed * 1_000_003 + level) % 2**31


def _annealed(energies: Array, reads: int, sweeps: int, seed: int) -> Choices:
    """Return the minima that the anneals end in."""
    # They take a moment to import, and a strategy is imported when plugins are only listed.
    import dimod
    from dwave import samplers

    solvers: Any = samplers  # Their constructors have no types.
    energies = energies / (np.abs(energies).max() or 1.0)
    first, second = np.nonzero(np.triu(energies, 1))
    pairs = (first, second, energies[first, second])
    model = dimod.BinaryQuadraticModel.from_numpy_vectors(np.diag(energies), pairs, 0.0, dimod.BINARY)
    annealed = solvers.SimulatedAnnealingSampler().sample(
        model, num_reads=reads, num_sweeps=sweeps, beta_range=BETAS, seed=seed
    )
    # What is smaller than the last temperature is still left to chance.
    solved = solvers.SteepestDescentSolver().sample(model, initial_states=annealed)
    order = np.argsort(np.array(solved.variables))
    return np.asarray(solved.record.sample[:, order] == 1)


def _totals(figures: Array, choices: Choices) -> Array:
    """Return what each choice costs or gains."""
    chosen = choices.astype(np.float64)
    return np.asarray(((chosen @ figures) * chosen).sum(axis=1))


def _flips(figures: Array, choices: Choices) -> Array:
    """Return what each choice costs or gains with one layer changed `[set, layer]`."""
    singles = np.diag(figures)
    both = figures + figures.T - 2 * np.diag(singles)
    chosen = choices.astype(np.float64)
    return np.asarray(_totals(figures, choices)[:, None] + (1 - 2 * chosen) * (singles + chosen @ both))


def _with_neighbours(choices: Choices, costs: Array, gains: Array) -> Choices:
    """Return the front of choices and of what differs from them by one layer, thinned where it is very long."""
    width = 1 + choices.shape[1]
    all_costs = np.hstack([_totals(costs, choices)[:, None], _flips(costs, choices)])
    all_gains = np.hstack([_totals(gains, choices)[:, None], _flips(gains, choices)])
    kept = _front(all_costs.ravel(), all_gains.ravel())
    if len(kept) > MOST_CHOICES:
        kept = kept[np.linspace(0, len(kept) - 1, MOST_CHOICES).round().astype(int)]
    found: Choices = choices[kept // width].copy()
    flipped = kept % width - 1
    rows = np.flatnonzero(flipped >= 0)
    found[rows, flipped[rows]] ^= True
    return found


def _front(costs: Array, gains: Array) -> NDArray[np.int64]:
    """Return the places of the points that cost less than all that gain as much, from the cheapest on."""
    order = np.lexsort((-gains, costs))
    best = np.maximum.accumulate(gains[order])
    kept = np.concatenate([[True], best[1:] > best[:-1] + SMALLEST])
    return np.asarray(order[kept])
