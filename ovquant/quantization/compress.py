"""Store quantized weights in eight bits; quantize weights alone."""

import nncf
import openvino

# NNCF calls the same private transformation; openvino.passes has nothing equivalent (a test compares the results).
from openvino._offline_transformations import compress_quantize_weights_transformation

from ovquant.plans import Recipe
from ovquant.quantization.settings import ignored_scope


def compress_quantized_weights(model: openvino.Model) -> openvino.Model:
    """Replace float weights behind quantizers by integer constants, in place, and return the model."""
    compress_quantize_weights_transformation(model)
    return model


def compress_weights(model: openvino.Model, recipe: Recipe) -> openvino.Model:
    """Return a copy with int8 weights and float activations; no data are needed."""
    mode = nncf.CompressWeightsMode.INT8_ASYM
    return nncf.compress_weights(model.clone(), mode=mode, ignored_scope=ignored_scope(model, recipe))
