"""A quantized model whose layers can still be switched, and the final model with the layers of a plan in float."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import openvino

# NNCF calls the same private transformation; openvino.passes has nothing equivalent (a test compares the results).
from openvino._offline_transformations import compress_quantize_weights_transformation

from ovquant.protocols import Array
from ovquant.quantization.float32 import with_types_of
from ovquant.quantization.revert import Layer, chosen, revert

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
        return with_types_of(compress_quantized_weights(reverted), self.given)


def compress_quantized_weights(model: openvino.Model) -> openvino.Model:
    """Replace float weights behind quantizers by integer constants, in place, and return the model."""
    compress_quantize_weights_transformation(model)
    return model
