"""A quantized model whose layers can still be switched, and the final model with the layers of a plan in float."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import openvino
from openvino import opset13 as ops

# NNCF calls the same private transformation; openvino.passes has nothing equivalent (a test compares the results).
from openvino._offline_transformations import compress_quantize_weights_transformation

from ovquant.domain.layer import Layer
from ovquant.domain.sample import Array
from ovquant.graph.precision import layer_precisions
from ovquant.quantization.float32 import with_types_of
from ovquant.quantization.revert import chosen, revert

Calibration = Sequence[Sequence[Array]]
"""Whole requests: for each, one array per model input in order, batch axis included."""


@dataclass(frozen=True)
class Validation:
    """What accuracy control needs: how to score a model, and the drop that is allowed.

    `score` takes the samples to score, by place, and returns the score and one number per sample, both turned so that
    higher is better.
    """

    score: Callable[[openvino.CompiledModel, Sequence[int]], tuple[float, list[float]]]
    samples: int
    allowed_drop: float


@dataclass(frozen=True)
class Quantized:
    """A model quantized by a recipe, its weights not yet compressed, so that layers can still be put back.

    `given` is the float model, and `original` the one that was quantized: the same, but for bfloat16, which is f32 there.
    """

    original: openvino.Model
    model: openvino.Model
    layers: tuple[Layer, ...]
    given: openvino.Model

    def build(self, float_layers: Sequence[str] = ()) -> openvino.Model:
        """Return the final model with the named layers in float; raises UsageError for an unknown name."""
        picked = chosen(self.layers, float_layers)
        reverted = revert(self.model, picked, original=self.original) if picked else self.model.clone()
        return with_types_of(compress_quantized_weights(with_known_shapes(reverted)), self.given)

    def precisions(self, built: openvino.Model) -> dict[str, str]:
        """Return the precision of each layer in a model that was built and saved."""
        return layer_precisions(built, self.layers)


def with_known_shapes(model: openvino.Model) -> openvino.Model:
    """Replace the shapes of constants by their values, in place, and return the model.

    A constant whose shape is asked for, such as the table of an embedding, would else be kept in float beside its integers.
    """
    for operation in model.get_ops():
        if operation.get_type_name() == "ShapeOf" and _is_constant(operation.input_value(0).get_node()):
            sizes = np.array(list(operation.get_input_shape(0)), operation.get_element_type().to_dtype())
            operation.output(0).replace(ops.constant(sizes).output(0))
    return model


def _is_constant(node: openvino.Node) -> bool:
    kind = node.get_type_name()
    return bool(kind == "Constant" or (kind == "Convert" and _is_constant(node.input_value(0).get_node())))


def compress_quantized_weights(model: openvino.Model) -> openvino.Model:
    """Replace float weights behind quantizers by integer constants, in place, and return the model."""
    compress_quantize_weights_transformation(model)
    return model
