"""A quantized model whose layers can still be switched, and the final model with the layers of a plan put back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
import openvino
from openvino import opset13 as ops

# NNCF calls the same private transformation; openvino.passes has nothing equivalent (a test compares the results).
from openvino._offline_transformations import compress_quantize_weights_transformation

from ovquant.domain.layer import F32, FLOAT, Layer
from ovquant.domain.sample import Array
from ovquant.graph.pins import pinnable_layers, pinned, with_pinned
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

    `layers` are those that it quantizes: they can be put back to float, and to f32, to which other layers can be put too.
    `given` is the float model, and `original` the one that was quantized: the same, but for bfloat16, which is f32 there.
    """

    original: openvino.Model
    model: openvino.Model
    layers: tuple[Layer, ...]
    given: openvino.Model

    def at(self, level: str) -> tuple[Layer, ...]:
        """Return the layers that can be put to a level."""
        return self.layers if level == FLOAT else (*(layer for layer in self.layers if layer.operations), *self._others)

    def build(self, levels: Mapping[str, str] = MappingProxyType({})) -> openvino.Model:
        """Return the final model with the layers named put to a level each; raises UsageError for what it has not."""
        known = self._known(levels)
        kept = [layer for layer in known if levels[layer.name] == F32]
        # openvino ignores that an operation is to be in f32 where it has quantizers.
        back = [layer for layer in known if layer.quantizers]
        reverted = revert(self.model, back, original=self.original) if back else self.model.clone()
        final = with_types_of(compress_quantized_weights(with_known_shapes(reverted)), self.given)
        return with_pinned(final, {name for layer in kept for name in self._pinned_for(layer)}) if kept else final

    def precisions(self, built: openvino.Model) -> dict[str, str]:
        """Return the precision of each layer in a model that was built and saved, and of others those that are kept in f32."""
        kept = pinned(built)
        found = layer_precisions(built, self.layers)
        return found | {layer.name: F32 for layer in self.at(F32) if kept & {*layer.operations}} if kept else found

    def _known(self, levels: Mapping[str, str]) -> list[Layer]:
        asked: dict[str, list[str]] = {}
        for name, level in levels.items():
            asked.setdefault(level, []).append(name)
        return [layer for level, names in asked.items() for layer in chosen(self.at(level), names)]

    @cached_property
    def _computing(self) -> tuple[Layer, ...]:
        return pinnable_layers(self.model)

    @cached_property
    def _others(self) -> tuple[Layer, ...]:
        """Return the layers of which nothing is quantized: softmax, normalisation, what the recipe leaves out."""
        quantized = {name for layer in self.layers for name in layer.operations}
        return tuple(layer for layer in self._computing if not quantized & {*layer.operations})

    def _pinned_for(self, layer: Layer) -> set[str]:
        """Return the operations that a layer kept in f32 takes with it: its own, and what follows them and is in no other."""
        taken = {name for other in self.layers if other is not layer for name in other.operations}
        follow = {name for part in self._computing if part.name in layer.operations for name in part.operations}
        return {*layer.operations, *(follow - taken)}


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
