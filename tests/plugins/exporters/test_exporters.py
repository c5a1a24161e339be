"""Exporters: what the other program needs is there, whole and unchanged."""

import hashlib
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest

import ovquant
from ovquant.domain.sample import Sample
from ovquant.errors import OutputError, UsageError
from ovquant.plugins.protocols import Exporter
from ovquant.plugins.registry import Registry
from ovquant.testing import ExporterContract
from tests.live.test_core import ROWS, net

EXPORTERS = ("zip", "model-server", "optimum")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    how = {"strategy": "first", "recipes": ["default"], "optimize": "size"}
    data = [Sample(row) for row in ROWS]
    folder = tmp_path_factory.mktemp("saved") / "linear"
    return ovquant.quantize(net(), data=data, metric="fidelity:by=cosine", max_drop=0.1, output=folder, **how).folder


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained model's folder as Hugging Face libraries write it."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("config.json", "tokenizer.json", "vocab.txt", "model.safetensors", "model.safetensors.index.json"):
        (folder / name).write_text("{}")
    return folder


@pytest.mark.parametrize("name", EXPORTERS)
class TestBuiltIn(ExporterContract):
    @pytest.fixture
    def exporter(self, name: str, source: Path) -> Exporter:
        made: Any = Registry("exporters").resolve(f"optimum:source={source}" if name == "optimum" else name)
        return made

    @pytest.fixture
    def folder(self, saved: Path) -> Path:
        return saved


def outputs(model: Path) -> np.ndarray:
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.array(compiled(ROWS[:4])[0])


def test_a_zip_has_a_checksum_for_every_file(saved: Path, tmp_path: Path) -> None:
    written = ovquant.export(saved, to="zip", output=tmp_path / "out.zip")
    with zipfile.ZipFile(written) as archive:
        sums = json.loads(archive.read("manifest.json"))["sha256"]
        assert set(archive.namelist()) == {*sums, "manifest.json"}
        assert all(hashlib.sha256(archive.read(name)).hexdigest() == value for name, value in sums.items())
        archive.extractall(tmp_path / "unpacked")
    assert "profile.jsonl" not in sums
    assert np.array_equal(outputs(tmp_path / "unpacked" / "model.xml"), outputs(saved / "model.xml"))
    assert ovquant.Result.load(tmp_path / "unpacked").verdict == "met"
    ovquant.export(saved, to="zip:measurements=true", output=written, force=True)
    with zipfile.ZipFile(written) as archive:
        assert "profile.jsonl" in archive.namelist()


def test_a_model_server_repository_has_versions_and_a_config(saved: Path, tmp_path: Path) -> None:
    ovquant.export(saved, to="model-server:name=words,version=3", output=tmp_path / "models")
    config = json.loads((tmp_path / "models" / "config.json").read_text())
    (listed,) = [item["config"] for item in config["model_config_list"]]
    assert (listed["name"], listed["target_device"]) == ("words", "CPU")
    assert listed["plugin_config"] == {"PERFORMANCE_HINT": "LATENCY"}
    versions = [path.name for path in (tmp_path / "models" / listed["base_path"]).iterdir()]
    assert versions == ["3"]
    assert np.array_equal(outputs(tmp_path / "models" / "words" / "3" / "model.xml"), outputs(saved / "model.xml"))
    ovquant.export(saved, to="model-server", output=tmp_path / "other")
    assert (tmp_path / "other" / "linear" / "1" / "model.bin").is_file()


def test_an_optimum_folder_has_the_model_under_its_name_and_no_weights(
    saved: Path, source: Path, tmp_path: Path
) -> None:
    ovquant.export(saved, to=f"optimum:source={source}", output=tmp_path / "hub")
    names = {path.name for path in (tmp_path / "hub").iterdir()}
    expected = {
        "openvino_model.xml",
        "openvino_model.bin",
        "config.json",
        "tokenizer.json",
        "vocab.txt",
        "ov_config.json",
        ".ovquant.json",
    }
    assert names == expected
    assert np.array_equal(outputs(tmp_path / "hub" / "openvino_model.xml"), outputs(saved / "model.xml"))


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("optimum", "give its folder with --to optimum:source=FOLDER"),
        ("optimum:source=nowhere", "'nowhere' has none"),
        ("model-server:version=0", "version=0 must be at least 1"),
        ("zap", "zip"),
    ],
)
def test_what_is_missing_is_named(saved: Path, tmp_path: Path, to: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ovquant.export(saved, to=to, output=tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_nothing_is_overwritten_or_exported_from_nothing(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(OutputError, match="--force"):
        ovquant.export(saved, to="zip", output=tmp_path / "taken")
    with pytest.raises(UsageError, match="holds no result"):
        ovquant.export(tmp_path, to="zip", output=tmp_path / "new.zip")
    unfinished = shutil.copytree(saved, tmp_path / "unfinished")
    (unfinished / "model.bin").unlink()
    with pytest.raises(UsageError, match=r"has no model\.bin"):
        ovquant.export(unfinished, to="zip", output=tmp_path / "new.zip")
