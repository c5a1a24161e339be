"""Play every strategy against synthetic tables whose optimum is known.

    python examples/benchmark/synthetic.py [TABLES]

Each table has one recipe of 4 to 10 layers; four in ten pairs of layers act on each other. The optimum is the cheapest
of all sets of layers inside the budget. The strategies of plugins take part where they are installed.
"""

import sys
from itertools import combinations

import numpy as np

from ovquant.plugins.registry import Registry
from ovquant.protocols import Candidate
from ovquant.testing import HiddenTruth

INTERACTING = 0.4


def truth(seed: int) -> HiddenTruth:
    """Return a random table; a bit more than half of what all layers gain is needed."""
    generator = np.random.default_rng(seed)
    names = [f"layer{place:02}" for place in range(int(generator.integers(4, 11)))]
    gains = dict(zip(names, map(float, generator.exponential(0.01, len(names))), strict=True))
    costs = dict(zip(names, map(float, generator.normal(0.012, 0.01, len(names))), strict=True))
    pairs = [pair for pair in combinations(names, 2) if generator.random() < INTERACTING]
    together = {pair: float(more) for pair, more in zip(pairs, generator.normal(0, 0.003, len(pairs)), strict=True)}
    start = 0.01 + 0.6 * sum(gains.values())
    return HiddenTruth({"default": 0.0}, gains, start=start, layer_costs=costs, together=together)


def optimum(known: HiddenTruth) -> float:
    """Return the cost of the cheapest set of layers inside the budget, 1 for float when none is."""
    parts = ("default",)
    names = [row.name for row in known.ranking(parts)]
    sets = (frozenset(chosen) for count in range(len(names) + 1) for chosen in combinations(names, count))
    rows = (known.row(Candidate(parts, chosen)) for chosen in sets)
    return min((row.cost for row in rows if row.inside), default=1.0)


def play(name: str, known: HiddenTruth) -> tuple[float, int]:
    """Return the cost of the best plan that a strategy finds, and in how many trials."""
    strategy = Registry("strategies").resolve(name)
    proposals = [item for _, item in known.play(strategy) if isinstance(item, Candidate)]
    rows = [known.row(candidate) for candidate in proposals]
    return min((row.cost for row in rows if row.inside), default=1.0), len(rows)


def main(count: int) -> None:
    """Print a row per strategy."""
    tables = [truth(seed) for seed in range(count)]
    best = [optimum(known) for known in tables]
    print(f"{'strategy':16} {'worst':>8} {'mean':>8} {'optimum found':>14} {'trials':>7}")
    for name in Registry("strategies").working():
        played = [play(name, known) for known in tables]
        over = np.array([cost for cost, _ in played]) / best - 1
        trials = np.mean([trials for _, trials in played])
        print(f"{name:16} {over.max():8.1%} {over.mean():8.1%} {np.mean(over < 1e-9):14.0%} {trials:7.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
