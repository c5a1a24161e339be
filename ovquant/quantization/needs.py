"""What a recipe needs in memory: an estimate, made before what would not fit is begun."""

import math
from collections.abc import Sequence

import openvino

from ovquant.domain.recipe import Recipe
from ovquant.domain.sample import Array

HELD = {"mean-quantile": 2.0, "quantile": 2.0, "histogram": 1.5}
"""How many times the activations of one request are held at once, where a range is estimated from all of their values; once for
other estimators."""
COPIES, SMOOTHED_COPIES = 2.0, 3.5
"""Copies of the weights: as compiled for the statistics and as quantized; SmoothQuant, which changes them, makes more."""


def needed_bytes(model: openvino.Model, recipe: Recipe, request: Sequence[Array], count: int) -> int:
    """Return about how many bytes more it takes to quantize a model by a recipe.

    request: the inputs of one request, as the model takes them; count: how many there are.
    """
    weights = _weights(model)
    if recipe.algorithm == "weights":
        return weights
    copies = SMOOTHED_COPIES if recipe.model_type == "transformer" else COPIES
    activations = _activations(model, request)
    statistics = HELD.get(recipe.activation_range, 1.0) * sum(activations)
    # Layer by layer, the inputs and what comes to the layer are kept of all samples.
    kept = sum(array.nbytes for array in request) + max(activations, default=0)
    correction = count * kept if recipe.bias_correction == "accurate" else 0
    return int(copies * weights + max(statistics, correction))


def activation_bytes(model: openvino.Model, request: Sequence[Array]) -> int:
    """Return the bytes of all values between the operations of a model for a request, of which a device keeps fewer; 0 where unknown."""
    return sum(_activations(model, request))


def _weights(model: openvino.Model) -> int:
    """Return the bytes of the constants, in f32 where they are real numbers."""
    return sum(
        max(operation.get_byte_size(), 4 * math.prod(operation.get_output_shape(0)))
        if operation.get_element_type().is_real()
        else operation.get_byte_size()
        for operation in model.get_ops()
        if operation.get_type_name() == "Constant"
    )


def _activations(model: openvino.Model, request: Sequence[Array]) -> list[int]:
    """Return the bytes of each float output of an operation for a request; those of unknown size count for nothing."""
    shaped = model
    if model.is_dynamic():
        shaped = model.clone()
        try:
            shaped.reshape({port: list(array.shape) for port, array in zip(shaped.inputs, request, strict=True)})
        except RuntimeError:
            return []
    return [
        math.prod(port.get_shape()) * port.get_element_type().size
        for operation in shaped.get_ops()
        if operation.get_type_name() not in ("Constant", "Result")
        for port in operation.outputs()
        if port.get_partial_shape().is_static and port.get_element_type().is_real()
    ]
