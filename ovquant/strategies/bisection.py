"""Recipes first, then a bisection over layers ranked by what they gain for what they cost."""

from dataclasses import dataclass
from functools import cache

from ovquant.strategies.coarse import next_recipe
from ovquant.strategies.fine import next_change, next_on_paths
from ovquant.tables import LayerRow, Proposal, Table


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

    def propose(self, table: Table) -> Proposal | None:
        """Return the next candidate or probe, or None when nothing is left to try."""
        return (
            next_recipe(table, most=self.recipes)
            or next_on_paths(table, ranked_path, bases=self.bases, margin=self.margin)
            or next_change(table, steps=self.steps)
        )


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
