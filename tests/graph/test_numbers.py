"""Integers, scales and zero points of weights in four bits: read as they are, and put in."""

from dataclasses import replace

import nncf
import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.graph.numbers import float_weights, stored_numbers, with_numbers
from ovquant.graph.precision import precisions, quantizers_of

ROWS, COLUMNS = 24, 64


@pytest.fixture(scope="module")
def model() -> openvino.Model:
    """Return two products, the last of which NNCF leaves in eight bits."""
    source = ops.parameter([-1, COLUMNS], np.float32, name="x")
    random = np.random.default_rng(0)
    for name, rows in (("first", ROWS), ("second", COLUMNS), ("last", 8)):
        width = source.output(0).get_partial_shape()[1].get_length()
        weight = ops.constant(random.normal(size=(rows, width)).astype(np.float32))
        source = ops.matmul(source, weight, False, True)
        source.set_friendly_name(name)
    return openvino.Model([source], [source_parameter(source)], "products")


def source_parameter(node: openvino.Node) -> openvino.Node:
    while node.get_type_name() != "Parameter":
        node = node.input_value(0).get_node()
    return node


MODES = {
    "u4": {"mode": nncf.CompressWeightsMode.INT4_ASYM, "group_size": 8},
    "i4": {"mode": nncf.CompressWeightsMode.INT4_SYM, "group_size": 8},
    "whole": {"mode": nncf.CompressWeightsMode.INT4_ASYM, "group_size": -1},
}


@pytest.fixture(params=list(MODES))
def compressed(model: openvino.Model, request: pytest.FixtureRequest) -> openvino.Model:
    return nncf.compress_weights(model.clone(), ratio=1.0, **MODES[request.param])


def outputs(model: openvino.Model) -> np.ndarray:
    properties = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
    inputs = np.random.default_rng(1).normal(size=(5, COLUMNS)).astype(np.float32)
    return np.array(openvino.Core().compile_model(model, "CPU", properties)([inputs])[0])


def test_they_are_those_that_the_model_computes_with(model: openvino.Model, compressed: openvino.Model) -> None:
    numbers = stored_numbers(compressed)
    assert set(numbers) == {"first", "second"}
    weights = float_weights(model, numbers)
    for name, found in numbers.items():
        low, high = found.span
        assert found.codes.min() >= low
        assert found.codes.max() <= high
        # Nearest rounding: no weight is further from its own value than half a step, f16 scales and clipping aside.
        steps = np.abs(found.values - weights[name]).reshape(found.codes.shape) / np.abs(found.scale)
        assert np.quantile(steps, 0.95) < 0.55
    # The values that are read, put into the float model, answer as the compressed one does, but for its last layer in eight bits.
    plain = model.clone()
    for operation in plain.get_ops():
        if operation.get_friendly_name() in numbers:
            values = ops.constant(numbers[operation.get_friendly_name()].values)
            operation.input(1).replace_source_output(values.output(0))
    np.testing.assert_allclose(outputs(plain), outputs(compressed), atol=0.02 * np.abs(outputs(model)).max())


def test_others_take_their_place_and_survive_a_file(compressed: openvino.Model, tmp_path) -> None:  # type: ignore[no-untyped-def]
    numbers = stored_numbers(compressed)
    random, changed = np.random.default_rng(2), {}
    for name, found in numbers.items():
        low, high = found.span
        codes = random.integers(low, high + 1, found.codes.shape).astype(np.int8)
        zero = found.zero if found.kind == "i4" else random.integers(0, 16, found.zero.shape).astype(np.int8)
        changed[name] = replace(found, codes=codes, zero=zero, scale=(found.scale * 2).astype(np.float32))
    made = with_numbers(compressed, changed)
    openvino.save_model(made, tmp_path / "made.xml")
    for model in (made, openvino.Core().read_model(tmp_path / "made.xml")):
        found = stored_numbers(model)
        for name, wanted in changed.items():
            np.testing.assert_array_equal(found[name].codes, wanted.codes)
            np.testing.assert_array_equal(found[name].zero, wanted.zero)
            np.testing.assert_array_equal(found[name].scale, wanted.scale)
        assert precisions(model) == precisions(compressed)
    # What was given is as it was.
    np.testing.assert_array_equal(stored_numbers(compressed)["first"].codes, numbers["first"].codes)


def test_numbers_of_another_shape_are_refused_by_name(compressed: openvino.Model) -> None:
    numbers = stored_numbers(compressed)
    with pytest.raises(ValueError, match=r"'first' does not store its weight as [ui]4 \[64"):
        with_numbers(compressed, {"first": numbers["second"]})
    with pytest.raises(ValueError, match="'none' does not store"):
        with_numbers(compressed, {"none": numbers["first"]})


def test_zero_points_of_four_bits_are_told_as_they_are(compressed: openvino.Model) -> None:
    product = next(node for node in compressed.get_ops() if node.get_friendly_name() == "second")
    (told,) = quantizers_of(product)
    zero = stored_numbers(compressed)["second"].zero
    assert (told.zero_min, told.zero_max) == (zero.min(), zero.max())
