"""What the evolution decides: genes that are on or off, and the candidate that a set of them stands for."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from ovquant.protocols import Candidate, LayerRow, PartNames

PLAIN = "default"
"""The part that changes nothing: no gene of its own, but what all genes off stand for."""

Genome = frozenset[str]
"""The genes that are on."""


@dataclass(frozen=True)
class Space:
    """The genes of one stage of the search, the genomes to begin with, and what a genome stands for.

    `candidate` returns None for a genome that stands for nothing worth building.
    """

    genes: tuple[str, ...]
    starts: tuple[Genome, ...]
    candidate: Callable[[Genome], Candidate | None]

    def candidates(self) -> Iterator[Candidate]:
        """Yield every candidate, those with few genes on first."""
        for count in range(len(self.genes) + 1):
            for chosen in combinations(self.genes, count):
                candidate = self.candidate(frozenset(chosen))
                if candidate is not None:
                    yield candidate


def recipe_space(parts: Sequence[str], alone: frozenset[str] = frozenset()) -> Space:
    """Return the space of recipes: one gene per part, beginning with each part on its own; those `alone` stay so."""
    genes = tuple(part for part in parts if part != PLAIN)

    def candidate(genome: Genome) -> Candidate | None:
        chosen = tuple(gene for gene in genes if gene in genome)
        if len(chosen) > 1 and alone.intersection(chosen):
            return None
        if chosen:
            return Candidate(chosen)
        return Candidate((PLAIN,)) if PLAIN in parts else None

    return Space(genes, (Genome(), *(Genome((gene,)) for gene in genes)), candidate)


def layer_space(parts: PartNames, layers: Sequence[LayerRow], population: int) -> Space:
    """Return the space of a recipe's layers: a layer is put back to a level when the gene of both is on.

    It begins with a growing number of the layers that gain most, up to half of them.
    """
    choices = {
        f"{row.level}: {row.name}": row.choice for row in sorted(layers, key=lambda row: (-row.gain, row.choice))
    }
    names = {choice.layer for choice in choices.values()}

    def candidate(genome: Genome) -> Candidate | None:
        levels = frozenset(choices[gene] for gene in genome)
        # A layer has one level, and with every layer put back nothing is left of the recipe.
        several = len({choice.layer for choice in levels}) < len(levels)
        return None if several or len(levels) == len(names) else Candidate(parts, levels)

    first: dict[str, str] = {}
    for gene, choice in choices.items():
        first.setdefault(choice.layer, gene)
    best = tuple(first.values())
    counts = _growing(len(best) // 2, population)
    return Space(tuple(choices), tuple(Genome(best[:count]) for count in counts), candidate)


def _growing(most: int, length: int) -> list[int]:
    """Return at most `length` counts from 1 to `most`, small ones closer together."""
    return sorted({round(most ** (step / max(1, length - 1))) for step in range(length)}) if most else []
