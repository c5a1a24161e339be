"""Inference keeps the order of samples, batch or none, and reports what devices run."""

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant import runtime
from ovquant.errors import DeviceError
from ovquant.protocols import Sample
from ovquant.runtime import Deployment, compile_model, infer, interleave, interleave_throughput, requests_of


def doubler(shape: list[int]) -> openvino.Model:
    port = ops.parameter(shape, np.float32)
    port.output(0).get_tensor().set_names({"x"})
    made = openvino.Model([ops.multiply(port, ops.constant(np.float32(2)))], [port], "doubler")
    made.outputs[0].get_tensor().set_names({"twice"})
    return made


@pytest.mark.parametrize("shape", [[-1, 2], [1, 2], [4, 2]], ids=["dynamic", "one", "four"])
@pytest.mark.parametrize("count", [1, 5, 70])
def test_outputs_come_in_order_and_once(shape: list[int], count: int) -> None:
    data = [Sample(np.array([index, -index]), index) for index in range(count)]
    blocks = list(infer(compile_model(doubler(shape), Deployment()), data))
    rows = np.concatenate([np.asarray(block.stacked()) for block in blocks])
    assert rows[:, 0].tolist() == [2 * index for index in range(count)]
    assert [target for block in blocks for target in block.targets] == list(range(count))


def test_outputs_of_differing_shapes_stay_a_list() -> None:
    data = [Sample(np.zeros(size)) for size in (2, 3, 2)]
    (block,) = infer(compile_model(doubler([-1, -1]), Deployment()), data)
    assert [array.shape for array in block.stacked()] == [(1, 2), (1, 3), (1, 2)]


def test_times_are_a_row_per_round() -> None:
    contenders = [compile_model(doubler([1, 2]), Deployment()) for _ in range(3)]
    requests = requests_of(contenders[0], [Sample(np.zeros(2))] * 4, 16)
    assert len(requests) == 4
    assert interleave(contenders, requests, seconds=0, least=7).shape == (7, 3)
    assert interleave_throughput(contenders, requests, seconds=0, least=3).shape == (3, 3)


def test_an_unknown_device_names_those_there_are() -> None:
    with pytest.raises(DeviceError, match=r"no device 'NPU7'.*CPU"):
        runtime.check_device("NPU7")


def test_an_unknown_property_names_those_there_are() -> None:
    with pytest.raises(DeviceError, match=r"no property 'FOO'.*PERFORMANCE_HINT"):
        compile_model(doubler([1, 2]), Deployment("CPU", {"FOO": "1"}))


def test_what_is_executed_is_listed() -> None:
    nodes = runtime.executed(compile_model(doubler([1, 2]), Deployment()))
    assert any("twice" in name or "Multiply" in name for node in nodes for name in node.operations)
    assert all(node.precision for node in nodes)


def test_capabilities_name_the_device() -> None:
    found = runtime.capabilities("CPU")
    assert found.full_name
    assert "FP32" in found.capabilities
