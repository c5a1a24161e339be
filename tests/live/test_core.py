"""The drop-in Core: which model is served, for which model, and what is said where none is."""

import contextlib
import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops
from openvino.preprocess import PrePostProcessor

import ovquant
from ovquant import Core, NotServedWarning
from ovquant.domain.sample import Sample
from ovquant.errors import UsageError

WIDTH = 512


def net(seed: int = 0) -> openvino.Model:
    weights = np.random.default_rng(seed).standard_normal((WIDTH, 6)).astype(np.float32)
    port = ops.parameter([-1, WIDTH], np.float32)
    port.output(0).get_tensor().set_names({"x"})
    made = openvino.Model([ops.matmul(port, ops.constant(weights), False, False)], [port], "linear")
    made.outputs[0].get_tensor().set_names({"scores"})
    return made


ROWS = np.random.default_rng(1).standard_normal((200, WIDTH)).astype(np.float32)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    result = ovquant.quantize(
        net(),
        data=[Sample(row) for row in ROWS],
        metric="fidelity:by=cosine",
        max_drop=0.1,
        strategy="first",
        recipes=["default"],
        optimize="size",
        output=folder / "linear",
    )
    assert result.verdict == "met"
    return folder


def same(compiled: openvino.CompiledModel, folder: Path) -> bool:
    expected = ovquant.Result.load(folder).compile()(ROWS[:4])[0]
    return bool(np.array_equal(compiled(ROWS[:4])[0], expected))


def test_the_model_of_the_store_is_served_in_place_of_its_float_model(store: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compiled = Core(store=store).compile_model(net(), "CPU")
    assert same(compiled, store / "linear")
    assert not same(openvino.Core().compile_model(net(), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}), store / "linear")


def test_a_path_and_auto_are_served_too(store: Path, tmp_path: Path) -> None:
    openvino.save_model(net(), tmp_path / "net.xml", compress_to_fp16=False)
    core = Core(store=store)
    assert same(core.compile_model(tmp_path / "net.xml"), store / "linear")
    assert same(core.compile_model(str(tmp_path / "net.xml"), "AUTO"), store / "linear")
    assert same(core.compile_model(core.read_model(tmp_path / "net.xml"), "CPU"), store / "linear")


def test_properties_are_those_measured_and_the_callers_win(store: Path) -> None:
    core = Core(store=store)
    assert core.compile_model(net(), "CPU").get_property("PERFORMANCE_HINT") == "LATENCY"
    assert (
        core.compile_model(net(), "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"}).get_property("PERFORMANCE_HINT")
        == "THROUGHPUT"
    )


