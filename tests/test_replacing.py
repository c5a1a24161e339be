"""A finished folder takes the place of another, and nobody finds none."""

import sys
import threading
from pathlib import Path

import pytest

from ovquant import replacing
from ovquant.replacing import exchange, move_into_place


def folder(place: Path, text: str) -> Path:
    place.mkdir()
    (place / "text").write_text(text)
    return place


@pytest.mark.parametrize("system_can", [True, False])
def test_the_new_folder_replaces_the_old_one_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system_can: bool
) -> None:
    if not system_can:
        monkeypatch.setattr(replacing, "exchange", lambda *_: False)
    target = folder(tmp_path / "out", "old")
    assert move_into_place(folder(tmp_path / "out.partial", "new"), target) == target
    assert (target / "text").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_takes_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("old")
    move_into_place(folder(tmp_path / "out.partial", "new"), tmp_path / "out")
    assert (tmp_path / "out" / "text").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


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
