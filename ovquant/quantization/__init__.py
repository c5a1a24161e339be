"""Turn a plan into a quantized openvino.Model; the only room that imports nncf."""

import openvino

from ovquant.plans import Recipe
from ovquant.quantization.naming import MadeUp, with_unique_names
from ovquant.quantization.quantized import is_quantized, layer_precisions, precisions
from ovquant.quantization.revert import Layer, revert
from ovquant.quantization.switching import Calibration, Quantized, Validation

__all__ = [
    "Layer",
    "MadeUp",
    "Quantized",
    "Validation",
    "is_quantized",
    "layer_precisions",
    "precisions",
    "quantize",
    "revert",
    "with_unique_names",
]


def quantize(
    model: openvino.Model, recipe: Recipe, *, calibration: Calibration, validation: Validation | None = None
) -> Quantized:
    """Quantize a copy of a model by a recipe.

    calibration: requests to draw statistics from; the caller draws as many as the recipe's `calibration_size`.
    Raises ModelError with NNCF's cause, and UsageError for names to keep in float that the model does not have.
    """
    # nncf takes seconds to import, and most of what is wrong with a model, data or options shows before it is needed.
    from ovquant.quantization.build import quantize as build

    return build(model, recipe, calibration=calibration, validation=validation)
