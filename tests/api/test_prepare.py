"""What was given becomes a prepared model, metrics, splits and a workbench; what does not fit is found early."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

import ovquant
from ovquant.api.data import open_splits
from ovquant.api.options import Options
from ovquant.api.prepare import (
    instruments_in,
    load_float,
    lost_names,
    made_up_names,
    model_name,
    prepare,
)
from ovquant.domain.profile import Profile
from ovquant.domain.progress import silent
from ovquant.errors import DeviceError, ModelError
from ovquant.graph import normalise
from ovquant.graph.fingerprint import fingerprint
from ovquant.graph.keep_float import Kept
from ovquant.runtime import Deployment
from tests.api.models import WIDTH, linear, samples


class Unnamed:
    """An object that is no model of openvino's."""


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("nets/words.onnx", "words"),
        (Path("words.v2.xml"), "words.v2"),
        ("nets/factory.py:make", "factory"),
        ("nets/factory.py:Nets.make", "factory"),
        (linear(), "linear"),
        (Unnamed(), "Unnamed"),
    ],
)
def test_a_model_is_called_by_its_file_or_its_own_name(model: Any, name: str) -> None:
    assert model_name(model) == name


@pytest.mark.parametrize(
    ("model", "made_up"),
    [
        ("net.xml", "none"),
        (Path("net.onnx"), "own"),
        ("net.pdmodel", "own"),
        ("net.pb", "own"),
        ("net.tflite", "any"),
        ("factory.py:make", "any"),
        (linear(), "any"),
    ],
)
def test_which_names_openvino_made_up_follows_from_the_file(model: Any, made_up: str) -> None:
    assert made_up_names(model) == made_up


def nameless() -> openvino.Model:
    port = ops.parameter([-1, WIDTH], np.float32)
    return openvino.Model([ops.relu(port)], [port], "nameless")


def test_a_model_is_loaded_as_a_copy_with_names_of_its_own(tmp_path: Path) -> None:
    given = nameless()
    before = [node.get_friendly_name() for node in given.get_ops()]
    loaded = load_float(given, Options())
    assert {"Parameter-0", "Relu-0"} <= {node.get_friendly_name() for node in loaded.get_ops()}
    assert [node.get_friendly_name() for node in given.get_ops()] == before
    # The names in an IR file are the file's own.
    openvino.save_model(given, tmp_path / "net.xml")
    named = load_float(tmp_path / "net.xml", Options())
    assert {node.get_friendly_name() for node in named.get_ops()} >= set(before[:2])


def test_shapes_and_batch_are_set_on_the_copy() -> None:
    given = linear()
    assert load_float(given, Options()).inputs[0].get_partial_shape()[0].is_dynamic
    assert list(load_float(given, Options(input_shape=f"[2,{WIDTH}]")).inputs[0].shape) == [2, WIDTH]
    assert list(load_float(given, Options(batch=4)).inputs[0].shape) == [4, WIDTH]
    assert list(load_float(given, Options(input_shape=f"x[2,{WIDTH}]", batch=4)).inputs[0].shape) == [4, WIDTH]
    assert given.inputs[0].get_partial_shape()[0].is_dynamic


def test_what_is_prepared_knows_its_metrics_and_what_stays_in_float(net: Path) -> None:
    made = prepare(str(net), ["accuracy", "fidelity"], Options(keep_float=["head", "MatMul"]))
    assert made.names == ["Accuracy", "Fidelity"]
    assert made.kept == Kept(("MatMul",), ("head",))
    assert (made.name, made.source) == ("linear", str(net.resolve()))


