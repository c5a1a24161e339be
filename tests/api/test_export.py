"""A saved result in another form: only of a whole result, and never over what ovquant did not write."""

import zipfile
from pathlib import Path

import pytest

import ovquant
from ovquant.errors import ModelError, OutputError, UsageError


def test_a_result_is_written_where_it_was_asked_for(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.zip"
    assert ovquant.export(str(folder), to="zip", output=str(target)) == target
    with zipfile.ZipFile(target) as archive:
        assert archive.read("model.bin") == (folder / "model.bin").read_bytes()
        assert "profile.jsonl" not in archive.namelist()


@pytest.mark.parametrize("name", ["model.xml", "model.bin"])
def test_a_folder_without_a_model_is_named(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()
    with pytest.raises(UsageError, match=f"out' has no {name}. Give the folder that -o wrote, whole"):
        ovquant.export(folder, to="zip", output=tmp_path / "new.zip")


def test_a_folder_without_a_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no result"):
        ovquant.export(tmp_path, to="zip", output=tmp_path / "new.zip")


def test_a_model_that_is_not_the_one_that_was_measured_is_refused(folder: Path, tmp_path: Path) -> None:
    # Without a record it is the digest alone that tells.
    (folder / ".ovquant.json").unlink()
    whole = (folder / "model.bin").read_bytes()
    (folder / "model.bin").write_bytes(whole[:-8] + bytes(8))
    with pytest.raises(ModelError, match="is damaged"):
        ovquant.export(folder, to="zip", output=tmp_path / "new.zip")
    assert not (tmp_path / "new.zip").exists()


def test_only_an_export_is_replaced_and_only_by_force(folder: Path, tmp_path: Path) -> None:
    target = ovquant.export(folder, to="zip", output=tmp_path / "new.zip")
    with pytest.raises(OutputError, match="--force"):
        ovquant.export(folder, to="zip", output=target)
    before = target.read_bytes()
    ovquant.export(folder, to="zip:measurements=true", output=target, force=True)
    assert len(target.read_bytes()) > len(before)
    (tmp_path / "thesis.txt").write_text("three years")
    with pytest.raises(OutputError, match="not an export that ovquant wrote"):
        ovquant.export(folder, to="zip", output=tmp_path / "thesis.txt", force=True)
    assert (tmp_path / "thesis.txt").read_text() == "three years"
