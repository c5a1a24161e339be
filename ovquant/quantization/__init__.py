"""Turn a plan into a quantized openvino.Model; the only room that imports nncf."""

from typing import TYPE_CHECKING

import openvino

from ovquant.domain.layer import Layer
from ovquant.domain.recipe import Recipe
from ovquant.graph.names import MadeUp, with_unique_names
from ovquant.graph.precision import is_quantized, precisions
from ovquant.quantization.compressed import Compressed
from ovquant.quantization.needs import activation_bytes, needed_bytes
from ovquant.quantization.pinnable import Pinnable
from ovquant.quantization.quantized import Calibration, Quantized, Validation
from ovquant.quantization.revert import revert

if TYPE_CHECKING:
    from ovquant.quantization.build import Quantizer

__all__ = [
    "Compressed",
    "Layer",
    "MadeUp",
    "Pinnable",
    "Quantized",
    "Switchable",
    "Validation",
    "activation_bytes",
    "is_quantized",
    "load_alone",
    "needed_bytes",
    "precisions",
    "quantize",
    "quantizer",
    "revert",
    "with_unique_names",
]


Switchable = Quantized | Compressed | Pinnable
"""What a recipe makes of a model, with layers that can be put to other levels."""


def load_alone() -> None:
    """Load NNCF without torch, in a process that quantizes openvino models alone; see `import_alone`."""
    from ovquant.quantization.alone import import_alone

    import_alone()


def quantizer(model: openvino.Model, *, large: bool = False) -> "Quantizer":
    """Return what quantizes copies of a model by ever other recipes, doing once what these have in common.

    large: keep no copy of weights from one recipe to the next.
    """
    # nncf takes seconds to import, and most of what is wrong with a model, data or options shows before it is needed.
    from ovquant.quantization.build import Quantizer

    return Quantizer(model, large=large)


def quantize(
    model: openvino.Model, recipe: Recipe, *, calibration: Calibration, validation: Validation | None = None
) -> Quantized | Compressed:
    """Quantize a copy of a model by a recipe.

    calibration: requests to draw statistics from; the caller draws as many as the recipe's `calibration_size`.
    Raises ModelError with NNCF's cause, and UsageError for names to keep in float that the model does not have.
    """
    return quantizer(model).quantize(recipe, calibration=calibration, validation=validation)
