"""A result whose model is not the one that was measured is neither served, nor exported, nor called good."""

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import openvino
import pytest

import ovquant
from ovquant.errors import ModelError
from tests.cli.conftest import Case, Ran, Run

DAMAGES = {
    "zeroed": "model.bin is not the one",
    "cut": "model.bin is cut",
    "empty": "model.bin is",
    "gone": "model.bin",
}


@pytest.fixture(params=DAMAGES)
def damaged(request: pytest.FixtureRequest, finished: tuple[Path, Ran], tmp_path: Path) -> tuple[Path, str]:
    """A result with a damaged model.bin, and what is to be said of it."""
    folder = shutil.copytree(finished[0], tmp_path / "store" / "net")
    file, how = folder / "model.bin", request.param
    whole = file.read_bytes()
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes({"zeroed": whole[:-100] + bytes(100), "cut": whole[:-100], "empty": b""}[how])
    return folder, DAMAGES[how]


def test_core_serves_float_and_says_why(damaged: tuple[Path, str], net: Case) -> None:
    folder, words = damaged
    core, rows = ovquant.Core(store=folder.parent), net.arrays["image"][:1]
    with pytest.warns(ovquant.NotServedWarning, match="is served in float") as caught:
        compiled = core.compile_model(str(net.model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert str(folder) in str(caught[0].message)
    assert words in str(caught[0].message)
    plain = openvino.Core().compile_model(str(net.model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert np.array_equal(compiled(rows)[0], plain(rows)[0])
    with pytest.warns(ovquant.NotServedWarning, match="is served in float"):
        ovquant.compile_model(str(net.model), "CPU", store=folder.parent)


def test_a_result_neither_compiles_nor_is_saved(damaged: tuple[Path, str], tmp_path: Path) -> None:
    folder, words = damaged
    result = ovquant.Result.load(folder)
    for act in (result.compile, result.module, lambda: result.model, lambda: result.save(tmp_path / "copy")):
        with pytest.raises(ModelError, match=words):
            act()
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("to", ["zip", "model-server"])
def test_it_is_not_exported(run: Run, damaged: tuple[Path, str], tmp_path: Path, to: str) -> None:
    ran = run("export", damaged[0], "--to", to, "-o", "new")
    assert ran.code == 1
    assert "model.bin" in ran.err
    assert not (tmp_path / "new").exists()


def test_it_is_not_refreshed(run: Run, damaged: tuple[Path, str], net: Case) -> None:
    before = (damaged[0] / "result.json").read_bytes()
    ran = run("refresh", damaged[0], "--data", net.data, "--max-drop", "20pt")
    assert ran.code == 1
    assert damaged[1] in ran.err
    assert (damaged[0] / "result.json").read_bytes() == before


def test_a_check_names_the_file(run: Run, damaged: tuple[Path, str], net: Case) -> None:
    ran = run("check", damaged[0], "--data", net.data, "--json")
    if damaged[1] == DAMAGES["zeroed"]:
        assert (ran.code, ran.json["verdict"]) == (3, "missed")
        assert any("model.bin is not the one that was measured" in note for note in ran.json["notes"])
    else:
        assert ran.code == 1
        assert damaged[1] in ran.err


def test_a_cut_model_xml_is_named(finished: tuple[Path, Ran], tmp_path: Path) -> None:
    folder = shutil.copytree(finished[0], tmp_path / "out")
    (folder / "model.xml").write_bytes((folder / "model.xml").read_bytes()[:-100])
    with pytest.raises(ModelError, match="model.xml is cut"):
        ovquant.Result.load(folder).compile()


def test_a_damaged_plan_of_the_front_is_not_packed(finished: tuple[Path, Ran], tmp_path: Path) -> None:
    folder = shutil.copytree(finished[0], tmp_path / "out")
    result = ovquant.Result.load(folder)
    (folder / "pareto" / "01").mkdir(parents=True)
    for name in ("model.xml", "model.bin", "plan.json"):
        shutil.copy(folder / name, folder / "pareto" / "01" / name)
    front = ovquant.Result(**{**vars(result), "front": (result.trial,)}).save(tmp_path / "front")
    ovquant.export(front, to="zip", output=tmp_path / "whole.zip")
    (front / "pareto" / "01" / "model.bin").write_bytes(b"")
    with pytest.raises(ModelError, match="pareto/01/model.bin"):
        ovquant.export(front, to="zip", output=tmp_path / "new.zip")


def test_a_result_of_an_earlier_version_is_served(finished: tuple[Path, Ran], net: Case, tmp_path: Path) -> None:
    folder = shutil.copytree(finished[0], tmp_path / "store" / "net")
    (folder / ".ovquant.json").unlink(missing_ok=True)
    values = json.loads((folder / "result.json").read_text())
    values["model_digest"] = ""
    (folder / "result.json").write_text(json.dumps(values))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ovquant.Core(store=folder.parent).compile_model(str(net.model), "CPU")
    ovquant.Result.load(folder).compile()


def test_a_result_that_was_replaced_since_is_served(finished: tuple[Path, Ran], net: Case, tmp_path: Path) -> None:
    folder = shutil.copytree(finished[0], tmp_path / "store" / "net")
    core = ovquant.Core(store=folder.parent)
    values = json.loads((folder / "result.json").read_text())
    openvino.save_model(openvino.Core().read_model(net.model), tmp_path / "other.xml")
    for suffix in (".xml", ".bin"):
        shutil.copy(tmp_path / f"other{suffix}", folder / f"model{suffix}")
    from ovquant.domain.digest import model_digest

    (folder / ".ovquant.json").unlink()
    (folder / "result.json").write_text(json.dumps({**values, "model_digest": model_digest(folder)}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        core.compile_model(str(net.model), "CPU")