def test_only_a_file_is_a_source(net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert prepare(linear(), "accuracy", Options()).source == ""
    monkeypatch.chdir(net.parent)
    assert prepare(Path(net.name), "accuracy", Options()).source == str(net.resolve())


def test_a_model_that_is_quantized_already_is_refused(found: ovquant.Result) -> None:
    with pytest.raises(ModelError, match="quantized already, by FakeQuantize .*Give the float model"):
        prepare(found.model, "accuracy", Options())


def test_a_device_that_is_not_there_is_found_before_the_model_is_read() -> None:
    with pytest.raises(DeviceError, match="no device 'TOASTER'"):
        prepare("nowhere.xml", "accuracy", Options(device="TOASTER"))


def test_instruments_measure_as_the_options_ask(tmp_path: Path) -> None:
    settings = Options(seed=7, batch=2, optimize="throughput")
    made, splits = prepare(linear(), ["accuracy", "fidelity"], settings), open_splits(samples(60), Options())
    profile = Profile(tmp_path / "profile.jsonl")
    found = instruments_in(tmp_path / "trials", made, splits, settings, profile, silent)
    models = found.models
    assert (models.folder, models.profile, found.profile) == (tmp_path / "trials", profile, profile)
    assert (models.seed, models.splits, models.progress) == (7, splits, silent)
    assert models.deployment == Deployment("CPU", {"PERFORMANCE_HINT": "THROUGHPUT"}, 2)
    assert fingerprint(models.model) == fingerprint(made.model)
    assert models.metric is made.metrics[0]
    assert found.scorer.metrics == made.metrics
    assert found.stopwatch.objective == "throughput"
    assert found.scorer.models is found.stopwatch.models is models


def test_what_is_described_can_be_sent() -> None:
    made = prepare(linear(), [lambda outputs, targets: 1.0, "accuracy"], Options(keep_float=["head"]))
    plain = pickle.loads(pickle.dumps(made.plain()))
    assert plain == made.plain()
    assert (plain.names, plain.kept, plain.operations) == (made.names, made.kept, made.operations)
    assert plain.operations["MatMul"] == 1


def test_a_model_without_a_normal_form_is_quantized_as_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert prepare(linear(), "accuracy", Options()).graph == "normalised"

    def refuse(model: openvino.Model, *, cf: bool) -> None:
        raise RuntimeError("unknown body")

    # No model is known that openvino refuses.
    monkeypatch.setattr(normalise, "apply_moc_transformations", refuse)
    made = prepare(linear(), "accuracy", Options())
    assert (made.graph, made.normal, made.normal_structure) == ("as-read", None, "")
    assert made.notes == (
        "The model is quantized as it was read: openvino cannot bring the model into normal form: unknown body",
    )


def test_names_that_the_normal_form_lost_are_told() -> None:
    normal = normalise.normalised(linear())
    (note,) = lost_names(Kept(names=("head", "gone")), normal)
    assert note.startswith("--keep-float 'gone': openvino folded this into constants")
    (many,) = lost_names(Kept(names=tuple("abcde")), normal)
    assert "'a', 'b', 'c' and 2 more" in many
    assert lost_names(Kept(names=("gone",)), None) == []


def test_shapes_that_are_asked_for_are_those_of_the_normal_form(net: Path) -> None:
    made = prepare(str(net), "accuracy", Options(batch=4))
    assert made.normal is not None
    assert [port.get_partial_shape() for port in made.normal.model.inputs] == [
        port.get_partial_shape() for port in made.model.inputs
    ]


FACTORY = """
import torch


def one():
    return torch.nn.Sequential(torch.nn.Linear(6, 3)).eval()


class Both(torch.nn.Module):
    def forward(self, left, right):
        return left + 2 * right


def two():
    return Both()


def fitted():
    return one(), torch.zeros(5, 6)
"""


@pytest.mark.parametrize(
    ("factory", "inputs", "names"),
    [
        ("one", {"signal": (4, 6)}, ["input"]),
        ("two", {"left": (4, 2), "right": (4, 2)}, ["left", "right"]),
        ("fitted", {"signal": (4, 6)}, ["input"]),
    ],
)
def test_a_module_from_a_file_is_traced_with_the_first_sample(
    factory: str, inputs: dict[str, tuple[int, int]], names: list[str], tmp_path: Path
) -> None:
    (tmp_path / "net.py").write_text(FACTORY)
    np.savez(tmp_path / "data.npz", **{name: np.ones(shape, np.float32) for name, shape in inputs.items()})
    found = prepare(f"{tmp_path / 'net.py'}:{factory}", "fidelity", Options(), str(tmp_path / "data.npz")).model
    assert [port.get_any_name() for port in found.inputs] == names
    compiled = openvino.Core().compile_model(found, "CPU")
    assert compiled([np.ones((2, *shape[1:]), np.float32) for shape in inputs.values()])[0].shape[0] == 2


def test_without_data_it_is_said_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(FACTORY)
    for data in (None, iter([np.ones(6, np.float32)])):
        with pytest.raises(ModelError, match="needs an example input to be traced with"):
            prepare(f"{tmp_path / 'net.py'}:one", "fidelity", Options(), data)
