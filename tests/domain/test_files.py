"""Files and folders are whole or not there, and temporary ones go with what uses them."""

import gc
import tempfile
from pathlib import Path

import pytest

from ovquant.domain.files import TemporaryFolder, temporary_folder, written
from ovquant.errors import DataError


def test_a_file_has_its_name_once_all_was_written(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text("old")
    with written(path) as partial:
        assert partial.parent == tmp_path
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_what_fails_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text("old")

    def fail() -> None:
        with written(path) as partial:
            partial.write_text("ne")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail()
    assert path.read_text() == "old"


def test_a_folder_begins_empty_whatever_a_killed_run_left(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "trial"
    for _ in range(2):
        left = path.with_name("trial.partial")
        left.mkdir(parents=True, exist_ok=True)
        (left / "half").write_text("left")
        with written(path, folder=True) as partial:
            assert list(partial.iterdir()) == []
            (partial / "model.xml").write_text("whole")
            assert not path.exists()
        assert [item.name for item in path.iterdir()] == ["model.xml"]
        assert [item.name for item in path.parent.iterdir()] == ["trial"]
        path.rename(tmp_path / "moved")
        (tmp_path / "moved" / "model.xml").unlink()
        (tmp_path / "moved").rmdir()


def test_a_folder_is_made_with_all_that_lead_to_it(tmp_path: Path) -> None:
    with written(tmp_path / "deep" / "er" / "trial", folder=True) as partial:
        (partial / "model.xml").write_text("whole")
    assert (tmp_path / "deep" / "er" / "trial" / "model.xml").read_text() == "whole"


def test_no_folder_is_made_for_a_file(tmp_path: Path) -> None:
    with written(tmp_path / "file") as partial:
        assert not partial.exists()
        partial.write_text("whole")
    assert (tmp_path / "file").is_file()


class Owner:
    """What a folder belongs to."""


def test_a_temporary_folder_goes_with_its_owner() -> None:
    owner = Owner()
    folder = temporary_folder(owner)
    (folder / "inner").mkdir()
    (folder / "inner" / "model.bin").write_bytes(b"weights")
    assert folder.name.startswith("ovquant-")
    assert temporary_folder(owner) != folder
    del owner
    gc.collect()
    assert not folder.exists()


def test_a_temporary_folder_that_is_gone_already_is_no_trouble(capfd: pytest.CaptureFixture[str]) -> None:
    owner = Owner()
    temporary_folder(owner).rmdir()
    del owner
    gc.collect()
    assert tuple(capfd.readouterr()) == ("", "")


def test_a_folder_that_is_its_own_owner_goes_with_itself() -> None:
    held = TemporaryFolder()
    path = held.path
    assert path.is_dir()
    del held
    gc.collect()
    assert not path.exists()


def test_without_space_for_temporary_folders_the_remedy_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(DataError, match="No temporary folder can be made: .*Set TMPDIR"):
        temporary_folder(Owner())
