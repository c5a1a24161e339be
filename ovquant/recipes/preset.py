"""Recipes: NNCF's presets as they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from ovquant.plans import Recipe


@dataclass(frozen=True)
class Default:
    """Quantize everything that can be, symmetric, with fast bias correction."""

    rank: ClassVar[int] = 0

    def extend(self, recipe: Recipe) -> Recipe:
        """Return the recipe as it is."""
        return recipe

    @staticmethod
    def offers(operation_types: Mapping[str, int]) -> Sequence[str]:
        """Offer it for every model."""
        return [""]


@dataclass(frozen=True)
class Mixed:
    """Quantize activations asymmetrically: finer where they are not centred, such as after GELU, ELU or Swish."""

    rank: ClassVar[int] = 15

    def extend(self, recipe: Recipe) -> Recipe:
        """Return the recipe with the mixed preset."""
        return replace(recipe, preset="mixed")

    @staticmethod
    def offers(operation_types: Mapping[str, int]) -> Sequence[str]:
        """Offer it for every model."""
        return [""]