def test_a_reshaped_model_is_served_at_its_new_shapes(store: Path) -> None:
    reshaped = net()
    reshaped.reshape([2, WIDTH])
    compiled = Core(store=store).compile_model(reshaped, "CPU")
    assert list(compiled.inputs[0].shape) == [2, WIDTH]
    found = compiled(ROWS[:2])[0]
    expected = ovquant.Result.load(store / "linear").compile()(ROWS[:2])[0]
    floats = openvino.Core().compile_model(net(), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(ROWS[:2])[0]
    assert np.allclose(found, expected, atol=1e-5)
    assert not np.allclose(found, floats, atol=1e-5)


@pytest.mark.parametrize("device", [None, "AUTO", "AUTO:CPU", "MULTI:CPU", "HETERO:CPU", "BATCH:CPU", "MULTI:CPU(2)"])
def test_a_device_that_can_only_be_the_result_s_is(store: Path, device: str | None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same(Core(store=store).compile_model(net(), device), store / "linear")


@pytest.mark.parametrize("device", ["AUTO:CPU,GPU", "MULTI:GPU,CPU", "HETERO:NPU"])
def test_one_that_can_be_another_is_not(store: Path, device: str) -> None:
    with (
        pytest.warns(NotServedWarning, match=f"results are for CPU and it is compiled for {device}"),
        contextlib.suppress(RuntimeError),
    ):
        Core(store=store).compile_model(net(), device)


def processed(model: openvino.Model) -> openvino.Model:
    processor = PrePostProcessor(model)
    processor.input().tensor().set_element_type(openvino.Type.u8)
    processor.input().preprocess().convert_element_type(openvino.Type.f32).mean(100.0).scale(50.0)
    processor.output().postprocess().convert_element_type(openvino.Type.f64)
    return processor.build()


def test_steps_around_a_model_are_put_around_the_quantized_one(store: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compiled = Core(store=store).compile_model(processed(net()), "CPU")
    rows = np.random.default_rng(5).integers(0, 255, (4, WIDTH), dtype=np.uint8)
    by_hand = processed(openvino.Core().read_model(store / "linear" / "model.xml"))
    properties = ovquant.Result.load(store / "linear").plan.properties
    assert np.array_equal(compiled(rows)[0], openvino.Core().compile_model(by_hand, "CPU", dict(properties))(rows)[0])
    assert not np.array_equal(compiled(rows)[0], openvino.Core().compile_model(processed(net()), "CPU")(rows)[0])
    assert (compiled.inputs[0].get_any_name(), compiled.outputs[0].get_any_name()) == ("x", "scores")
    assert compiled.outputs[0].get_element_type() == openvino.Type.f64


def test_a_model_that_was_changed_within_is_named_in_the_warning(store: Path) -> None:
    changed = net()
    head = changed.get_ordered_ops()[-2]
    changed.outputs[0].get_node().input(0).replace_source_output(ops.relu(head).output(0))
    port = ops.parameter([-1, WIDTH], np.float32)
    other = openvino.Model([ops.matmul(ops.add(port, port), head.input_value(1), False, False)], [port], "linear")
    with pytest.warns(NotServedWarning, match=r"'linear' is served in float: .* was made from one of the same name"):
        compiled = Core(store=store).compile_model(other, "CPU")
    assert not same(compiled, store / "linear")


def test_a_model_that_is_not_in_the_store_is_warned_of_once(store: Path) -> None:
    core = Core(store=store)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            core.compile_model(net(seed=7), "CPU")
    assert [item.category for item in caught] == [NotServedWarning]
    assert "has no result for it" in str(caught[0].message)
    assert Path(caught[0].filename) == Path(__file__)


def test_a_result_for_another_device_is_not_served(store: Path, tmp_path: Path) -> None:
    other = shutil.copytree(store, tmp_path / "store")
    file = other / "linear" / "result.json"
    values = json.loads(file.read_text())
    values["device"]["device"] = "GPU"
    file.write_text(json.dumps(values))
    with pytest.warns(NotServedWarning, match="its results are for GPU and it is compiled for CPU"):
        Core(store=other).compile_model(net(), "CPU")


def test_without_a_store_it_is_openvinos_own(monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
    monkeypatch.delenv("OVQUANT_STORE", raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not same(Core().compile_model(net(), "CPU"), store / "linear")
    with pytest.raises(UsageError, match="There is no store"):
        ovquant.compile_model(net(), "CPU")
    monkeypatch.setenv("OVQUANT_STORE", str(store))
    assert same(Core().compile_model(net(), "CPU"), store / "linear")
    assert same(ovquant.compile_model(net(), "CPU"), store / "linear")


@pytest.mark.parametrize("content", ["missing", "empty"])
def test_a_store_that_is_none_is_an_error(tmp_path: Path, content: str) -> None:
    if content == "empty":
        (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="There is no store|holds no results"):
        Core(store=tmp_path / content)


def test_the_snippet_to_copy_serves_what_was_measured(store: Path, tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "applications.md").read_text()
    snippet = text.partition("```python\n")[2].partition("```")[0].replace('"out/', f'"{store}/linear/')
    script = tmp_path / "app.py"
    script.write_text(f"{snippet}\nprint(compiled.get_property('PERFORMANCE_HINT'))\n")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "LATENCY"


def deep(scaled: bool) -> openvino.Model:
    """Return a model whose weights are scaled in an operation of its own, or are as the normal form has them."""
    weights = np.random.default_rng(3).standard_normal((WIDTH, 6)).astype(np.float32)
    factor = np.full((1, 6), 2, np.float32)
    port = ops.parameter([-1, WIDTH], np.float32)
    port.output(0).get_tensor().set_names({"x"})
    held = ops.multiply(ops.constant(weights), ops.constant(factor)) if scaled else ops.constant(weights * factor)
    made = openvino.Model([ops.relu(ops.matmul(port, held, False, False))], [port], "deep")
    made.outputs[0].get_tensor().set_names({"scores"})
    return made


@pytest.fixture(scope="module")
def deep_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deep")
    how = {"strategy": "first", "recipes": ["default"], "optimize": "size", "max_drop": 0.1}
    data = [Sample(row) for row in ROWS]
    result = ovquant.quantize(deep(True), data=data, metric="fidelity:by=cosine", output=folder / "deep", **how)
    assert result.verdict == "met"
    return folder


@pytest.mark.parametrize("steps", [False, True])
def test_a_model_with_the_same_normal_form_is_served(steps: bool, deep_store: Path) -> None:
    model, rows = deep(False), ROWS[:4]
    if steps:
        processor = PrePostProcessor(model)
        processor.input().tensor().set_element_type(openvino.Type.f16)
        model = processor.build()
        rows = rows.astype(np.float16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compiled = Core(store=deep_store).compile_model(model, "CPU")
    expected = ovquant.Result.load(deep_store / "deep").compile()(rows.astype(np.float32))[0]
    assert np.array_equal(compiled(rows)[0], expected)


def test_one_with_other_weights_is_not(deep_store: Path) -> None:
    other = net(4)
    with pytest.warns(NotServedWarning, match="has no result for it"):
        Core(store=deep_store).compile_model(other, "CPU")
