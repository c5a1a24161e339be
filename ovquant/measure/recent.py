"""What quantizing leaves in memory, so that layers are switched and other numbers tried without starting anew."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import openvino

from ovquant.domain.recipe import Recipe
from ovquant.errors import ModelError
from ovquant.quantization import Compressed, Quantized, quantizer

if TYPE_CHECKING:
    from ovquant.quantization.build import Quantizer

KEPT_RECIPES = {False: 2, True: 1}
"""Quantized models that are kept, by whether they are large."""


@dataclass
class Recent:
    """The latest quantized models by recipe, one where models are `large`, and what quantizes each graph.

    `trained` is the model that was given beside its float reference, trained with quantizers in it, where one was.
    """

    large: bool
    trained: Quantized | None = None
    _models: dict[str, Quantized | Compressed] = field(default_factory=dict)
    _quantizers: dict[str, "Quantizer"] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return how many models are kept."""
        return len(self._models)

    def get(self, recipe: Recipe) -> Quantized | Compressed | None:
        """Return the model of a recipe, if it is kept; raises ModelError for a trained one that was not given."""
        if recipe.algorithm == "trained":
            if self.trained is None:
                raise ModelError(
                    "The plan is of a model that was trained with quantizers in it, which a float model cannot be made into. Give the "
                    "trained one to quantize, and the float one as --reference."
                )
            return self.trained
        return self._models.get(recipe.key)

    def make_room(self) -> None:
        """Let models leave memory for another one."""
        while len(self._models) >= KEPT_RECIPES[self.large]:
            self._models.pop(next(iter(self._models)))

    def keep(self, recipe: Recipe, model: Quantized | Compressed) -> None:
        """Keep a model as the latest."""
        self._models[recipe.key] = model

    def hold(self, recipe: Recipe) -> None:
        """Let another recipe leave memory before this one."""
        if recipe.key in self._models:
            self._models[recipe.key] = self._models.pop(recipe.key)

    def quantizer(self, graph: str, model: openvino.Model) -> "Quantizer":
        """Return what quantizes a model; it keeps what recipes have in common. graph: which of the forms the model is in."""
        if graph not in self._quantizers:
            self._quantizers[graph] = quantizer(model, large=self.large)
        return self._quantizers[graph]
