"""Recipes that quantize as NNCF does transformers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from ovquant.plans import Recipe


@dataclass(frozen=True)
class Transformer:
    """Quantize as NNCF does transformers: attention as a whole, cheap operations in float, SmoothQuant on matrix products."""

    rank: ClassVar[int] = 10
    smooth: float | None = None

    def extend(self, recipe: Recipe) -> Recipe:
        """Return the recipe with the transformer model type, and SmoothQuant's alpha for matrix products if given."""
        smooth = recipe.smooth_matmul if self.smooth is None else self.smooth
        return replace(recipe, model_type="transformer", smooth_matmul=smooth)

    @staticmethod
    def offers(operation_types: Mapping[str, int]) -> Sequence[str]:
        """Offer it for models with matrix products or convolutions: these too can be faster with cheap operations in float."""
        heavy = ("MatMul", "Convolution", "GroupConvolution")
        return [""] if sum(operation_types.get(kind, 0) for kind in heavy) > 1 else []


@dataclass(frozen=True)
class SmoothConvolutions:
    """Move the activations' outliers into the weights of convolutions (SmoothQuant, Xiao et al., 2022)."""

    rank: ClassVar[int] = 45
    alpha: float = 0.5

    def extend(self, recipe: Recipe) -> Recipe:
        """Return the recipe with SmoothQuant on convolutions, which NNCF applies to the transformer type alone."""
        return replace(recipe, model_type="transformer", smooth_convolution=self.alpha)

    @staticmethod
    def offers(operation_types: Mapping[str, int]) -> Sequence[str]:
        """Offer it for models with convolutions."""
        return [""] if operation_types.get("Convolution", 0) + operation_types.get("GroupConvolution", 0) > 1 else []
