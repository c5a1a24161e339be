"""A model of bfloat16 has a copy in f32, of which no value is another."""

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.domain.bfloats import narrowed, widened
from ovquant.errors import ModelError
from ovquant.quantization.float32 import holds_bfloats, in_float32, widened_requests, with_types_of
from tests.quantization.conftest import weights

BF16, F32 = openvino.Type.bf16, openvino.Type.f32
KERNEL, ROWS = weights((4, 3), 0), weights((8, 4), 1, 1.0)


def constant(values: np.ndarray, name: str) -> openvino.Node:
    tensor = openvino.Tensor(BF16, openvino.Shape(values.shape))
    tensor.data[...] = narrowed(values)
    made = openvino.op.Constant(tensor, shared_memory=False)
    made.set_friendly_name(name)
    return made


def parameter(shape: list[int], kind: openvino.Type, name: str) -> openvino.Node:
    port = ops.parameter(shape, kind, name=name)
    port.output(0).get_tensor().set_names({name})
    return port


def linear() -> openvino.Model:
    """rows[8,4] and shift[1,3], of bfloat16 and of f32 → scores of bfloat16, and sums of f32."""
    rows, shift = parameter([8, 4], BF16, "rows"), parameter([1, 3], F32, "shift")
    product = ops.matmul(rows, constant(KERNEL, "kernel"), False, False)
    scores = ops.add(product, ops.convert(shift, BF16))
    sums = ops.reduce_sum(ops.convert(scores, F32), ops.constant(np.array([1])), False)
    return openvino.Model([ops.result(scores), ops.result(sums)], [rows, shift], "linear")


def types(model: openvino.Model) -> list[openvino.Type]:
    return [port.get_element_type() for port in (*model.inputs, *model.outputs)]


def test_bfloats_are_found_wherever_they_are() -> None:
    port = ops.parameter([8, 4], F32)
    inside = ops.convert(ops.convert(port, BF16), F32)
    assert holds_bfloats(linear())
    assert holds_bfloats(openvino.Model([inside], [port]))
    assert not holds_bfloats(openvino.Model([ops.relu(port)], [port]))
    half = ops.parameter([8, 4], np.float16)
    assert not holds_bfloats(openvino.Model([ops.convert(half, F32)], [half]))


def test_the_copy_is_in_f32_and_the_model_as_it_was() -> None:
    model = linear()
    copy = in_float32(model)
    assert types(copy) == [F32] * 4
    assert not holds_bfloats(copy)
    assert types(model) == [BF16, F32, BF16, F32]
    assert [port.get_names() for port in copy.inputs] == [{"rows"}, {"shift"}]


def test_no_value_of_the_copy_is_another() -> None:
    (kernel,) = (node for node in in_float32(linear()).get_ops() if node.get_friendly_name() == "kernel")
    assert np.array_equal(kernel.data, widened(narrowed(KERNEL)))
    compiled = openvino.Core().compile_model(in_float32(linear()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    scores, sums = compiled([ROWS, np.full((1, 3), 0.5, np.float32)]).values()
    expected = ROWS @ widened(narrowed(KERNEL)) + 0.5
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    np.testing.assert_allclose(sums, expected.sum(1), atol=1e-5)


def eye() -> openvino.Node:
    """Return an operation that makes bfloat16 itself, and cannot be told to make f32."""
    size, middle = ops.constant(np.int64(4)), ops.constant(np.int64(0))
    made = ops.eye(size, size, middle, "bf16")
    made.set_friendly_name("diagonal")
    return made


def test_an_operation_that_cannot_be_moved_is_named() -> None:
    rows = parameter([8, 4], BF16, "rows")
    made = openvino.Model([ops.result(ops.relu(rows)), ops.result(ops.convert(eye(), F32))], [rows], "apart")
    with pytest.raises(
        ModelError, match=r"operation 'diagonal' \(Eye\) cannot be moved to f32.*Export the model in f32"
    ):
        in_float32(made)


def test_one_that_meets_another_type_then_is_refused() -> None:
    rows = parameter([8, 4], BF16, "rows")
    made = openvino.Model([ops.result(ops.matmul(rows, eye(), False, False))], [rows], "together")
    with pytest.raises(ModelError, match="an operation of two types cannot be moved to f32"):
        in_float32(made)


def test_inputs_and_outputs_have_the_types_of_the_original_again() -> None:
    original = linear()
    made = with_types_of(in_float32(original), original)
    assert types(made) == [BF16, F32, BF16, F32]
    assert [port.get_names() for port in made.inputs] == [{"rows"}, {"shift"}]
    compiled = openvino.Core().compile_model(made, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    request = compiled.create_infer_request()
    rows = openvino.Tensor(BF16, openvino.Shape(ROWS.shape))
    rows.data[...] = narrowed(ROWS)
    request.infer([rows, np.zeros((1, 3), np.float32)])
    expected = widened(narrowed(ROWS)) @ widened(narrowed(KERNEL))
    np.testing.assert_allclose(widened(request.get_output_tensor(0).data), expected, rtol=2**-7, atol=1e-3)


def test_a_model_without_bfloat_ports_is_returned_as_it_is() -> None:
    port = ops.parameter([8, 4], F32)
    plain = openvino.Model([ops.convert(ops.convert(port, BF16), F32)], [port])
    copy = in_float32(plain)
    assert with_types_of(copy, plain) is copy


def test_an_output_alone_can_be_of_bfloat() -> None:
    port = ops.parameter([8, 4], F32)
    original = openvino.Model([ops.convert(port, BF16)], [port])
    assert types(with_types_of(in_float32(original), original)) == [F32, BF16]


def test_requests_are_widened_where_the_model_takes_bfloats() -> None:
    shift = np.full((1, 3), 0.5, np.float32)
    rows, kept = widened_requests([narrowed(ROWS), shift], linear())
    assert np.array_equal(rows, widened(narrowed(ROWS)))
    assert kept is shift
    with pytest.raises(ValueError, match="shorter|longer"):
        widened_requests([shift], linear())
