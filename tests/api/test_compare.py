"""Results side by side, with what keeps them from being compared."""

from pathlib import Path

import pytest

import ovquant
from ovquant.domain.budget import Budget, Drop
from ovquant.errors import UsageError
from tests.plugins.reports.conftest import result_of


def saved(folder: Path, **changes: object) -> Path:
    folder.mkdir(parents=True)
    for name in ("model.xml", "model.bin", "profile.jsonl"):
        (folder / name).write_text(name)
    result_of(folder=folder, **changes).write(folder)
    return folder


def test_equal_circumstances_need_no_word(tmp_path: Path) -> None:
    looser = Budget(Drop.parse("2%"))
    found = ovquant.compare([saved(tmp_path / "tight"), saved(tmp_path / "loose", budget=looser)])
    assert list(found.results) == ["tight", "loose"]
    assert found.results["loose"]["budget"] == "a drop of at most 2%"
    assert found.results["tight"]["drop"] == 0.006
    assert found.notes == ()


def test_what_differs_is_told_with_what_it_means(tmp_path: Path) -> None:
    there = {"device": {"device": "GPU", "full_name": "Another"}, "versions": {"openvino": "1"}}
    found = ovquant.compare([saved(tmp_path / "a"), saved(tmp_path / "b", metric="wer", **there)])
    said = dict(note.split(":", 1) for note in found.notes)
    assert set(said) == {"The metrics differ", "The devices differ", "The versions differ"}
    assert said["The devices differ"].endswith("Times cannot be compared; speed-ups are over float on each.")
    assert said["The metrics differ"] == " exact (a), wer (b). Scores and drops cannot be compared."


def test_folders_of_one_name_are_called_by_their_paths(tmp_path: Path) -> None:
    folders = [saved(tmp_path / part / "out") for part in ("one", "two")]
    assert list(ovquant.compare(folders).results) == [str(folder) for folder in folders]


def test_one_result_is_compared_with_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two results or more"):
        ovquant.compare([saved(tmp_path / "a")])
