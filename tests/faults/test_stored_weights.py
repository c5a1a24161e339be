"""A model whose weights are stored in few bits computes in float, and is quantized like any other; one whose activations
are quantized too is measured, and not quantized again."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_dynamic, quantize_static
from openvino import opset13 as ops

import ovquant
from ovquant.api.options import Options
from ovquant.api.prepare import load_float
from ovquant.errors import ModelError
from ovquant.graph.fingerprint import every_operation, fingerprint
from tests.api.models import CLASSES, WIDTH, directions, samples
from tests.plugins.loaders.tflite_files import write_tflite

HIDDEN = 256
QUICK: dict[str, Any] = {"strategy": "first", "recipes": ["default"], "optimize": "size"}


def wide() -> np.ndarray:
    found = np.zeros((WIDTH, HIDDEN), np.float32)
    found[:, :CLASSES] = directions()
    found[:, CLASSES:] = np.random.default_rng(5).standard_normal((WIDTH, HIDDEN - CLASSES)) / 50
    return found


def stored(path: Path, *, activations: bool = False) -> Path:
    """Write x[?,1024] → hidden → scores, the weights as int8 beside their scales."""
    port: Any = ops.parameter([-1, WIDTH], np.float32, name="x")
    port.output(0).get_tensor().set_names({"x"})
    head = np.eye(HIDDEN, CLASSES, dtype=np.float32)
    value: Any = port
    for weights in (wide(), head):
        scale = np.abs(weights).max(axis=0, keepdims=True) / 127
        codes = ops.convert(ops.constant(np.round(weights / scale).astype(np.int8)), "f32")
        if activations:
            limits = [ops.constant(np.float32(limit)) for limit in (-8, 8, -8, 8)]
            value = ops.fake_quantize(value, *limits, 256)
        value = ops.matmul(value, ops.multiply(codes, ops.constant(scale)), False, False)
    made = openvino.Model([value], [port], "stored")
    made.outputs[0].get_tensor().set_names({"scores"})
    openvino.save_model(made, path, compress_to_fp16=False)
    return path


def test_it_is_quantized_and_compared_with_the_file_as_it_was_given(tmp_path: Path) -> None:
    net = stored(tmp_path / "net.xml")
    size = sum(file.stat().st_size for file in (net, net.with_suffix(".bin")))
    found = ovquant.quantize(net, data=samples(120), metric="accuracy", max_drop="10%", **QUICK)
    assert abs(found.baseline.size_bytes - size) < 0.05 * size
    (trial,) = found.trials
    assert (set((trial.layers or {}).values()), trial.problem) == ({"int8"}, "")
    assert trial.search is not None
    assert trial.search.float_value > 0.9
    assert trial.search.drop < 0.1


def test_a_plan_that_is_larger_than_the_file_is_not_returned(tmp_path: Path) -> None:
    net = stored(tmp_path / "net.xml")
    how = {**QUICK, "recipes": ["keep-float:types=MatMul"]}
    found = ovquant.quantize(net, data=samples(120), metric="accuracy", max_drop="10%", **how)
    assert found.verdict == "float"
    assert "and the model that was given" in found.trials[0].problem


def test_quantized_activations_are_refused_and_the_model_can_be_scored(tmp_path: Path) -> None:
    net = stored(tmp_path / "net.xml", activations=True)
    with pytest.raises(
        ModelError, match="activations are quantized already.*evaluate, benchmark and check take this one"
    ):
        ovquant.quantize(net, data=samples(120), metric="accuracy", max_drop="10%", **QUICK)
    assert ovquant.evaluate(net, data=samples(60), metric="accuracy").evaluation.samples == 60


def as_onnx(path: Path, kind: str = "f32") -> Path:
    """Write the same as ONNX: in f32, in f16, or with int8 weights before a DequantizeLinear."""
    dtype, element = (np.float16, TensorProto.FLOAT16) if kind == "f16" else (np.float32, TensorProto.FLOAT)
    nodes = [
        helper.make_node("MatMul", ["x", "W"], ["hidden"], name="hidden"),
        helper.make_node("MatMul", ["hidden", "H"], ["scores"], name="head"),
    ]
    values = []
    for name, weights in (("W", wide()), ("H", np.eye(HIDDEN, CLASSES, dtype=np.float32))):
        if kind != "int8":
            values.append(numpy_helper.from_array(weights.astype(dtype), name))
            continue
        scale = np.abs(weights).max(axis=0) / 127
        arrays = {
            "codes": np.round(weights / scale).astype(np.int8),
            "scale": scale,
            "zero": np.zeros(len(scale), np.int8),
        }
        values += [numpy_helper.from_array(array, f"{name}_{part}") for part, array in arrays.items()]
        nodes.insert(0, helper.make_node("DequantizeLinear", [f"{name}_{part}" for part in arrays], [name], axis=1))
    ports = [
        helper.make_tensor_value_info(name, element, ["N", size]) for name, size in (("x", WIDTH), ("scores", CLASSES))
    ]
    graph = helper.make_graph(nodes, "stored", ports[:1], ports[1:], values)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


class Few(CalibrationDataReader):
    """The first samples, as onnxruntime reads them."""

    def __init__(self) -> None:
        self._rows: Iterator[Any] = iter([{"x": sample.inputs[None]} for sample in samples(20)])

    def get_next(self) -> Any:
        return next(self._rows, None)


def quantized_onnx(folder: Path, kind: str) -> Path:
    source, path = as_onnx(folder / "float.onnx"), folder / f"{kind}.onnx"
    if kind == "dynamic":
        quantize_dynamic(source, path)
    else:
        quantize_static(source, path, Few(), quant_format=getattr(QuantFormat, kind))
    return path


def weights_of(path: Path) -> set[tuple[str, bytes]]:
    operations = every_operation(openvino.Core().read_model(path))
    constants = [item for item in operations if item.get_type_name() == "Constant" and item.get_byte_size() > 1000]
    return {(item.get_element_type().get_type_name(), np.asarray(item.data).tobytes()) for item in constants}


@pytest.mark.parametrize("kind", ["int8", "f16"])
def test_onnx_weights_in_fewer_bits_are_quantized_and_float_is_the_file(tmp_path: Path, kind: str) -> None:
    net = as_onnx(tmp_path / "net.onnx", kind)
    data = [
        (sample.inputs.astype(np.float16 if kind == "f16" else np.float32), sample.target) for sample in samples(120)
    ]
    found = ovquant.quantize(net, data=data, metric="accuracy", max_drop="10%", **QUICK)
    assert abs(found.baseline.size_bytes - net.stat().st_size) < 0.05 * net.stat().st_size + 2**14
    (trial,) = found.trials
    assert (set((trial.layers or {}).values()), trial.problem) == ({"int8"}, "")
    how = {**QUICK, "recipes": ["keep-float:types=MatMul"]}
    kept = ovquant.quantize(net, data=data, metric="accuracy", max_drop="10%", **how)
    assert kept.verdict == "float"
    assert weights_of(kept.folder / "model.xml") == weights_of(net)


@pytest.mark.parametrize("kind", ["int8", "f16"])
def test_a_tensorflow_lite_file_of_fewer_bits_is_quantized(tmp_path: Path, kind: str) -> None:
    random = np.random.default_rng(0)
    codes, scales = random.integers(-127, 128, (64, 3, 3, 16)).astype(np.int8), np.full(64, 0.01)
    given = {"weights": codes, "scales": scales} if kind == "int8" else {"weights": (codes * 0.01).astype(np.float16)}
    net = write_tflite(tmp_path / "net.tflite", bias=np.zeros(64), size=8, **given)
    data = list(random.standard_normal((120, 8, 8, 16)).astype(np.float32))
    found = ovquant.quantize(net, data=data, metric="fidelity:by=cosine", max_drop="10%", **QUICK)
    (trial,) = found.trials
    assert (set((trial.layers or {}).values()), trial.problem) == ({"int8"}, "")
    assert trial.search is not None
    assert trial.search.value > 0.99
    assert trial.size_bytes < found.baseline.size_bytes * 1.05 + 2**12


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("dynamic", "while it runs, as by DynamicQuantizeLinear: MatMul 'hidden"),
        ("QDQ", "by FakeQuantize"),
        ("QOperator", "by FakeQuantize"),
    ],
)
def test_onnx_with_quantized_activations_is_named_and_can_be_measured(tmp_path: Path, kind: str, said: str) -> None:
    net = quantized_onnx(tmp_path, kind)
    with pytest.raises(
        ModelError, match=f"activations are quantized already, {said}.*evaluate, benchmark and check take"
    ):
        ovquant.quantize(net, data=samples(120), metric="accuracy", max_drop="10%", **QUICK)
    assert (
        ovquant.evaluate(net, data=samples(60), metric="accuracy", reference=tmp_path / "float.onnx").drop is not None
    )
    assert len(ovquant.benchmark([tmp_path / "float.onnx", net], data=samples(4), seconds=0.2)) == 2


def test_check_takes_a_model_with_quantized_activations_as_what_a_result_was_made_from(tmp_path: Path) -> None:
    result = tmp_path / "result"
    ovquant.quantize(
        as_onnx(tmp_path / "net.onnx"), data=samples(120), metric="accuracy", max_drop="10%", output=result, **QUICK
    )
    net, path = quantized_onnx(tmp_path, "dynamic"), result / "result.json"
    record = json.loads(path.read_text())
    # Such a file was taken for a float model once.
    record["model_fingerprint"] = fingerprint(load_float(net, Options()))
    path.write_text(json.dumps(record))
    assert ovquant.check(result, data=samples(60, seed=9), reference=net).score.main.samples == 60
