"""The normal form computes what the model does, keeps what travels with it, and has the same names at each read."""

import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from openvino import opset13 as ops

from ovquant.errors import ModelError
from ovquant.graph import normalise
from ovquant.graph.fingerprint import fingerprint
from ovquant.graph.names import with_unique_names
from ovquant.graph.normalise import normal_structure, normalised, weighted_types
from tests.e2e import catalogue

F32 = {"INFERENCE_PRECISION_HINT": "f32"}
NUMBER = np.random.default_rng(0)


def numbers(*shape: int) -> np.ndarray:
    return NUMBER.standard_normal(shape).astype(np.float32)


def unfused(folder: Path) -> Path:
    """Write an ONNX file as exporters leave it: batch norms, a hard swish of parts, a depthwise convolution with a bias."""
    constants = {"first": numbers(8, 3, 3, 3), "depth": numbers(8, 1, 3, 3), "bias": numbers(8), "last": numbers(8, 5)}
    constants |= {name: np.abs(numbers(8)) + 0.5 for name in ("scale", "shift", "mean", "var")}
    constants |= {"three": np.float32(3), "six": np.float32(6), "zero": np.float32(0), "axes": np.array([2, 3])}
    norm = ["scale", "shift", "mean", "var"]
    nodes = [
        helper.make_node("Conv", ["x", "first"], ["a"], "conv.0", pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["a", *norm], ["b"], "norm.0"),
        helper.make_node("Add", ["b", "three"], ["c"], "swish.add"),
        helper.make_node("Clip", ["c", "zero", "six"], ["d"], "swish.clip"),
        helper.make_node("Div", ["d", "six"], ["e"], "swish.div"),
        helper.make_node("Mul", ["b", "e"], ["f"], "swish.mul"),
        helper.make_node("Conv", ["f", "depth", "bias"], ["g"], "conv.1", pads=[1, 1, 1, 1], group=8),
        helper.make_node("BatchNormalization", ["g", *norm], ["h"], "norm.1"),
        helper.make_node("ReduceMean", ["h", "axes"], ["i"], "pool", keepdims=0),
        helper.make_node("MatMul", ["i", "last"], ["scores"], "head"),
    ]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 12, 12])
    wanted = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 5])
    held = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    path = folder / "unfused.onnx"
    graph = helper.make_graph(nodes, "unfused", [given], [wanted], held)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), path)
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unfused(tmp_path_factory.mktemp("model"))


def read(path: Path) -> openvino.Model:
    return with_unique_names(openvino.Core().read_model(path), made_up="own")


def layered() -> openvino.Model:
    """Return a model with a layout, a note of its own, and two inputs."""
    images, factor = ops.parameter([-1, 4, 6, 6], np.float32, name="images"), ops.parameter([], np.float32, name="by")
    images.set_layout(openvino.Layout("NCHW"))
    for port in (images, factor):
        port.output(0).get_tensor().set_names({port.get_friendly_name()})
    scaled = ops.multiply(
        ops.convolution(images, ops.constant(numbers(4, 4, 1, 1)), [1, 1], [0, 0], [0, 0], [1, 1]), factor
    )
    made = openvino.Model([ops.add(scaled, ops.constant(numbers(1, 4, 1, 1)))], [images, factor], "layered")
    made.set_rt_info("two", ["model_info", "labels"])
    made.outputs[0].get_tensor().set_names({"maps"})
    return made


