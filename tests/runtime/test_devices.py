"""Devices are asked what they can do, and compiled models what they run."""

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.errors import DeviceError
from ovquant.runtime import Deployment, compile_model, devices, int8_arithmetic
from ovquant.runtime.devices import SERVED, Executed, capabilities, executed, operations_run, properties_of
from ovquant.runtime.processor import instructions
from tests.runtime.conftest import F32, doubler, mixer


def test_what_is_executed_is_listed() -> None:
    nodes = executed(compile_model(doubler([1, 2]), Deployment()))
    assert any("twice" in name or "Multiply" in name for node in nodes for name in node.operations)
    assert all(node.precision for node in nodes)


def test_each_primitive_is_listed_with_its_kind_precision_and_operations() -> None:
    model = mixer()
    for operation in model.get_ops():
        if operation.get_type_name() in ("Add", "Multiply"):
            operation.set_friendly_name(f"my {operation.get_type_name()}")
    nodes = executed(compile_model(model, Deployment(properties=F32)))
    kinds = [node.kind for node in nodes]
    assert (kinds.count("Input"), kinds.count("Output")) == (2, 2)
    # What is computed comes after what it is computed from.
    assert max(place for place, kind in enumerate(kinds) if kind == "Input") < kinds.index("Output")
    computed = {name: node for node in nodes for name in node.operations if name.startswith("my ")}
    assert set(computed) == {"my Add", "my Multiply"}
    for node in computed.values():
        assert isinstance(node, Executed)
        assert (node.name in computed, node.precision) == (True, "f32")
        assert node.primitive
    assert not any("" in node.operations for node in nodes)


def test_each_of_the_operations_that_are_run_as_one_is_named() -> None:
    port = ops.parameter([1, 16], np.float32)
    product = ops.matmul(port, ops.constant(np.ones((16, 16), np.float32)), False, False)
    product.set_friendly_name("my product")
    clipped = ops.relu(product)
    clipped.set_friendly_name("my relu")
    nodes = executed(compile_model(openvino.Model([clipped], [port], "fused"), Deployment(properties=F32)))
    named = [name for node in nodes for name in node.operations]
    assert {"my product", "my relu"} <= set(named)
    assert len(set(nodes)) == len(nodes)


def test_what_runs_at_each_inference_is_told_apart_by_how_it_runs() -> None:
    def product(weights: openvino.Node) -> openvino.Model:
        port = ops.parameter([1, 64], np.float32)
        return openvino.Model([ops.relu(ops.matmul(port, weights, False, True))], [port], "product")

    plain = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
    stored = ops.constant(np.ones((64, 64), np.uint8))
    unpacked = ops.multiply(ops.convert(stored, np.float32), ops.constant(np.full((64, 1), 0.1, np.float32)))
    one, again, other = (
        operations_run(compile_model(product(weights), Deployment(properties=F32)))
        for weights in (ops.constant(plain), ops.constant(plain + 1), unpacked)
    )
    assert one == again
    assert one != other
    assert all(not any(times) for times in one.values())


def test_what_runs_in_a_body_is_never_known_to_be_the_same() -> None:
    port = ops.parameter([1, 4], np.float32)
    state = ops.parameter([1, 4], np.float32)
    body = openvino.Model([ops.relu(state), ops.constant(np.array([True]))], [state], "body")
    loop = ops.loop(ops.constant(3), ops.constant(np.array(True)))
    loop.set_function(body)
    loop.set_special_body_ports([-1, 1])
    loop.set_merged_input(
        state, port.output(0), body.results[0].output(0).get_node().input_value(0).get_node().output(0)
    )
    whole = openvino.Model([loop.get_iter_value(body.results[0].output(0), -1)], [port], "loop")
    compiled = compile_model(whole, Deployment(properties=F32))
    assert operations_run(compiled) != operations_run(compiled)


def test_a_device_says_what_it_is_and_can_do() -> None:
    found = capabilities("CPU")
    assert found.device == "CPU"
    assert found.full_name == openvino.Core().get_property("CPU", "FULL_DEVICE_NAME")
    assert "FP32" in found.capabilities
    assert list(found.capabilities) == list(openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    assert found.default_precision in ("f32", "bf16", "f16")
    asked = openvino.Core().get_property("CPU", "INFERENCE_PRECISION_HINT")
    assert found.default_precision == asked.get_type_name()
    assert found.int8 == int8_arithmetic("CPU")


def test_every_device_is_listed() -> None:
    assert [found.device for found in devices()] == list(openvino.Core().available_devices)


def test_a_device_that_is_not_there_is_an_error() -> None:
    with pytest.raises(DeviceError, match="no device 'NPU7'"):
        capabilities("NPU7")


def test_the_instructions_are_the_processor_s() -> None:
    assert capabilities("CPU").instructions == instructions()


def test_properties_of_a_compiled_model_are_texts() -> None:
    properties = {**F32, "PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": "1", "INFERENCE_NUM_THREADS": "1"}
    compiled = compile_model(doubler([1, 2]), Deployment(properties=properties))
    found = properties_of(compiled, (*SERVED, "NOT_OF_THIS_DEVICE"))
    assert found == {**properties, "EXECUTION_MODE_HINT": "PERFORMANCE"}
    assert list(found) == list(SERVED)
    assert properties_of(compiled, ["NOT_OF_THIS_DEVICE"]) == {}
