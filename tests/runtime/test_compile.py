"""A model is compiled for its deployment, or it is said why not: the device, the property, the type, the model."""

from pathlib import Path

import nncf
import numpy as np
import openvino
import pytest

from ovquant.errors import CompileError, DeviceError, ModelError
from ovquant.runtime import REFERENCE, Compiled, Deployment, check_device, compile_model, core, reference_properties
from tests.decoders import decoder
from tests.runtime.conftest import doubler, mixer

LATENCY, THROUGHPUT = {"PERFORMANCE_HINT": "LATENCY"}, {"PERFORMANCE_HINT": "THROUGHPUT"}


def test_one_core_serves_the_whole_process() -> None:
    assert core() is core()
    assert isinstance(core(), openvino.Core)


def test_a_deployment_is_one_sample_on_the_processor_by_default() -> None:
    assert Deployment() == Deployment("CPU", {}, 1)
    assert Deployment().properties is not Deployment().properties


@pytest.mark.parametrize("device", ["CPU", "CPU.0", "CPU:1"])
def test_a_device_that_is_there_is_taken(device: str) -> None:
    assert check_device(device) is None  # type: ignore[func-returns-value]


def test_an_unknown_device_names_those_there_are() -> None:
    for device in ("NPU7", "CPUS", "NPU7.CPU"):
        with pytest.raises(DeviceError, match=rf"no device '{device}'.*CPU.*--device"):
            check_device(device)
    with pytest.raises(DeviceError, match=r"no device 'NPU7'.*CPU"):
        compile_model(doubler([1, 2]), Deployment("NPU7"))


@pytest.mark.parametrize("saved", [False, True])
def test_a_model_is_compiled_from_memory_or_from_its_file(tmp_path: Path, saved: bool) -> None:
    model: openvino.Model | Path = doubler([1, 2])
    if saved:
        openvino.save_model(model, tmp_path / "model.xml")
        model = tmp_path / "model.xml"
    compiled = compile_model(model, Deployment())
    assert isinstance(compiled, Compiled)
    assert compiled([np.array([[1, 2]], np.float32)])[0].tolist() == [[2, 4]]


def test_it_is_known_which_outputs_have_the_batch_first() -> None:
    port = openvino.opset13.parameter([-1, 4], np.float32)
    rows = openvino.opset13.relu(port)
    total = openvino.opset13.reduce_sum(port, openvino.opset13.constant(np.array([0, 1])), False)
    assert compile_model(openvino.Model([rows, total], [port], "rows"), Deployment()).batched == (True, False)


def test_more_properties_come_last() -> None:
    model = mixer()
    assert compile_model(model, Deployment(properties=THROUGHPUT)).get_property("PERFORMANCE_HINT") == "THROUGHPUT"
    overridden = compile_model(model, Deployment(properties=THROUGHPUT), extra=LATENCY)
    assert overridden.get_property("PERFORMANCE_HINT") == "LATENCY"
    both = compile_model(model, Deployment(properties=THROUGHPUT), extra=REFERENCE)
    assert both.get_property("PERFORMANCE_HINT") == "THROUGHPUT"


def test_the_reference_computes_in_f32_whatever_the_processor_likes_better() -> None:
    compiled = compile_model(doubler([1, 2]), Deployment(), extra=REFERENCE)
    assert compiled.get_property("INFERENCE_PRECISION_HINT") == openvino.Type.f32


def test_an_unknown_property_names_those_there_are() -> None:
    with pytest.raises(DeviceError, match=r"no property 'FOO'.*PERFORMANCE_HINT"):
        compile_model(doubler([1, 2]), Deployment("CPU", {"FOO": "1"}))


def test_a_value_that_a_property_does_not_take_is_shown() -> None:
    with pytest.raises(DeviceError, match=r"CPU refuses the properties \{'PERFORMANCE_HINT': 'SLOW'\}: "):
        compile_model(doubler([1, 2]), Deployment("CPU", {"PERFORMANCE_HINT": "SLOW"}))


@pytest.mark.parametrize("properties", [{}, LATENCY])
def test_a_model_that_does_not_compile_is_an_error_with_the_cause(tmp_path: Path, properties: dict[str, str]) -> None:
    (tmp_path / "model.xml").write_text("<net>")
    with pytest.raises(CompileError, match="does not compile on CPU: ") as caught:
        compile_model(tmp_path / "model.xml", Deployment("CPU", properties))
    assert "Exception from" not in str(caught.value)
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_type_that_numpy_lacks_is_refused_with_the_port() -> None:
    with pytest.raises(ModelError, match="input 'x' is of the type u4"):
        compile_model(doubler([1, 4], "u4"), Deployment())
    port = openvino.opset13.parameter([1, 4], np.float32)
    model = openvino.Model([openvino.opset13.convert(port, "f8e4m3")], [port], "narrow")
    model.outputs[0].get_tensor().set_names({"codes"})
    with pytest.raises(ModelError, match="output 'codes' is of the type f8e4m3"):
        compile_model(model, Deployment())


def test_the_reference_rounds_nothing_on_the_way(language: openvino.Model) -> None:
    plain = {"INFERENCE_PRECISION_HINT": "f32"}
    assert reference_properties(language, "CPU") == plain
    assert reference_properties(decoder(stateful=False), "CPU") == plain
    assert reference_properties(decoder(), "CPU") == {**plain, "KV_CACHE_PRECISION": "f32"}
    stored = nncf.compress_weights(language.clone())
    assert reference_properties(stored, "CPU") == {**plain, "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}
