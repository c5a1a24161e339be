"""A quantized model is built as NNCF builds it, as often as it is asked, with the layers of each plan in float."""

from dataclasses import FrozenInstanceError
from pathlib import Path

import nncf
import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.domain.layer import F32, FLOAT, Layer
from ovquant.domain.recipe import Recipe
from ovquant.errors import UsageError
from ovquant.graph.pins import pinned
from ovquant.graph.precision import is_quantized, precisions
from ovquant.quantization import quantize
from ovquant.quantization.quantized import Quantized, compress_quantized_weights, with_known_shapes
from tests.quantization.conftest import named, outputs, requests, weights


def test_the_build_equals_nncf_s_own(branched: openvino.Model, tmp_path: Path) -> None:
    inputs = requests(branched)
    ours = quantize(branched, Recipe(), calibration=inputs).build()
    theirs = nncf.quantize(branched, nncf.Dataset(inputs, list), subset_size=len(inputs))
    np.testing.assert_array_equal(outputs(ours, inputs), outputs(theirs, inputs))
    for name, model in (("ours", ours), ("theirs", theirs)):
        openvino.save_model(model, tmp_path / f"{name}.xml", compress_to_fp16=False)
    assert (tmp_path / "ours.bin").stat().st_size == (tmp_path / "theirs.bin").stat().st_size


def test_one_layer_put_back_is_float_and_the_others_are_not(branched: openvino.Model) -> None:
    quantized = quantize(branched, Recipe(), calibration=requests(branched))
    first = next(layer for layer in quantized.layers if "third" in layer.operations)
    found = precisions(quantized.build({first.name: FLOAT}))
    assert found["third"] == "f32"
    assert found["second"] == "int8"
    # What was built before changes nothing of what is built next.
    again = precisions(quantized.build())
    assert again["third"] == again["second"] == "int8"
    assert not any(kind == "i8" for kind in kinds(quantized.model))


def test_layers_are_kept_in_f32_whether_they_are_quantized_or_not(branched: openvino.Model, tmp_path: Path) -> None:
    inputs = requests(branched)
    quantized = quantize(branched, Recipe(keep_float_names=("third",)), calibration=inputs)
    first = next(layer for layer in quantized.layers if "second" in layer.operations)
    other = next(layer for layer in quantized.at(F32) if "third" in layer.operations)
    assert other not in quantized.at(FLOAT)
    built = quantized.build({first.name: F32, other.name: F32})
    assert {"second", *other.operations} <= pinned(built)
    assert precisions(built)["second"] == "f32"
    assert "int8" in quantized.precisions(built).values()
    openvino.save_model(built, tmp_path / "built.xml")
    again = openvino.Core().read_model(tmp_path / "built.xml")
    assert pinned(again) == pinned(built)
    assert {name for name, level in quantized.precisions(again).items() if level == F32} == {first.name, other.name}
    # Where the device computes float in f32 anyway it is the same as float.
    np.testing.assert_array_equal(outputs(built, inputs), outputs(quantized.build({first.name: FLOAT}), inputs))


def test_no_quantizer_is_pinned_and_no_operation_of_another_layer(branched: openvino.Model) -> None:
    quantized = quantize(branched, Recipe(), calibration=requests(branched))
    for layer in quantized.at(F32):
        built = quantized.build({layer.name: F32})
        kept = [node for node in built.get_ops() if node.get_friendly_name() in pinned(built)]
        assert kept
        assert not any(node.get_type_name() == "FakeQuantize" for node in kept)
        others = {name for other in quantized.layers if other is not layer for name in other.operations}
        assert not others & pinned(built)


def test_what_is_float_anyway_is_not_put_back_to_float(branched: openvino.Model) -> None:
    quantized = quantize(branched, Recipe(), calibration=requests(branched))
    for layer in {*quantized.at(F32)} - {*quantized.at(FLOAT)}:
        with pytest.raises(UsageError, match=f"the layer '{layer.name}'"):
            quantized.build({layer.name: FLOAT})


