"""Files that OpenVINO reads by itself: every format, and every way in which one can be wrong."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import openvino
import pytest
from onnx import TensorProto, helper

from ovquant.errors import ModelError
from ovquant.plugins.loaders import load_model
from ovquant.plugins.loaders.openvino import OpenvinoFile
from tests.plugins.loaders.paddle_files import write_pdmodel
from tests.plugins.loaders.tensorflow_files import graph, write_saved_model
from tests.plugins.loaders.tflite_files import write_tflite

WEIGHTS = np.arange(6, dtype=np.float32).reshape(3, 2)


def run(model: openvino.Model, *inputs: np.ndarray) -> np.ndarray:
    compiled = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled(list(inputs))[0]


def test_ir_is_read(ir: Path) -> None:
    assert run(load_model(ir), np.ones((1, 3, 8, 8), np.float32)).tolist() == [[6, 9]]


def test_text_path_is_read(ir: Path) -> None:
    assert load_model(str(ir)).inputs[0].get_any_name() == "x"


def test_folder_with_one_xml_is_read(ir: Path) -> None:
    assert load_model(ir.parent).outputs[0].get_any_name() == "y"


def test_folder_with_two_xmls_is_refused(ir: Path) -> None:
    shutil.copy(ir, ir.with_name("other.xml"))
    with pytest.raises(ModelError, match="other.xml, small.xml"):
        load_model(ir.parent)


def test_onnx_is_read(tmp_path: Path) -> None:
    node = helper.make_node("Relu", ["x"], ["y"])
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3]) for name in ("x", "y")]
    onnx.save(helper.make_model(helper.make_graph([node], "g", values[:1], values[1:])), tmp_path / "m.onnx")
    assert run(load_model(tmp_path / "m.onnx"), np.array([[-1, 0, 2]], np.float32)).tolist() == [[0, 0, 2]]


def test_frozen_graph_is_read(tmp_path: Path) -> None:
    path = tmp_path / "frozen.pb"
    path.write_bytes(graph(WEIGHTS))
    assert run(load_model(path), np.ones((1, 3), np.float32)).tolist() == [[6, 9]]


def test_tflite_is_read(tmp_path: Path) -> None:
    path = write_tflite(tmp_path / "m.tflite", np.ones((2, 3, 3, 3), np.float32), np.zeros(2, np.float32), size=8)
    model = load_model(path)
    assert model.inputs[0].get_any_name() == "image"
    assert run(model, np.ones((1, 8, 8, 3), np.float32)).max() == 27


def test_paddle_is_read(tmp_path: Path) -> None:
    model = load_model(write_pdmodel(tmp_path / "m.pdmodel", [-1, 3]))
    assert run(model, np.array([[-1, 0, 2]], np.float32)).tolist() == [[0, 0, 2]]


@pytest.mark.parametrize("source", ["saved", "saved/saved_model.pb"])
def test_saved_model_is_read(tmp_path: Path, source: str) -> None:
    write_saved_model(tmp_path / "saved", WEIGHTS)
    model = load_model(tmp_path / source)
    assert (model.inputs[0].get_any_name(), model.outputs[0].get_any_name()) == ("image", "scores")
    assert run(model, np.ones((1, 3), np.float32)).tolist() == [[6, 9]]


def test_corrupt_saved_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"\x0a\xff\xff")
    with pytest.raises(ModelError, match=r"SavedModel '.*saved' cannot be read: .*Save it again"):
        load_model(tmp_path / "saved")


def test_onnx_weights_that_are_missing_are_named(tmp_path: Path) -> None:
    weights = onnx.numpy_helper.from_array(np.ones((4, 4), np.float32), "w")
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", values[:1], values[1:], [weights])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save_model(made, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    assert run(load_model(tmp_path / "m.onnx"), np.ones((1, 4), np.float32)).tolist() == [[4, 4, 4, 4]]
    (tmp_path / "m.data").unlink()
    with pytest.raises(ModelError, match="there is no 'm.data' beside it. Copy the files together"):
        load_model(tmp_path / "m.onnx")


@pytest.mark.parametrize("name", ["m.xml", "m.onnx", "m.tflite", "m.pb", "m.pdmodel"])
def test_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match=f"{name}' does not exist"):
        load_model(tmp_path / name)


@pytest.mark.parametrize("name", ["m.onnx", "m.tflite", "m.pb", "m.pdmodel"])
def test_corrupt_file_is_explained_in_one_paragraph(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"hello")
    with pytest.raises(ModelError, match=name) as caught:
        load_model(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert "core.cpp" not in str(caught.value)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("name", ["m.xml", "m.onnx", "m.tflite", "m.pb", "m.pdmodel"])
def test_empty_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(ModelError, match=f"{name}' is empty"):
        load_model(tmp_path / name)


def test_missing_weights_are_named(ir: Path) -> None:
    ir.with_suffix(".bin").unlink()
    with pytest.raises(ModelError, match="no 'small.bin' beside it"):
        load_model(ir)


def test_cut_off_weights_are_explained(ir: Path) -> None:
    ir.with_suffix(".bin").write_bytes(b"12")
    with pytest.raises(ModelError, match="Incorrect weights in bin file! Save it again with openvino.save_model"):
        load_model(ir)


def test_accepts_by_suffix_only(tmp_path: Path) -> None:
    loader = OpenvinoFile()
    assert loader.accepts("somewhere/m.ONNX")
    assert not loader.accepts("somewhere/m.pt")
    assert not loader.accepts("somewhere/saved_model.pb")
    assert not loader.accepts(3)
    assert not loader.accepts(tmp_path)
