"""A finished folder takes the place of another, and nobody finds none."""

import sys
import threading
from pathlib import Path

import pytest

from ovquant.domain import swap
from ovquant.domain.record import Record
from ovquant.domain.swap import exchange, move_into_place, move_up
from ovquant.errors import OutputError


def folder(place: Path, text: str) -> Path:
    """Write what ovquant knows as its own."""
    place.mkdir()
    (place / "text").write_text(text)
    Record.of("result", place).write(place)
    return place


@pytest.mark.parametrize("system_can", [True, False])
def test_the_new_folder_replaces_the_old_one_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system_can: bool
) -> None:
    if not system_can:
        monkeypatch.setattr(swap, "exchange", lambda *_: False)
    target = folder(tmp_path / "out", "old")
    assert move_into_place(folder(tmp_path / "out.partial", "new"), target) == target
    assert (target / "text").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_does_not_take_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("old")
    with pytest.raises(OutputError, match="is a file"):
        move_into_place(folder(tmp_path / "out.partial", "new"), tmp_path / "out")
    assert (tmp_path / "out").read_text() == "old"


@pytest.mark.parametrize("how", ["exchange", "rename", "move up"])
def test_what_ovquant_did_not_write_is_in_the_new_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(swap, "exchange", exchange if how == "exchange" else lambda *_: False)
    target = folder(tmp_path / "out", "old")
    (target / "notes.txt").write_text("mine")
    (target / "data" / "deep").mkdir(parents=True)
    (target / "data" / "deep" / "rows.csv").write_text("1,2")
    (target / "data" / "link").symlink_to("deep")
    (target / "empty").mkdir()
    (target / "text").write_text("old, and a remark of mine")
    partial = folder((target if how == "move up" else tmp_path) / ".partial", "new")
    (move_up if how == "move up" else move_into_place)(partial, target)
    assert (target / "text").read_text() == "new"
    assert (target / "text.edited").read_text() == "old, and a remark of mine"
    assert (target / "notes.txt").read_text() == "mine"
    assert (target / "data" / "link" / "rows.csv").read_text() == "1,2"
    assert (target / "empty").is_dir()
    assert {path.name for path in target.iterdir()} == {
        "text",
        "text.edited",
        "notes.txt",
        "data",
        "empty",
        ".ovquant.json",
    }
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_without_a_record_loses_nothing(tmp_path: Path) -> None:
    target = tmp_path / "out"
    (target / "trials").mkdir(parents=True)
    (target / "trials" / "thesis.txt").write_text("mine")
    (target / "text").write_text("mine too")
    move_into_place(folder(tmp_path / "partial", "new"), target)
    assert (target / "trials" / "thesis.txt").read_text() == "mine"
    assert (target / "text.edited").read_text() == "mine too"


def test_a_folder_where_there_was_none_is_renamed(tmp_path: Path) -> None:
    move_into_place(folder(tmp_path / "partial", "new"), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.skipif(sys.platform != "linux", reason="in one step on Linux alone")
def test_who_reads_finds_the_old_folder_or_the_new_one(tmp_path: Path) -> None:
    target, missed, done = folder(tmp_path / "out", "0"), list[str](), threading.Event()

    def read() -> None:
        while not done.is_set():
            if not target.is_dir():
                missed.append("no folder")

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(200):
        move_into_place(folder(tmp_path / "partial", str(number)), target)
    done.set()
    reader.join()
    assert missed == []
    assert (target / "text").read_text() == "199"


def test_what_is_not_there_cannot_be_exchanged(tmp_path: Path) -> None:
    assert not exchange(tmp_path / "none", folder(tmp_path / "one", "text"))
    assert (tmp_path / "one" / "text").read_text() == "text"


def test_of_empty_folders_only_those_that_ovquant_made_are_removed(tmp_path: Path) -> None:
    target = tmp_path / "out"
    (target / "trials" / "first").mkdir(parents=True)
    (target / "trials" / "first" / "text").write_text("old")
    Record.of("result", target).write(target)
    (target / "empty").mkdir()
    move_up(folder(target / ".partial", "new"), target)
    assert (target / "text").read_text() == "new"
    assert (target / "empty").is_dir()
    assert not (target / "trials").exists()
