"""Quantize weights alone."""

import nncf
import openvino

from ovquant.plans import Recipe
from ovquant.quantization.settings import ignored_scope


def compress_weights(model: openvino.Model, recipe: Recipe) -> openvino.Model:
    """Return a copy with int8 weights and float activations; no data are needed."""
    mode = nncf.CompressWeightsMode.INT8_ASYM
    return nncf.compress_weights(model.clone(), mode=mode, ignored_scope=ignored_scope(model, recipe))
