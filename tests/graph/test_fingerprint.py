"""A fingerprint is of what a model computes."""

from pathlib import Path

import numpy as np
import openvino
from openvino import opset13 as ops

from ovquant.graph.fingerprint import constant_bytes, fingerprint, operation_types, structure


def model(value: float, kind: str = "add") -> openvino.Model:
    port = ops.parameter([1, 4], np.float32)
    constant = ops.constant(np.full((1, 4), value, np.float32))
    return openvino.Model([getattr(ops, kind)(port, constant)], [port], "m")


def test_they_are_made_as_they_were() -> None:
    """By them the results and profiles of earlier versions are known again."""
    before = openvino.Core().read_model(Path(__file__).parents[1] / "written_before" / "net.xml")
    assert (fingerprint(before), structure(before)) == ("2:27c1608af7d70950", "2:7f72b232ca68bc4b")
    assert fingerprint(before, values=False) == "2:76a3117ad5eb78bf"


def test_equal_models_made_twice_are_equal() -> None:
    assert fingerprint(model(1)) == fingerprint(model(1)) == fingerprint(model(1).clone())


def test_a_weight_an_operation_or_a_shape_makes_another() -> None:
    reshaped = model(1)
    reshaped.reshape([3, 4])
    assert len({fingerprint(item) for item in (model(1), model(2), model(1, "multiply"), reshaped)}) == 4


def test_without_values_weights_do_not_count_and_axes_do() -> None:
    assert fingerprint(model(1), values=False) == fingerprint(model(2), values=False)
    assert fingerprint(model(1), values=False) != fingerprint(model(1, "multiply"), values=False)

    def turned(*order: int) -> openvino.Model:
        port = ops.parameter([2, 2, 2], np.float32)
        return openvino.Model([ops.transpose(port, ops.constant(np.array(order)))], [port], "m")

    assert fingerprint(turned(0, 2, 1), values=False) != fingerprint(turned(2, 1, 0), values=False)


def test_the_structure_stays_when_openvino_simplifies_what_it_reshapes() -> None:
    port = ops.parameter([-1, 8, 4], np.float32)
    turned = ops.transpose(port, ops.constant(np.array([0, 2, 1])))
    made = openvino.Model([ops.matmul(port, turned, False, False)], [port], "m")
    variants = [made.clone() for _ in range(3)]
    variants[1].reshape([2, 8, 4])
    variants[2].reshape([2, 8, 4])
    variants[2].reshape([-1, 8, 6])
    assert len({structure(variant) for variant in variants}) == 1
    assert fingerprint(made, shapes=False) != fingerprint(variants[1], shapes=False)
    assert structure(made) != structure(model(1))


def test_types_are_counted() -> None:
    assert operation_types(model(1))["Add"] == 1


def test_the_bytes_of_constants_are_counted_by_their_type() -> None:
    port = ops.parameter([1, 4], np.float32)
    halves = ops.convert(ops.constant(np.ones((1, 4), np.float16)), "f32")
    assert constant_bytes(model(1)) == 16
    assert constant_bytes(openvino.Model([ops.add(port, halves)], [port], "m")) == 8


def quantized(low: float, high: float, levels: int = 256) -> openvino.Model:
    signal = ops.parameter([1, 4], np.float32)
    ends = [np.float32(value) for value in (low, high, low, high)]
    return openvino.Model([ops.fake_quantize(signal, *ends, levels)], [signal], "quantized")


def test_models_with_and_without_zero_points_take_another_time() -> None:
    centred, narrow, from_zero, shifted = (
        fingerprint(model, values=False)
        for model in (quantized(-1.28, 1.27), quantized(-3, 3), quantized(0, 2.55), quantized(-0.375, 2))
    )
    assert centred == narrow == from_zero != shifted
