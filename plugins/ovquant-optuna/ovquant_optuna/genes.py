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
    """Return the space of a recipe's layers: a layer is in float when its gene is on.

    It begins with a growing number of the layers that gain most, up to half of them.
    """
    ranked = tuple(row.name for row in sorted(layers, key=lambda row: (-row.gain, row.name)))

    def candidate(genome: Genome) -> Candidate | None:
        # With every layer in float nothing is left of the recipe.
        return None if len(genome) == len(ranked) else Candidate(parts, genome)

    counts = _growing(len(ranked) // 2, population)
    return Space(ranked, tuple(Genome(ranked[:count]) for count in counts), candidate)


def _growing(most: int, length: int) -> list[int]:
    """Return at most `length` counts from 1 to `most`, small ones closer together."""
    return sorted({round(most ** (step / max(1, length - 1))) for step in range(length)}) if most else []