def kinds(model: openvino.Model) -> list[str]:
    """Return the types of a model's constants."""
    constants = (node for node in model.get_ops() if node.get_type_name() == "Constant")
    return [node.get_element_type().get_type_name() for node in constants]


# By hand ---------------------------------------------------------------------------------------------------------------


def linear(*, quantized: bool, kind: openvino.Type = openvino.Type.f32) -> openvino.Model:
    """x[1,4] → a product; its weights are steps of a hundredth, so that int8 holds them."""
    port = ops.parameter([1, 4], kind, name="x")
    source: openvino.Node = port if kind == openvino.Type.f32 else ops.convert(port, "f32")
    kernel: openvino.Node = ops.constant(np.round(weights((4, 4), 0), 2).clip(-1.27, 1.27))
    if quantized:
        limits = [ops.constant(np.float32(value)) for value in (-1.27, 1.27, -1.27, 1.27)]
        kernel = ops.fake_quantize(kernel, *limits, 255)
        kernel.set_friendly_name("product/w")
    made = ops.matmul(source, kernel, False, False)
    made.set_friendly_name("product")
    made = made if kind == openvino.Type.f32 else ops.convert(made, kind)
    return named(openvino.Model([ops.result(made)], [port], "linear"), "x")


LAYERS = (Layer("product", ("product",), ("product/w",), ("MatMul",)),)
INPUTS = [[weights((1, 4), seed, 1.0)] for seed in range(4)]


def test_weights_behind_quantizers_become_integers() -> None:
    model = linear(quantized=True)
    before = outputs(model, INPUTS)
    assert "i8" not in kinds(model)
    made = compress_quantized_weights(model)
    assert made is model
    assert "i8" in kinds(made)
    assert not any(node.get_type_name() == "FakeQuantize" for node in made.get_ops())
    np.testing.assert_allclose(outputs(made, INPUTS), before, atol=1e-5)


def test_a_plan_without_float_layers_is_built_of_a_copy() -> None:
    original, model = linear(quantized=False), linear(quantized=True)
    quantized = Quantized(original, model, LAYERS, original)
    for _ in range(2):
        assert precisions(quantized.build()) == {"product": "int8-weights"}
        assert not is_quantized(quantized.build({"product": FLOAT}))
    assert "i8" not in kinds(model)
    with pytest.raises(FrozenInstanceError):
        quantized.model = original  # type: ignore[misc]
    np.testing.assert_allclose(
        outputs(quantized.build({"product": FLOAT}), INPUTS), outputs(original, INPUTS), atol=1e-6
    )


def test_inputs_and_outputs_are_of_the_types_that_were_given() -> None:
    given = linear(quantized=False, kind=openvino.Type.bf16)
    made = Quantized(linear(quantized=False), linear(quantized=True), LAYERS, given).build()
    assert [port.get_element_type() for port in (*made.inputs, *made.outputs)] == [openvino.Type.bf16] * 2
    assert made.inputs[0].get_names() == {"x"}


@pytest.mark.parametrize("halves", [False, True])
@pytest.mark.parametrize("kind", ["i32", "i64"])
def test_the_shape_of_a_constant_is_its_value(halves: bool, kind: str) -> None:
    port = ops.parameter([-1, 4], np.float32, name="x")
    table: openvino.Node = ops.constant(weights((7, 4), 0).astype(np.float16 if halves else np.float32))
    table = ops.convert(table, "f32") if halves else table
    known, open_ = ops.shape_of(table, kind), ops.shape_of(port, kind)
    results = [ops.result(known), ops.result(open_), ops.result(ops.matmul(port, table, False, True))]
    model = openvino.Model(results, [port], "shapes")
    made = with_known_shapes(model)
    assert made is model
    assert [node.get_type_name() for node in made.get_ops()].count("ShapeOf") == 1
    assert made.outputs[0].get_element_type().get_type_name() == kind
    compiled = openvino.Core().compile_model(made, "CPU")
    found = compiled([weights((3, 4), 1)])
    assert (found[0].tolist(), found[1].tolist()) == ([7, 4], [3, 4])
