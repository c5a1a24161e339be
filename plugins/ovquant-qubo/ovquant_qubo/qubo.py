"""The qubo strategy: recipes, then the layers of the best one, chosen with regard to how pairs of them interact.

A strategy keeps nothing between calls. What takes time, the annealing, is cached by all that it depends on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ovquant.protocols import LayerRow, Probe, Proposal, Table, TrialRow, best_recipes, next_recipe
from ovquant_qubo.annealing import solutions
from ovquant_qubo.interactions import quadratic, ran
from ovquant_qubo.refining import next_change, next_on_path


@dataclass(frozen=True)
class Qubo:
    """Measure pairs of layers, and solve by simulated annealing which layers must be put back, and to which level, for ever less divergence.

    The choice is a quadratic unconstrained binary optimisation (Glover, Kochenberger, Du 2019): a layer is put back to
    a level or not, costs and gains of layers add up, and those of two layers act on each other as measured. Annealing is
    Kirkpatrick, Gelatt, Vecchi 1983. The solutions are a path from the cheapest plan to the safest, which is bisected
    by real trials.

    `trials` is how many candidates are tried in all, at most half of them recipes; `strongest` of how many layers each
    pair is measured; `levels` how many weights of gain against cost are solved, each by `reads` anneals of `sweeps`
    passes; `changes` how many single changes of the best plan are tried.
    """

    trials: int = 40
    strongest: int = 8
    levels: int = 24
    reads: int = 8
    sweeps: int = 200
    changes: int = 8

    def __post_init__(self) -> None:
        """Check the options."""
        least = {"trials": 1, "strongest": 0, "levels": 2, "reads": 1, "sweeps": 1, "changes": 0}
        for name, count in least.items():
            if getattr(self, name) < count:
                raise ValueError(f"{name} is {getattr(self, name)}; it is at least {count}")

    def propose(self, table: Table) -> Proposal | None:
        """Return the next candidate or probe, or None after `trials` candidates or when nothing is left to try."""
        if len(table.trials) >= self.trials:
            return None
        candidate = next_recipe(table, most=max(1, self.trials // 2))
        recipes = best_recipes(table)
        return candidate if candidate is not None or not recipes else self._next_of_layers(table, recipes[0])

    def _next_of_layers(self, table: Table, base: TrialRow) -> Proposal | None:
        parts = base.candidate.parts
        if parts not in table.layers:
            return Probe(parts)
        layers = tuple(row for row in table.layers[parts] if ran(row, base))
        paired = strongest(layers, self.strongest)
        if parts not in table.pairs and len(paired) > 1:
            return Probe(parts, paired)
        model = quadratic(layers, table.pairs.get(parts, ()), base)
        path = solutions(model, levels=self.levels, reads=self.reads, sweeps=self.sweeps, seed=table.seed)
        return next_on_path(table, parts, model, path) or next_change(table, parts, model, steps=self.changes)


def strongest(layers: Sequence[LayerRow], count: int) -> frozenset[str]:
    """Return the names of the layers whose gain or harm is largest."""
    ranked = dict.fromkeys(row.name for row in sorted(layers, key=lambda row: (-abs(row.gain), row.name)))
    return frozenset(list(ranked)[:count])
