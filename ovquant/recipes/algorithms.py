"""Recipes that swap the whole algorithm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from ovquant.plans import Recipe


@dataclass(frozen=True)
class Weights:
    """Store weights in int8 and compute in float: smaller, as accurate as float, faster where memory is the limit."""

    rank: ClassVar[int] = 60

    def extend(self, recipe: Recipe) -> Recipe:
        """Return the recipe with weight compression instead of quantization."""
        return replace(recipe, algorithm="weights")

    @staticmethod
    def offers(operation_types: Mapping[str, int]) -> Sequence[str]:
        """Offer it for models with weights that the algorithm takes."""
        return [""] if any(kind in operation_types for kind in ("MatMul", "Convolution", "Gather")) else []


@dataclass(frozen=True)
class AccuracyControl:
    """Let NNCF's own accuracy control put layers back until the budget holds on the search split; slow."""

    rank: ClassVar[int] = 90

    def extend(self, recipe: Recipe) -> Recipe:
        """Return the recipe with NNCF's accuracy control."""
        return replace(recipe, algorithm="accuracy-control")

    @staticmethod
    def offers(operation_types: Mapping[str, int]) -> Sequence[str]:
        """Offer it on request alone: it evaluates the whole search split many times."""
        return []
