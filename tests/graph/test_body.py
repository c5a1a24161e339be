"""A body is found between the steps around it, taken out as it was, and replaced."""

from collections.abc import Callable, Iterator

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops
from openvino.preprocess import ColorFormat, PrePostProcessor, ResizeAlgorithm

from ovquant.graph.body import Body, bodies
from ovquant.graph.fingerprint import structure


def net(seed: int = 1, *, inputs: int = 1) -> openvino.Model:
    """Return [1,3,16,16] → convolution → scores [1,5], with a second input that is added where there are two."""
    rng = np.random.default_rng(seed)
    ports = [ops.parameter([1, 3, 16, 16], np.float32) for _ in range(inputs)]
    for port, name in zip(ports, ("x", "y"), strict=False):
        port.output(0).get_tensor().set_names({name})
    whole = ops.add(ports[0], ports[1]) if inputs == 2 else ports[0]
    kernel = ops.constant(rng.standard_normal((8, 3, 3, 3)).astype(np.float32))
    found = ops.relu(ops.convolution(whole, kernel, [1, 1], [1, 1], [1, 1], [1, 1]))
    pooled = ops.reduce_mean(found, ops.constant(np.array([2, 3])), False)
    head = ops.matmul(pooled, ops.constant(rng.standard_normal((8, 5)).astype(np.float32)), False, False)
    made = openvino.Model([head], ports, "net")
    made.outputs[0].get_tensor().set_names({"scores"})
    return made


def plain(model: openvino.Model) -> openvino.Model:
    processor = PrePostProcessor(model)
    processor.input(0).tensor().set_element_type(openvino.Type.u8)
    return processor.build()


def image(model: openvino.Model) -> openvino.Model:
    """Put the steps around a model that an application with a camera has."""
    processor = PrePostProcessor(model)
    tensor = processor.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    tensor.set_color_format(ColorFormat.BGR).set_spatial_dynamic_shape()
    processor.input().model().set_layout(openvino.Layout("NCHW"))
    steps = processor.input().preprocess().convert_element_type(openvino.Type.f32).convert_color(ColorFormat.RGB)
    steps.resize(ResizeAlgorithm.RESIZE_LINEAR).mean([100.0, 110.0, 120.0]).scale([50.0, 60.0, 70.0])
    processor.output().tensor().set_element_type(openvino.Type.f16)
    return processor.build()


def cropped(model: openvino.Model) -> openvino.Model:
    processor = PrePostProcessor(model)
    processor.input().tensor().set_shape([1, 3, 20, 24])
    processor.input().preprocess().crop([0, 0, 2, 4], [1, 3, 18, 20])
    processor.output().postprocess().custom(lambda port: ops.softmax(port, 1).output(0))
    return processor.build()


def none(model: openvino.Model) -> openvino.Model:
    return model


def known(model: openvino.Model, like: openvino.Model) -> Iterator[Body]:
    return (body for body in bodies(model, like) if structure(body.of(model)) == structure(like))


@pytest.mark.parametrize(
    ("steps", "shape", "kind"),
    [(image, (1, 30, 40, 3), np.uint8), (cropped, (1, 3, 20, 24), np.float32), (none, (1, 3, 16, 16), np.float32)],
)
def test_it_is_found_and_replaced_to_the_bit(
    steps: Callable[[openvino.Model], openvino.Model], shape: tuple[int, ...], kind: type
) -> None:
    model, other = steps(net()), net(seed=2)
    before = structure(model)
    (body,) = known(model, net())
    part, whole = body.of(model), body.replaced(model, other)
    assert [port.get_partial_shape() for port in part.inputs] == [openvino.PartialShape([1, 3, 16, 16])]
    assert (whole.get_friendly_name(), structure(model)) == (other.get_friendly_name(), before)
    values = np.random.default_rng(3).integers(0, 255, shape).astype(kind)
    core = openvino.Core()
    found = core.compile_model(whole, "CPU")(values)[0]
    assert np.array_equal(found, core.compile_model(steps(net(seed=2)), "CPU")(values)[0])
    assert not np.array_equal(found, core.compile_model(model, "CPU")(values)[0])
    for name in ("inputs", "outputs"):
        ports = [(port.get_names(), port.get_element_type()) for port in getattr(whole, name)]
        assert ports == [(port.get_names(), port.get_element_type()) for port in getattr(model, name)]


def test_each_input_has_steps_of_its_own() -> None:
    model = plain(net(inputs=2))
    (body,) = known(model, net(inputs=2))
    whole = body.replaced(model, net(seed=2, inputs=2))
    one, other = (np.random.default_rng(seed).integers(0, 9, (1, 3, 16, 16)) for seed in (4, 5))
    core = openvino.Core()
    values = [one.astype(np.uint8), other.astype(np.float32)]
    by_hand = core.compile_model(plain(net(seed=2, inputs=2)), "CPU")
    assert np.array_equal(core.compile_model(whole, "CPU")(values)[0], by_hand(values)[0])


def test_what_is_said_of_a_model_goes_with_it() -> None:
    model, other = image(net()), net(seed=2)
    other.set_rt_info("exact", ["ovquant", "int8"])
    other.set_rt_info("32", ["runtime_options", "DYNAMIC_QUANTIZATION_GROUP_SIZE"])
    (body,) = known(model, net())
    whole = body.replaced(model, other)
    assert whole.get_rt_info(["ovquant", "int8"]).value == "exact"
    assert whole.get_rt_info(["runtime_options", "DYNAMIC_QUANTIZATION_GROUP_SIZE"]).value == "32"


def test_another_model_is_not_found_within() -> None:
    assert list(known(image(net()), net(seed=2))) == []
    assert list(bodies(net(inputs=2), net())) == []


def test_models_that_keep_state_have_no_parts() -> None:
    port = ops.parameter([1, 4], np.float32)
    read = ops.read_value(port, "state", np.float32, [1, 4])
    total = ops.add(read, port)
    stateful = openvino.Model([ops.result(total)], [ops.assign(total, "state")], [port], "sum")
    assert list(bodies(stateful, stateful)) == []
