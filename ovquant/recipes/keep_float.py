"""Recipes that keep types of operations in float."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from ovquant.plans import Recipe

ELEMENTWISE = ("Add", "Subtract", "Multiply", "Divide")
"""Cheap operations: quantizing around them costs accuracy and conversions, and often wins no time."""


@dataclass(frozen=True)
class KeepFloat:
    """Keep operation types in float, such as types=Add;Multiply."""

    rank: ClassVar[int] = 20
    types: tuple[str, ...] = ELEMENTWISE

    def extend(self, recipe: Recipe) -> Recipe:
        """Return the recipe with these types, and those it kept before, in float."""
        return replace(recipe, keep_float_types=tuple(sorted({*recipe.keep_float_types, *self.types})))

    @staticmethod
    def offers(operation_types: Mapping[str, int]) -> Sequence[str]:
        """Offer the elementwise types that the model has together, and grouped convolutions."""
        choices = [tuple(kind for kind in ELEMENTWISE if kind in operation_types)]
        choices += [(kind,) for kind in ("GroupConvolution", "MatMul") if _is_some(operation_types, kind)]
        return [f"types={';'.join(kinds)}" for kinds in choices if kinds]


def _is_some(operation_types: Mapping[str, int], kind: str) -> bool:
    """Tell whether a type is present but not all there is: with nothing left to quantize there is no recipe."""
    heavy = ("Convolution", "GroupConvolution", "MatMul")
    others = sum(operation_types.get(other, 0) for other in heavy if other != kind)
    return operation_types.get(kind, 0) > 0 and others > 0
