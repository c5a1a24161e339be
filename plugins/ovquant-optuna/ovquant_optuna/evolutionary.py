"""The evolutionary strategy: recipes, then the layers of the best one, by NSGA-II over budget and cost.

A strategy keeps nothing between calls, so each call breeds the whole history again: with the same seed and the figures
of the table, Optuna asks for the same genomes in the same order, and the first that the table does not know is next.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ovquant.protocols import Candidate, Probe, Proposal, Table, TrialRow
from ovquant_optuna.genes import Space, layer_space, recipe_space

if TYPE_CHECKING:
    import optuna

ASKS_PER_ROW = 4
"""Genomes asked for per known row before the sampler counts as stuck on what is known."""


@dataclass(frozen=True)
class Evolutionary:
    """Breed recipes, then the layers of the best one that are put back, by NSGA-II (Deb et al., 2002).

    `trials` is how many candidates are tried in all, at most half of them recipes; `population` how many make a
    generation. Both objectives, the excess over the budget and the cost, are made small together.
    """

    trials: int = 40
    population: int = 8

    def __post_init__(self) -> None:
        """Check the options."""
        if self.trials < 1:
            raise ValueError(f"trials is {self.trials}; it counts candidates and is at least 1")
        if self.population < 2:
            raise ValueError(f"population is {self.population}; it takes at least 2 to breed")

    def propose(self, table: Table) -> Proposal | None:
        """Return the next candidate or probe, or None after `trials` candidates or when no new one is left."""
        if len(table.trials) >= self.trials:
            return None
        recipes = [row for row in table.trials if not row.candidate.levels]
        if len(recipes) < max(1, self.trials // 2):
            candidate = next_candidate(recipe_space(table.parts, table.alone), table, self.population)
            if candidate is not None:
                return candidate
        return self._next_of_layers(table, recipes)

    def _next_of_layers(self, table: Table, recipes: list[TrialRow]) -> Proposal | None:
        best = best_recipe(table, recipes)
        if best is None:
            return None
        if best.candidate.parts not in table.layers:
            return Probe(best.candidate.parts)
        layers = table.layers[best.candidate.parts]
        return next_candidate(layer_space(best.candidate.parts, layers, self.population), table, self.population)


def best_recipe(table: Table, recipes: list[TrialRow]) -> TrialRow | None:
    """Return the recipe with the least sum of its cost and of how many budgets it is outside, None if all failed."""
    unit = max(table.allowed, 1e-9)
    built = [row for row in recipes if not row.failed]
    return min(
        built,
        key=lambda row: (row.cost + min(max(0.0, row.excess) / unit, 1e6), row.candidate.parts),
        default=None,
    )


def next_candidate(space: Space, table: Table, population: int) -> Candidate | None:
    """Return the first candidate of the evolution that the table does not hold, or None when it holds them all."""
    rows = {row.candidate: row for row in table.trials}
    told: set[Candidate] = set()
    with _quiet():
        study = _study(space, population, table.seed)
        for _ in range(ASKS_PER_ROW * (len(rows) + population)):
            trial = study.ask()
            genome = frozenset(gene for gene in space.genes if trial.suggest_categorical(gene, [False, True]))
            candidate = space.candidate(genome)
            if candidate is not None and candidate not in rows:
                return candidate
            known = None if candidate is None or candidate in told else rows[candidate]
            _tell(study, trial, known)
            if candidate is not None:
                told.add(candidate)
    return next((candidate for candidate in space.candidates() if candidate not in rows), None)


def _study(space: Space, population: int, seed: int) -> "optuna.Study":
    import optuna

    sampler = optuna.samplers.NSGAIISampler(population_size=population, seed=seed)
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    for start in space.starts:
        study.enqueue_trial({gene: gene in start for gene in space.genes})
    return study


def _tell(study: "optuna.Study", trial: "optuna.Trial", row: TrialRow | None) -> None:
    """Tell a row's figures; what has none, or was told before, fails, so that no generation is filled with copies."""
    import optuna

    if row is None or row.failed or not (math.isfinite(row.excess) and math.isfinite(row.cost)):
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    else:
        study.tell(trial, [row.excess, row.cost])


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna from logging each study, and put its verbosity back."""
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)
