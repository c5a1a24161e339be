"""Weights that are stored in few bits become float; what quantizes activations is told apart."""

from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.graph.decompression import decompressed, half_in_place
from ovquant.graph.precision import is_quantized
from tests.faults.test_fingerprints import with_loop
from tests.plugins.loaders.tflite_files import write_tflite

RNG = np.random.default_rng(0)
CODES = RNG.integers(-127, 128, (16, 8)).astype(np.int8)
F32 = {"INFERENCE_PRECISION_HINT": "f32"}


def stored(port: openvino.Node) -> openvino.Node:
    values = ops.subtract(ops.convert(ops.constant(CODES), "f32"), ops.constant(np.float32(3)))
    return ops.matmul(port, ops.multiply(values, ops.constant(np.full((1, 8), 0.25, np.float32))), False, False)


def limits(size: float) -> list[openvino.Node]:
    return [ops.constant(np.float32(value)) for value in (-size, size, -size, size)]


def fake(port: openvino.Node) -> openvino.Node:
    weights = ops.fake_quantize(ops.constant(CODES.astype(np.float32) / 100), *limits(1.0), 255)
    return ops.matmul(port, weights, False, False)


def activations(port: openvino.Node) -> openvino.Node:
    return stored(ops.fake_quantize(port, *limits(4.0), 256))


def model(build: object, *, name: str = "head") -> openvino.Model:
    port = ops.parameter([-1, 16], np.float32)
    head = build(port)  # type: ignore[operator]
    head.set_friendly_name(name)
    return openvino.Model([head], [port], "net")


@pytest.mark.parametrize("build", [stored, fake])
def test_stored_weights_become_float_and_compute_the_same(build: object) -> None:
    given = model(build)
    found = decompressed(given)
    assert found is not None
    assert is_quantized(given)
    assert not is_quantized(found)
    assert [operation.get_type_name() for operation in found.get_ordered_ops()] == [
        "Parameter",
        "Constant",
        "MatMul",
        "Result",
    ]
    assert "head" in [operation.get_friendly_name() for operation in found.get_ops()]
    rows, core = RNG.standard_normal((5, 16)).astype(np.float32), openvino.Core()
    expected, outputs = (core.compile_model(item, "CPU", F32)(rows)[0] for item in (given, found))
    assert outputs == pytest.approx(expected, rel=1e-5, abs=1e-4)


def test_quantized_activations_are_more_than_stored_weights() -> None:
    assert decompressed(model(activations)) is None


def same_outputs(given: openvino.Model, found: openvino.Model, shape: tuple[int, ...]) -> bool:
    values, core = RNG.standard_normal(shape).astype(np.float32), openvino.Core()
    expected, outputs = (core.compile_model(item, "CPU", F32)(values)[0] for item in (given, found))
    return bool(np.allclose(outputs, expected, rtol=1e-5, atol=1e-5))


def test_weights_of_a_dynamic_range_file_become_float(tmp_path: Path) -> None:
    codes = RNG.integers(-127, 128, (8, 3, 3, 2)).astype(np.int8)
    path = write_tflite(tmp_path / "m.tflite", codes, np.zeros(8), size=6, scales=np.full(8, 0.01))
    given = openvino.Core().read_model(path)
    found = decompressed(given)
    assert is_quantized(given)
    assert found is not None
    assert same_outputs(given, found, (1, 6, 6, 2))


def test_weights_in_a_body_become_float() -> None:
    def body(port: openvino.Node) -> openvino.Node:
        weights = ops.multiply(ops.convert(ops.constant(CODES[:4, :4]), "f32"), ops.constant(np.float32(0.01)))
        return ops.matmul(port, weights, False, False)

    given = with_loop(body)
    found = decompressed(given)
    assert is_quantized(given)
    assert found is not None
    assert same_outputs(given, found, (1, 4))


def test_f16_weights_of_a_file_are_brought_into_the_shape_that_they_are_used_in(tmp_path: Path) -> None:
    weights = RNG.standard_normal((8, 3, 3, 2)).astype(np.float16)
    given = openvino.Core().read_model(write_tflite(tmp_path / "m.tflite", weights, np.zeros(8), size=6))
    found = half_in_place(given)
    assert not is_quantized(given)
    assert found is not None
    (convolution,) = (item for item in found.get_ops() if item.get_type_name() == "Convolution")
    convert = convolution.input_value(1).get_node()
    constant = convert.input_value(0).get_node()
    assert (convert.get_type_name(), constant.get_type_name()) == ("Convert", "Constant")
    assert constant.get_element_type().get_type_name() == "f16"
    assert same_outputs(given, found, (1, 6, 6, 2))
    assert half_in_place(found) is None
