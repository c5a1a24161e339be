"""Where an output goes is tried, locked and written whole, and nothing of others is touched there."""

import errno
import json
import os
import shutil
import socket
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from ovquant.domain.place import (
    Place,
    disk_error,
    find_place,
    is_stream_failure,
    new_file,
    new_folder,
    paths_in,
    refuse_content,
    refuse_inputs,
    refuse_partial,
    resolved,
    writing,
)
from ovquant.domain.record import Record
from ovquant.errors import OutputError
from tests.domain.conftest import content, record_folder, result_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the system does not rename, as the mount point of a container."""
    folder, rename = tmp_path / "mounted", Path.rename
    folder.mkdir()

    def refusing(path: Path, target: Path) -> Path:
        if path == folder:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refusing)
    return folder


def disk(monkeypatch: pytest.MonkeyPatch, free: int, *, only: Path | None = None) -> None:
    """Have so much room left on the disk, or on the disk of one folder alone."""

    def usage(path: Path) -> SimpleNamespace:
        return SimpleNamespace(free=free if only is None or only in (path, *path.parents) else 2**40)

    monkeypatch.setattr(shutil, "disk_usage", usage)


# Finding ---------------------------------------------------------------------------------------------------------------


def test_a_new_place_is_found_and_nothing_is_made_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = find_place("deep/out")
    assert found == Place(Path("deep/out"), tmp_path.resolve() / "deep" / "out", inside=False)
    assert found.partial == tmp_path.resolve() / "deep" / "out.partial"
    assert names(tmp_path) == []


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    found = find_place(tmp_path / "link" / "out")
    assert found.target == tmp_path / "link" / "out"
    assert found.real == (tmp_path / "real").resolve() / "out"


def test_links_in_a_ring_and_the_topmost_folder_are_no_place(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    with pytest.raises(OutputError, match="leads nowhere|cannot be an output"):
        resolved(tmp_path / "one")
    with pytest.raises(OutputError, match="cannot be an output"):
        resolved(Path(tmp_path.anchor))


def test_what_a_run_reads_is_no_place(tmp_path: Path) -> None:
    data, model = tmp_path / "work" / "val", tmp_path / "work" / "net.xml"
    data.mkdir(parents=True)
    model.touch()
    for given in (str(model), model, f"images:path={data},size=32"):
        with pytest.raises(OutputError, match=r"is or holds '.*', which this run reads.*-o work-ovquant"):
            find_place(tmp_path / "work", inputs=[{"an": "array"}, given])
    with pytest.raises(OutputError, match="which this run reads"):
        find_place(data, inputs=[data])
    assert find_place(data / "out", inputs=[data]).real == data.resolve() / "out"
    refuse_inputs(tmp_path / "work", tmp_path / "work", [None, 3, ("x", str(model)), "nothing=here"])


def test_the_paths_in_a_text_are_those_that_exist(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    text = f"pairs:left={tmp_path / 'a'},right={tmp_path / 'b'},other={tmp_path / 'c'}"
    assert paths_in(text) == [(tmp_path / "a").resolve(), (tmp_path / "b").resolve()]
    assert paths_in(tmp_path / "a") == [(tmp_path / "a").resolve()]
    assert paths_in("a\0b") == paths_in(7) == paths_in("") == []


# What is there already -------------------------------------------------------------------------------------------------


def test_a_file_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(OutputError, match="is a file, which ovquant did not write"):
        find_place(tmp_path / "out", force=True)
    assert (tmp_path / "out").read_text() == "mine"


def test_a_folder_with_something_else_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"already holds something else, such as 'thesis.txt'"):
        find_place(tmp_path / "out", force=True)
    assert names(tmp_path / "out") == ["thesis.txt"]


def test_a_result_is_replaced_by_force_alone(tmp_path: Path) -> None:
    folder = result_folder(tmp_path / "out", model_xml="<net></net>")
    before = content(tmp_path)
    with pytest.raises(OutputError, match="already holds a result.*--force"):
        find_place(folder)
    assert find_place(folder, force=True) == Place(folder, folder.resolve())
    # It was tried whether it can be renamed, and nothing shows of that.
    assert content(tmp_path) == before
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("left", [[], ["lost+found"], [".partial", ".partial.lock"]])
def test_an_empty_folder_and_what_is_always_there_are_no_hindrance(tmp_path: Path, left: list[str]) -> None:
    (tmp_path / "out").mkdir()
    for name in left:
        (tmp_path / "out" / name).mkdir()
    assert not find_place(tmp_path / "out").inside
    assert names(tmp_path / "out") == left
    assert names(tmp_path) == ["out"]


def test_what_a_run_that_was_killed_had_moved_up_is_no_hindrance(tmp_path: Path) -> None:
    folder = record_folder(tmp_path / "out", "result", model_xml="<net></net>")
    with pytest.raises(OutputError, match="something else"):
        refuse_content(folder, folder, force=False)
    record_folder(folder / ".partial", "run", plan_json="{}")
    refuse_content(folder, folder, force=False)
    assert names(folder) == [".ovquant.json", ".partial", "model.xml"]


# Trying ----------------------------------------------------------------------------------------------------------------


def test_a_place_that_cannot_be_renamed_is_worked_in(tmp_path: Path, mounted: Path) -> None:
    found = find_place(mounted)
    assert found.inside
    assert found.partial == mounted.resolve() / ".partial"
    assert names(tmp_path) == ["mounted"]
    assert names(mounted) == []


def test_a_place_under_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"out' cannot be written: Not a directory. Give another place with -o."):
        find_place(tmp_path / "file" / "out")


@pytest.mark.parametrize("there", [True, False])
def test_a_place_where_nothing_can_be_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    def refuse(**_: object) -> str:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    if there:
        (tmp_path / "out").mkdir()
    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(OutputError, match="out' cannot be written: Permission denied"):
        find_place(tmp_path / "out")


def test_a_folder_that_cannot_be_renamed_where_it_is_made_is_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, target: Path) -> Path:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OutputError, match="cannot be written: Permission denied"):
        find_place(tmp_path / "out")
    assert names(tmp_path) == []


def test_a_run_works_in_no_folder_that_ovquant_did_not_make(tmp_path: Path) -> None:
    place = Place(tmp_path / "out", tmp_path / "out")
    refuse_partial(place)
    place.partial.mkdir()
    (place.partial / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"out.partial' is where a run works, and ovquant did not write"):
        refuse_partial(place)
    record_folder(place.partial, "run")
    refuse_partial(place)
    place.partial.rename(tmp_path / "elsewhere")
    place.partial.symlink_to("elsewhere")
    with pytest.raises(OutputError, match="out.partial' is a link"):
        refuse_partial(place)
    assert content(tmp_path / "elsewhere")["thesis.txt"] == "mine"


# Locking ---------------------------------------------------------------------------------------------------------------


def attempt(place: Place) -> str:
    """Try to lock a place from another thread, and return what is said where that fails."""

    def lock() -> str:
        try:
            with place.locked():
                return ""
        except OutputError as error:
            return str(error)

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lock).result()


def test_one_run_holds_a_place_and_the_second_says_which(tmp_path: Path) -> None:
    place = Place(tmp_path / "out", tmp_path / "out")
    with place.locked():
        holder = json.loads((tmp_path / "out.partial.lock").read_text())
        assert (holder["pid"], holder["host"]) == (os.getpid(), socket.gethostname())
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder["since"]))
        said = attempt(place)
        assert f"Another run writes '{tmp_path / 'out'}': process {os.getpid()} on {socket.gethostname()}" in said
        assert f"since {since}. Wait for it" in said
        assert attempt(Place(tmp_path / "other", tmp_path / "other")) == ""
        assert len({place, Place(tmp_path / "out", tmp_path / "out")}) == 1
    assert names(tmp_path) == []
    assert attempt(place) == ""


def test_a_lock_that_was_removed_by_hand_is_no_trouble(tmp_path: Path) -> None:
    with Place(tmp_path / "out", tmp_path / "out").locked():
        (tmp_path / "out.partial.lock").unlink()
    assert names(tmp_path) == []


def test_a_run_that_has_not_yet_said_who_it_is_holds_it_too(tmp_path: Path) -> None:
    place = Place(tmp_path / "out", tmp_path / "out")
    with place.locked():
        (tmp_path / "out.partial.lock").write_text("")
        assert "process unknown on this host, since now" in attempt(place)


def test_a_place_is_free_again_when_a_run_fails(tmp_path: Path) -> None:
    place = Place(tmp_path / "out", tmp_path / "out")

    def fail() -> None:
        with place.locked():
            raise ValueError("no model")

    with pytest.raises(ValueError, match="no model"):
        fail()
    assert names(tmp_path) == []


def test_what_a_killed_run_left_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "out.partial.lock").write_text(json.dumps({"pid": 1, "host": "gone", "since": 0}))
    assert attempt(Place(tmp_path / "out", tmp_path / "out")) == ""
    (tmp_path / "out.partial.lock").touch()
    assert attempt(Place(tmp_path / "out", tmp_path / "out")) == ""
    assert names(tmp_path) == []


@pytest.mark.parametrize("text", ["three years", "[1]", '{"pid": 1}'])
def test_a_file_of_the_users_is_no_lock(tmp_path: Path, text: str) -> None:
    (tmp_path / "out.partial.lock").write_text(text)
    assert "is not a lock that ovquant made" in attempt(Place(tmp_path / "out", tmp_path / "out"))
    assert (tmp_path / "out.partial.lock").read_text() == text


def test_a_lock_that_cannot_be_made_is_an_error_of_the_place(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    place = Place(tmp_path / "file" / "out", tmp_path / "file" / "out")
    assert "out' cannot be written: " in attempt(place)


# Putting ---------------------------------------------------------------------------------------------------------------


def test_a_finished_folder_takes_its_place(tmp_path: Path) -> None:
    target = result_folder(tmp_path / "out", model_xml="old")
    (target / "notes.txt").write_text("mine")
    place = Place(tmp_path / "link", target)
    with place.scratch() as folder:
        assert (folder.name, names(folder)) == ("out", [])
        assert folder.parent.parent == tmp_path
        result_folder(folder, model_xml="new")
        assert (target / "model.xml").read_text() == "old"
        assert place.put(folder) == tmp_path / "link"
    found = content(target)
    assert (found["model.xml"], found["notes.txt"]) == ("new", "mine")
    assert names(tmp_path) == ["out"]


def test_what_cannot_be_renamed_is_filled_from_within(mounted: Path, tmp_path: Path) -> None:
    result_folder(mounted, model_xml="old")
    place = Place(mounted, mounted, inside=True)
    with place.scratch() as folder:
        assert folder.parent.parent == mounted
        place.put(result_folder(folder, model_xml="new"))
    assert (mounted / "model.xml").read_text() == "new"
    assert names(mounted) == [".ovquant.json", "model.xml", "result.json"]
    assert names(tmp_path) == ["mounted"]


def test_what_was_not_put_is_gone(tmp_path: Path) -> None:
    place = Place(tmp_path / "deep" / "out", tmp_path / "deep" / "out")

    def fail() -> None:
        with place.scratch() as folder:
            (folder / "model.xml").write_text("half")
            raise ValueError("no model")

    with pytest.raises(ValueError, match="no model"):
        fail()
    assert names(tmp_path / "deep") == []


def test_a_folder_does_not_take_the_place_of_what_came_meanwhile(tmp_path: Path) -> None:
    place = Place(tmp_path / "out", tmp_path / "out")
    with place.scratch() as folder:
        (tmp_path / "out").write_text("mine")
        with pytest.raises(OutputError, match="is a file"):
            place.put(folder)
    assert content(tmp_path) == {"out": "mine"}


# Files and exports -----------------------------------------------------------------------------------------------------


def test_a_file_replaces_one_of_ours_alone(tmp_path: Path) -> None:
    target = tmp_path / "plan.json"

    def ours(path: Path) -> bool:
        return path.read_text().startswith("plan")

    for text in ("plan 1", "plan 2"):
        with new_file(target, ours) as path:
            path.write_text(text)
        assert content(tmp_path) == {"plan.json": text}
    target.write_text("thesis")
    with pytest.raises(OutputError, match=r"plan.json' was not written by ovquant"), new_file(target, ours) as path:
        path.write_text("plan 3")
    assert content(tmp_path) == {"plan.json": "thesis"}


def test_a_file_replaces_no_folder(tmp_path: Path) -> None:
    (tmp_path / "plan.json").mkdir()
    with (
        pytest.raises(OutputError, match="was not written by ovquant"),
        new_file(tmp_path / "plan.json", lambda _: True),
    ):
        pass
    assert names(tmp_path / "plan.json") == []


def test_a_file_goes_where_a_link_leads(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real.json")
    with new_file(tmp_path / "link", lambda _: False) as path:
        path.write_text("plan")
    assert (tmp_path / "link").readlink() == Path("real.json")
    assert (tmp_path / "real.json").read_text() == "plan"
    assert names(tmp_path) == ["link", "real.json"]


def test_a_folder_that_came_meanwhile_stays_and_no_file_is_put_into_it(tmp_path: Path) -> None:
    def write() -> None:
        with new_file(tmp_path / "plan.json", lambda _: True) as path:
            path.write_text("plan")
            (tmp_path / "plan.json").mkdir()

    with pytest.raises(OutputError, match="became a folder or a link meanwhile"):
        write()
    assert names(tmp_path / "plan.json") == []


def test_an_export_replaces_an_export_and_keeps_all_else(tmp_path: Path) -> None:
    target = tmp_path / "exported"
    for number in range(2):
        with new_folder(target) as folder:
            (folder / "model.xml").write_text(f"model {number}")
        record = Record.read(target)
        assert record is not None
        assert (record.kind, list(record.files)) == ("export", ["model.xml"])
        (target / "notes.txt").write_text("mine")
    assert (target / "model.xml").read_text() == "model 1"
    assert names(target) == [".ovquant.json", "model.xml", "notes.txt"]
    assert names(tmp_path) == ["exported"]


# What is said ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "model.xml"), "cannot be written: Permission denied. Give"),
        (OSError("no more"), "cannot be written: no more. Give"),
        (RuntimeError("Can't open bin file."), "cannot be written: Can't open bin file. Give"),
        (OSError(errno.ENOSPC, "No space left on device"), "cannot be written: No space left on device. Give"),
    ],
)
def test_what_goes_wrong_in_writing_names_the_place(tmp_path: Path, raised: Exception, said: str) -> None:
    with pytest.raises(OutputError, match=f"'{tmp_path}' {said} another place with -o."), writing(tmp_path):
        raise raised


def test_other_errors_are_passed_on(tmp_path: Path) -> None:
    for error in (RuntimeError("Check 'rank' failed"), ValueError("three"), OutputError("four")):
        with pytest.raises(type(error), match=str(error)), writing(tmp_path):
            raise error


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("basic_ios::clear: iostream error", True),
        ("basic_ios::clear", True),
        ("Can't open bin file: x.bin", True),
        ("Can't open xml file: x.xml", True),
        ("Cannot reshape", False),
    ],
)
def test_openvino_says_in_its_own_words_that_a_file_cannot_be_written(text: str, expected: bool) -> None:
    assert is_stream_failure(RuntimeError(text)) is expected


@pytest.mark.parametrize("error", [RuntimeError("iostream error"), OSError(errno.ENOSPC, "No space left on device")])
def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    disk(monkeypatch, 2**20 - 1)
    said = f"'{tmp_path / 'a'}' cannot be written: no space is left on the disk"
    with pytest.raises(OutputError, match=said), writing(tmp_path / "a"):
        raise error


def test_a_full_disk_of_temporary_folders_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    disk(monkeypatch, 0, only=tmp_path / "temporary")
    with pytest.raises(OutputError, match=r"temporary' cannot be written: no space is left"), writing(tmp_path / "out"):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")


def test_a_disk_with_room_and_other_causes_are_not_called_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk(monkeypatch, 2**20)
    with pytest.raises(OutputError, match="cannot be written: iostream error"), writing(tmp_path):
        raise RuntimeError("iostream error")
    disk(monkeypatch, 0)
    with pytest.raises(OutputError, match="cannot be written: Permission denied"), writing(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied")


def test_an_error_is_of_the_disk_where_it_names_the_folder_or_no_room(tmp_path: Path) -> None:
    inside, outside = str(tmp_path / "trials" / "model.bin"), str(tmp_path.parent / "val.npz")
    for error in (
        OSError(errno.EACCES, "Permission denied", inside),
        OSError(errno.EACCES, "Permission denied", os.fsencode(inside)),
        OSError(errno.EXDEV, "Invalid cross-device link", outside, None, inside),
        OSError(errno.EACCES, "Permission denied", str(tmp_path)),
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EROFS, "Read-only file system", outside),
        RuntimeError("basic_ios::clear: iostream error"),
    ):
        found = disk_error(tmp_path, error)
        assert isinstance(found, OutputError)
        assert f"'{tmp_path}' cannot be written" in str(found)


def test_an_error_of_a_users_file_is_not_of_the_disk(tmp_path: Path) -> None:
    outside = str(tmp_path.parent / "val.npz")
    assert disk_error(tmp_path, FileNotFoundError(errno.ENOENT, "No such file", outside)) is None
    assert disk_error(tmp_path, OSError(3, "No name")) is None
    assert disk_error(tmp_path, RuntimeError("Check 'rank' failed")) is None
    assert disk_error(tmp_path, ValueError("basic_ios")) is None
    assert disk_error(tmp_path, None) is None
