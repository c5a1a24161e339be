"""What is put back to float computes what float does, biases included, and all else stays quantized."""

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.domain.layer import FLOAT, Layer
from ovquant.domain.recipe import Recipe
from ovquant.errors import UsageError
from ovquant.graph.precision import is_quantized, precisions
from ovquant.quantization import quantize
from ovquant.quantization.revert import chosen, revert
from tests.quantization.conftest import named, outputs, requests, weights

RECIPES = {
    "default": Recipe(),
    "mixed": Recipe(preset="mixed"),
    "smooth": Recipe(model_type="transformer", smooth_convolution=0.5),
    "accurate": Recipe(bias_correction="accurate"),
    "none": Recipe(bias_correction="none"),
    "histogram": Recipe(activation_range="histogram"),
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_reverting_every_layer_gives_float_back(branched: openvino.Model, recipe: Recipe) -> None:
    inputs = requests(branched)
    quantized = quantize(branched, recipe, calibration=inputs)
    truth = outputs(branched, inputs)
    assert np.abs(outputs(quantized.build(), inputs) - truth).max() > 1e-4
    everything = quantized.build(dict.fromkeys((layer.name for layer in quantized.layers), FLOAT))
    assert not is_quantized(everything)
    np.testing.assert_allclose(outputs(everything, inputs), truth, atol=1e-4)


# By hand ---------------------------------------------------------------------------------------------------------------

LAYERS = (
    Layer("first", ("first",), ("first/x", "first/w"), ("MatMul",)),
    Layer("second", ("second",), ("second/x", "second/w"), ("MatMul",)),
)
INPUTS = [[weights((1, 4), seed, 1.0)] for seed in range(8)]


def quantizer(source: openvino.Node, name: str) -> openvino.Node:
    """Quantize to steps so coarse that nobody takes the output for float's."""
    limits = [ops.constant(np.float32(value)) for value in (-1, 1, -1, 1)]
    made = ops.fake_quantize(source, *limits, 5)
    made.set_friendly_name(name)
    return made


def product(source: openvino.Node, name: str, seed: int, *, quantized: bool) -> openvino.Node:
    kernel: openvino.Node = ops.constant(weights((4, 4), seed))
    if quantized:
        source, kernel = quantizer(source, f"{name}/x"), quantizer(kernel, f"{name}/w")
    made = ops.matmul(source, kernel, False, False)
    made.set_friendly_name(name)
    return made


def constant(values: np.ndarray, *, halves: bool) -> openvino.Node:
    return ops.convert(ops.constant(values.astype(np.float16)), np.float32) if halves else ops.constant(values)


def network(*, quantized: bool, halves: bool = False, turned: bool = False) -> openvino.Model:
    """Two products with biases, which quantization has corrected by one and by two; the second bias may stand on the left."""
    port = ops.parameter([1, 4], np.float32, name="x")
    bias = constant(weights((1, 4), 2) + np.float32(quantized), halves=halves)
    first = ops.add(product(port, "first", 1, quantized=quantized), bias)
    first.set_friendly_name("first/bias")
    inner, shift = product(ops.relu(first), "second", 3, quantized=quantized), weights((1, 4), 4) + 2 * quantized
    pair = (inner, constant(shift.astype(np.float32), halves=halves))
    second = ops.add(*(reversed(pair) if turned else pair))
    second.set_friendly_name("second/bias")
    return named(openvino.Model([ops.result(second)], [port], "two products"), "x")


@pytest.mark.parametrize("halves", [False, True])
@pytest.mark.parametrize("turned", [False, True])
def test_corrected_biases_are_those_of_float_again(halves: bool, turned: bool) -> None:
    original = network(quantized=False, halves=halves, turned=turned)
    model = network(quantized=True, halves=halves, turned=turned)
    truth, before = outputs(original, INPUTS), outputs(model, INPUTS)
    assert np.abs(before - truth).max() > 0.5
    np.testing.assert_allclose(outputs(revert(model, LAYERS, original=original), INPUTS), truth, atol=1e-6)
    # What came in is as it was.
    assert np.array_equal(outputs(model, INPUTS), before)
    assert np.array_equal(outputs(original, INPUTS), truth)


def test_layers_that_are_not_named_stay_as_they_are() -> None:
    original, model = network(quantized=False), network(quantized=True)
    made = revert(model, LAYERS[1:], original=original)
    kept = {node.get_friendly_name() for node in made.get_ops() if node.get_type_name() == "FakeQuantize"}
    assert kept == {"first/x", "first/w"}
    assert precisions(made) == {"first": "int8", "second": "f32"}
    (addition,) = (node for node in made.get_ops() if node.get_friendly_name() == "first/bias")
    assert np.array_equal(addition.input_value(1).get_node().data, weights((1, 4), 2) + 1)
    assert np.array_equal(
        outputs(revert(model, [], original=original), INPUTS),
        outputs(model, INPUTS),
    )


def test_an_addition_that_float_does_not_have_adds_nothing_any_more() -> None:
    original, model = network(quantized=False), network(quantized=True)
    (inner,) = (node for node in model.get_ops() if node.get_friendly_name() == "second")
    (after,) = inner.output(0).get_target_inputs()
    correction = ops.add(inner, ops.constant(np.full((1, 4), 3, np.float32)))
    correction.set_friendly_name("second/correction")
    after.replace_source_output(correction.output(0))
    model.validate_nodes_and_infer_types()
    # The bias behind the correction is an addition to that, and has none to be put back itself.
    truth = outputs(original, INPUTS) + 2
    np.testing.assert_allclose(outputs(revert(model, LAYERS, original=original), INPUTS), truth, atol=1e-6)


def test_an_addition_of_activations_is_no_bias() -> None:
    def residual(*, quantized: bool) -> openvino.Model:
        port = ops.parameter([1, 4], np.float32, name="x")
        made = ops.add(product(port, "first", 1, quantized=quantized), port)
        return named(openvino.Model([ops.result(made)], [port], "residual"), "x")

    original = residual(quantized=False)
    made = revert(residual(quantized=True), LAYERS[:1], original=original)
    np.testing.assert_allclose(outputs(made, INPUTS), outputs(original, INPUTS), atol=1e-6)


# Choosing --------------------------------------------------------------------------------------------------------------


def test_layers_are_chosen_by_name_in_the_order_of_the_names() -> None:
    assert chosen(LAYERS, ["second", "first"]) == [LAYERS[1], LAYERS[0]]
    assert chosen(LAYERS, []) == []


def test_a_layer_that_is_not_there_is_named(branched: openvino.Model) -> None:
    with pytest.raises(UsageError, match="the layer 'nowhere', which this model does not have"):
        chosen(LAYERS, ["first", "nowhere", "neither"])
    quantized = quantize(branched, Recipe(), calibration=requests(branched))
    with pytest.raises(UsageError, match="nowhere"):
        quantized.build({"nowhere": FLOAT})
