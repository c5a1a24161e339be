"""Models are opened up where both have an operation, and compute what they did."""

import nncf
import numpy as np
import openvino
from openvino import opset13 as ops

from ovquant.graph.taps import apart, fed_at, shared_operations, tapped

F32 = {"INFERENCE_PRECISION_HINT": "f32"}
X = np.random.default_rng(0).standard_normal((2, 4)).astype(np.float32)


def chain(*, last: str = "third") -> openvino.Model:
    x = ops.parameter([-1, 4], np.float32, name="x")
    table = np.random.default_rng(1).standard_normal((4, 4)).astype(np.float32)
    value = x
    for name in ("first", "second", last):
        value = ops.tanh(ops.matmul(value, ops.constant(table), False, False))
        value.set_friendly_name(name)
        value.input_value(0).get_node().set_friendly_name(f"{name}.product")
    return openvino.Model([ops.result(value)], [x], "chain")


def run(model: openvino.Model, *inputs: np.ndarray) -> list[np.ndarray]:
    compiled = openvino.Core().compile_model(model, "CPU", F32)
    return [np.array(value) for value in compiled(list(inputs)).values()]


def test_operations_are_shared_by_name_type_and_shape() -> None:
    names = shared_operations(chain(), chain(last="other"))
    assert names == ["first.product", "first", "second.product", "second"]
    quantized = nncf.compress_weights(chain())
    # What weights are made of is part of the product that reads it.
    assert shared_operations(chain(), quantized) == [*names, "third.product", "third"]


def test_taps_come_behind_the_outputs() -> None:
    model = chain()
    whole, first, second = run(tapped(model, ["first", "second"]), X)
    assert np.allclose(whole, run(model, X)[0], atol=1e-6)
    assert not np.allclose(first, second)
    assert len(model.outputs) == 1


def test_each_operation_apart_is_given_what_the_last_one_should_make() -> None:
    model, names = chain(), shared_operations(chain(), chain())
    values = run(tapped(model, names), X)[1:]
    alone = run(apart(model, names), X, *values)
    for mine, wanted in zip(alone, values, strict=True):
        assert np.allclose(mine, wanted, atol=1e-6)
    # What comes before is not looked at.
    other = run(apart(model, names), X, *[value * 0 for value in values])
    assert np.allclose(other[0], values[0], atol=1e-6)
    assert not np.allclose(other[2], values[2])


def test_an_operation_can_be_given_in_its_stead() -> None:
    model = chain()
    (value,) = run(tapped(model, ["second"]), X)[1:]
    assert np.allclose(run(fed_at(model, "second"), X, value)[0], run(model, X)[0], atol=1e-6)
    assert np.allclose(run(fed_at(model, "second"), X, value * 0)[0], 0)
    # The last one feeds the output itself.
    assert np.allclose(run(fed_at(model, "third"), X, value)[0], value)
