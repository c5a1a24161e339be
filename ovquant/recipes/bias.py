"""Recipes for how biases make up for the error of quantized weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from ovquant.plans import Recipe


@dataclass(frozen=True)
class Bias:
    """Correct biases: accurate (with the errors of the layers before), fast (layer by layer) or none."""

    rank: ClassVar[int] = 55
    correction: Literal["accurate", "fast", "none"] = "accurate"

    def extend(self, recipe: Recipe) -> Recipe:
        """Return the recipe with this correction."""
        return replace(recipe, bias_correction=self.correction)

    @staticmethod
    def offers(operation_types: Mapping[str, int]) -> Sequence[str]:
        """Offer accurate correction for models with convolutions and no control flow, which NNCF cannot do it in."""
        convolutions = operation_types.get("Convolution", 0) + operation_types.get("GroupConvolution", 0)
        return [""] if convolutions and "If" not in operation_types else []
