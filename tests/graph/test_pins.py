"""Which operations of a float model can be kept in f32, and the attribute that keeps them."""

from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.errors import ModelError
from ovquant.graph.normalise import DATA, normalised
from ovquant.graph.pins import pinnable_layers, pinned, write_pinned


def weights(*shape: int) -> openvino.Node:
    return ops.constant(np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32))


@pytest.fixture
def net() -> openvino.Model:
    """A convolution with what follows it, a norm, and a matrix product of which the shape is computed."""
    image = ops.parameter([-1, 3, 8, 8], np.float32, name="image")
    scaled = ops.multiply(image, ops.constant(np.float32(0.5)), name="scaled")
    first = ops.convolution(scaled, weights(4, 3, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1], name="first")
    active = ops.relu(ops.add(first, weights(1, 4, 1, 1), name="bias"), name="active <&>")
    sizes = ops.shape_of(active, name="sizes")
    flat = ops.reshape(active, ops.constant(np.array([0, -1])), special_zero=True, name="flat")
    norm = ops.mvn(flat, ops.constant(np.array([1])), True, 1e-5, "inside_sqrt", name="norm")
    scores = ops.matmul(norm, weights(256, 5), False, False, name="scores")
    best = ops.convert(ops.reduce_max(sizes, ops.constant(np.array([0])), False), "f32", name="best")
    return openvino.Model([ops.add(scores, best, name="sum")], [image], "net")


def saved(model: openvino.Model, folder: Path) -> Path:
    path = folder / "net.xml"
    openvino.save_model(model, path, compress_to_fp16=False)
    return path


def test_a_layer_is_an_operation_that_computes_and_what_follows_it(net: openvino.Model) -> None:
    found = {layer.name: layer.operations for layer in pinnable_layers(net)}
    assert found == {
        "scaled": ("scaled",),
        "first": ("first", "bias", "active <&>", "flat"),
        "norm": ("norm",),
        "scores": ("scores", "sum"),
        "best": ("best",),
    }


def test_every_float_operation_is_in_one_layer(net: openvino.Model) -> None:
    model = normalised(net).model
    parts = [name for layer in pinnable_layers(model) for name in layer.operations]
    assert len(parts) == len(set(parts))
    floats = [
        operation.get_friendly_name()
        for operation in model.get_ops()
        if operation.get_type_name() not in DATA and operation.get_output_element_type(0).is_real()
    ]
    assert sorted(parts) == sorted(floats)


def test_pins_survive_reading_reshaping_and_saving(net: openvino.Model, tmp_path: Path) -> None:
    path, target = saved(net, tmp_path), tmp_path / "pinned.xml"
    write_pinned(path, target, {"first", "active <&>"})
    core = openvino.Core()
    model = core.read_model(target, path.with_suffix(".bin"))
    assert pinned(model) == {"first", "active <&>"}
    assert pinned(model.clone()) == pinned(model)
    model.reshape([2, 3, 8, 8])
    for compressed in (False, True):
        openvino.save_model(model, tmp_path / "again.xml", compress_to_fp16=compressed)
        assert pinned(core.read_model(tmp_path / "again.xml")) >= {"first", "active <&>"}
    assert pinned(core.read_model(path)) == set()


def test_pins_change_nothing_where_float_is_f32(net: openvino.Model, tmp_path: Path) -> None:
    path, target = saved(net, tmp_path), tmp_path / "pinned.xml"
    write_pinned(path, target, {"first", "norm"})
    core, rows = openvino.Core(), np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)
    f32 = {"INFERENCE_PRECISION_HINT": "f32"}
    plain, kept = (
        core.compile_model(core.read_model(xml, path.with_suffix(".bin")), "CPU", f32)(rows)[0]
        for xml in (path, target)
    )
    np.testing.assert_array_equal(plain, kept)


def test_an_operation_that_is_not_there_is_named(net: openvino.Model, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no operation 'second', which is to be kept in f32"):
        write_pinned(saved(net, tmp_path), tmp_path / "pinned.xml", {"first", "second"})