def recurrent() -> torch.nn.Module:
    class Last(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cells, self.head = torch.nn.LSTM(5, 7, batch_first=True), torch.nn.Linear(7, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.cells(x)[0])

    return Last()


def attention() -> torch.nn.Module:
    class Block(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.queries, self.keys, self.values = (torch.nn.Linear(8, 8) for _ in range(3))
            self.norm, self.wide, self.narrow = torch.nn.LayerNorm(8), torch.nn.Linear(8, 16), torch.nn.Linear(16, 8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            shares = torch.softmax(self.queries(x) @ self.keys(x).transpose(1, 2) / 8**0.5, -1)
            x = self.norm(x + shares @ self.values(x))
            return x + self.narrow(torch.nn.functional.gelu(self.wide(x)))

    return Block()


def traced(module: torch.nn.Module, *shape: int) -> openvino.Model:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return openvino.convert_model(module.eval(), example_input=torch.zeros(shape), input=[-1, *shape[1:]])


MODELS: dict[str, Callable[[], openvino.Model]] = {
    "layered": layered,
    "lstm": lambda: traced(recurrent(), 2, 6, 5),
    "attention": lambda: traced(attention(), 2, 5, 8),
    "if": lambda: catalogue.if_body()[0],
    "loop": lambda: catalogue.loop_body()[0],
    "states": lambda: catalogue.stateful()[0],
    "further outputs": lambda: catalogue.further_outputs()[0],
    "shared": lambda: catalogue.shared_constant()[0],
    "scalar": lambda: catalogue.scalar_input()[0],
    "whole numbers": lambda: catalogue.whole_numbers()[0],
}


def requests(model: openvino.Model) -> list[np.ndarray]:
    """Return one value for each input."""
    found = []
    for port in model.inputs:
        shape = [2 if size.is_dynamic else size.get_length() for size in port.get_partial_shape()]
        dtype = port.get_element_type().to_dtype()
        found.append((3 * np.random.default_rng(1).random(shape)).astype(dtype))
    return found


@pytest.mark.parametrize("name", [*MODELS, "unfused"])
def test_outputs_are_equal_and_what_travels_with_a_model_is_kept(name: str, file: Path) -> None:
    model = with_unique_names(MODELS[name]()) if name != "unfused" else read(file)
    before = fingerprint(model)
    found = normalised(model).model
    assert fingerprint(model) == before
    given, core = requests(model), openvino.Core()
    for mine, truth in zip(
        core.compile_model(found, "CPU", F32)(given).values(),
        core.compile_model(model, "CPU", F32)(given).values(),
        strict=True,
    ):
        assert np.allclose(mine, truth, 1e-5, 1e-5)
    for ports in ("inputs", "outputs"):
        mine, theirs = getattr(found, ports), getattr(model, ports)
        assert [port.get_names() for port in mine] == [port.get_names() for port in theirs]
        assert [port.get_partial_shape() for port in mine] == [port.get_partial_shape() for port in theirs]
        assert [port.get_element_type() for port in mine] == [port.get_element_type() for port in theirs]
    assert [item.layout for item in found.get_parameters()] == [item.layout for item in model.get_parameters()]
    assert [sink.get_variable_id() for sink in found.get_sinks()] == [
        sink.get_variable_id() for sink in model.get_sinks()
    ]
    assert set(found.get_rt_info()) == set(model.get_rt_info())
    if name == "layered":
        assert found.get_rt_info(["model_info", "labels"]).astype(str) == "two"
    names = [operation.get_friendly_name() for operation in found.get_ops()]
    assert len(set(names)) == len(names)


def described(path: Path) -> list[Any]:
    """Return the fingerprint, the names of operations in their order, and the table of names."""
    found = normalised(read(path))
    names = [item.get_friendly_name() for item in found.model.get_ordered_ops() if item.get_type_name() != "Constant"]
    return [fingerprint(found.model), names, dict(found.names)]


def test_names_are_equal_at_each_read(file: Path) -> None:
    first = described(file)
    normalised(layered())
    assert described(file) == first
    program = "import sys, json, pathlib; from tests.graph.test_normalise import described; "
    program += "print(json.dumps(described(pathlib.Path(sys.argv[1]))))"
    there = subprocess.run([sys.executable, "-c", program, str(file)], capture_output=True, text=True, check=True)
    assert json.loads(there.stdout) == first


def test_what_was_fused_is_called_after_what_holds_the_weights(file: Path) -> None:
    model = read(file)
    found = normalised(model)
    kinds = {operation.get_friendly_name(): operation.get_type_name() for operation in found.model.get_ops()}
    weighted = {name for name, kind in kinds.items() if kind in normalise.WEIGHTED}
    own = {item.get_friendly_name() for item in model.get_ops() if item.get_type_name() in normalise.WEIGHTED}
    assert weighted == own
    assert len(found.model.get_ops()) < len(model.get_ops())
    assert weighted_types(found.model) == {"Convolution": 1, "GroupConvolution": 1, "MatMul": 1}
    assert kinds[found.names["swish.clip"]] == "HSwish"
    assert set(found.names.values()) <= set(kinds)
    assert not set(found.names) & set(kinds)


def test_original_names_lead_to_those_of_the_normal_form(file: Path) -> None:
    found = normalised(read(file))
    assert found.renamed(["conv.0", "scores", "conv.0"]) == ("conv.0", "scores")
    assert found.renamed(["swish.clip"]) == (found.names["swish.clip"],)
    # What is a constant now runs nowhere.
    assert found.renamed(["folded away"]) == ()


def test_all_ways_to_read_a_file_come_to_one_normal_form(file: Path, tmp_path: Path) -> None:
    own = normal_structure(read(file))
    converted = openvino.convert_model(file)
    assert normal_structure(converted) == own
    assert normal_structure(normalised(read(file)).model) == own
    openvino.save_model(converted, tmp_path / "converted.xml", compress_to_fp16=False)
    assert normal_structure(openvino.Core().read_model(tmp_path / "converted.xml")) == own
    moved = openvino.Core().read_model(file)
    moved.reshape([3, 3, 12, 12])
    assert normal_structure(moved) == own
    assert normal_structure(layered()) != own


def test_what_openvino_cannot_transform_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(model: openvino.Model, *, cf: bool) -> None:
        raise RuntimeError("Check 'node' failed\nunknown body")

    # No model is known that it refuses.
    monkeypatch.setattr(normalise, "apply_moc_transformations", refuse)
    with pytest.raises(ModelError, match="openvino cannot bring the model into normal form: unknown body"):
        normalised(layered())


def pooled() -> openvino.Model:
    """Return a model of fixed shape that divides a sum by the size that it reads."""
    port = ops.parameter([1, 8, 4], np.float32, name="x")
    size = ops.convert(ops.gather(ops.shape_of(port), np.array(1), np.array(0)), np.float32)
    found = ops.divide(ops.reduce_sum(port, np.array([1]), False), size)
    return with_unique_names(
        openvino.Model([ops.matmul(found, ops.constant(numbers(4, 3)), False, False)], [port], "pooled")
    )


def test_the_normal_form_can_be_reshaped_as_the_model_can() -> None:
    model = pooled()
    found = normalised(model).model
    assert found.inputs[0].get_partial_shape() == model.inputs[0].get_partial_shape()
    rows, outputs = numbers(2, 5, 4), []
    for item in (model, found):
        item.reshape([2, 5, 4])
        outputs.append(openvino.Core().compile_model(item, "CPU", F32)(rows)[0])
    assert np.allclose(outputs[0], outputs[1], 1e-5, 1e-5)
