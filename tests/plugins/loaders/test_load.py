"""Choosing a loader, and what load_model promises whatever the loader."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13

from ovquant.errors import ModelError, UnknownPluginError
from ovquant.plugins.loaders import load_model
from ovquant.plugins.loaders.load import choose_loader, instances
from ovquant.plugins.protocols import Loader
from ovquant.plugins.registry import Registry


@dataclass(frozen=True)
class Returning:
    """A loader that accepts everything and returns one thing."""

    thing: object

    def accepts(self, source: object) -> bool:
        return True

    def load(self, source: object) -> object:
        return self.thing


def test_openvino_model_is_returned_as_it_is(small_model: openvino.Model) -> None:
    assert load_model(small_model) is small_model


def test_registered_loaders_fit_the_protocol() -> None:
    made = instances(Registry("loaders"))
    assert {"openvino", "tensorflow", "torch"} <= set(made)
    assert all(isinstance(loader, Loader) for loader in made.values())


def test_a_named_loader_is_used(ir: Path) -> None:
    assert load_model(ir, "openvino").inputs[0].get_any_name() == "x"
    with pytest.raises(UnknownPluginError, match="opnvino"):
        load_model(ir, "opnvino")


def test_a_loader_object_is_used(small_model: openvino.Model) -> None:
    assert load_model("anything", Returning(small_model)) is small_model


def test_missing_path_of_unknown_format_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model file or folder .*net.h5.*tensorflow: Read a TensorFlow SavedModel"):
        load_model(tmp_path / "net.h5")


def test_unknown_format_names_the_formats(tmp_path: Path) -> None:
    (tmp_path / "net.h5").touch()
    with pytest.raises(ModelError, match="No loader reads .*openvino: Read OpenVINO IR .*ONNX"):
        load_model(tmp_path / "net.h5")


def test_object_that_is_no_model_is_named() -> None:
    with pytest.raises(ModelError, match="No loader reads a dict"):
        load_model({})


def test_several_accepting_loaders_are_named(small_model: openvino.Model) -> None:
    both = {"one": Returning(small_model), "two": Returning(small_model)}
    with pytest.raises(ModelError, match="one, two"):
        choose_loader("model.x", both)


def test_loader_must_return_a_model() -> None:
    with pytest.raises(ModelError, match="gave a str"):
        load_model("model.x", Returning("no model"))


def test_model_without_inputs_is_refused() -> None:
    model = openvino.Model([opset13.result(opset13.constant([1.0]))], [], "constant")
    with pytest.raises(ModelError, match="has no inputs"):
        load_model(model)


def test_model_without_outputs_is_refused() -> None:
    x = opset13.parameter([1], np.float32, name="x")
    variable = opset13.assign(opset13.read_value(x, "state"), "state")
    with pytest.raises(ModelError, match="has no outputs"):
        load_model(openvino.Model([], [variable], [x], "sink"))


def test_import_is_light() -> None:
    code = (
        "import sys, ovquant.plugins.loaders, ovquant.plugins.datasets; from ovquant.plugins.registry import Registry;"
        "Registry('loaders').working(); Registry('datasets').working();"
        "print([name for name in ('openvino', 'torch', 'nncf', 'PIL', 'pyarrow', 'scipy') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
