"""What a command writes, where, and what it never touches."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import QUICK, Case, Ran, Run

needs_mounts = pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="only root mounts")


def asked(net: Case, *more: object, data: object = None) -> tuple[object, ...]:
    return ("--data", data or net.data, "--metric", "accuracy", "--max-drop", "2%", *QUICK, *more)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def work(net: Case, tmp_path: Path) -> Path:
    """The user's own folder: the float model, the data and a text."""
    folder = tmp_path / "work"
    folder.mkdir()
    for path in (net.model, net.model.with_suffix(".bin"), net.data):
        shutil.copy2(path, folder / path.name)
    (folder / "thesis.txt").write_text("three years")
    return folder


@pytest.fixture
def result(finished: tuple[Path, Ran], tmp_path: Path) -> Path:
    return shutil.copytree(finished[0], tmp_path / "out")


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A folder that cannot be renamed, as a container has its output."""
    yield from mount(tmp_path / "mounted", "64m")


def mount(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=False)
    if done.returncode:
        pytest.skip("mounting is not permitted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


# What ovquant did not write --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", [".", "..", "../work", "link"])
def test_a_folder_that_holds_the_inputs_is_refused(run: Run, net: Case, work: Path, output: str) -> None:
    (work.parent / "elsewhere").symlink_to(work)
    (work / "link").symlink_to(".")
    where = {"..": work / ".." / "work"}.get(output, work / output)
    before = content(work)
    ran = run("quantize", work / "net.xml", *asked(net, "-o", where, "--force", data=work / "net.npz"))
    assert ran.code == 1
    assert "which this run reads" in ran.err
    assert "-o" in ran.err
    assert "fault in ovquant" not in ran.err
    assert content(work) == before


@pytest.mark.parametrize("output", [".", ".."])
def test_dots_are_refused_with_the_remedy(net: Case, work: Path, output: str) -> None:
    inside = work / "inside"
    inside.mkdir()
    (inside / "notes").write_text("mine")
    before = content(work)
    command = [sys.executable, "-m", "ovquant", "quantize", net.model, *asked(net, "-o", output, "--force")]
    done = subprocess.run(list(map(str, command)), cwd=inside, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "fault in ovquant" not in done.stderr
    assert "Give another" in done.stderr
    assert "--force" not in done.stderr
    assert content(work) == before


def test_force_removes_no_file_and_no_folder_of_the_users(run: Run, net: Case, work: Path, tmp_path: Path) -> None:
    before = content(work)
    for place in (work, work / "thesis.txt"):
        ran = run("quantize", net.model, *asked(net, "-o", place, "--force"))
        assert ran.code == 1, ran.err
        assert "--force" not in ran.err
        assert content(work) == before
    # Another program writes a result.json too.
    other = tmp_path / "other"
    other.mkdir()
    (other / "result.json").write_text('{"mine": 1}')
    ran = run("quantize", net.model, *asked(net, "-o", other, "--force"))
    assert ran.code == 1
    assert (other / "result.json").read_text() == '{"mine": 1}'


@pytest.mark.parametrize("written_by", ["this version", "an earlier version"])
def test_force_replaces_a_result_and_keeps_what_the_user_put_there(
    run: Run, net: Case, result: Path, written_by: str
) -> None:
    (result / "notes.txt").write_text("mine")
    (result / "figures").mkdir()
    (result / "figures" / "plot.png").write_bytes(b"plot")
    edits = written_by == "this version"
    if edits:
        (result / "report.md").write_text("with my remarks")
    else:
        (result / ".ovquant.json").unlink(missing_ok=True)
    before = json.loads((result / "result.json").read_text())["seconds"]
    ran = run("quantize", net.model, *asked(net, "-o", result, "--force", "--json"))
    assert ran.code == 0, ran.err
    assert json.loads((result / "result.json").read_text())["seconds"] != before
    assert (result / "notes.txt").read_text() == "mine"
    assert (result / "figures" / "plot.png").read_bytes() == b"plot"
    if edits:
        assert (result / "report.md.edited").read_text() == "with my remarks"
        assert any("report.md.edited" in note for note in ran.json["notes"])
    names = {"model.xml", "model.bin", "plan.json", "result.json", "profile.jsonl", "notes.txt", "figures"}
    assert {path.name for path in result.iterdir()} >= names
    assert [path.name for path in result.parent.iterdir() if path.name.startswith((".out", "out."))] == []


def test_folders_of_the_users_beside_the_output_stay(run: Run, net: Case, result: Path) -> None:
    mine = [result.with_name(name) for name in ("out.old", "out.refreshed", "out.refreshed.partial", "best.partial")]
    for folder in mine:
        folder.mkdir()
        (folder / "thesis.txt").write_text("three years")
    assert run("quantize", net.model, *asked(net, "-o", result, "--force")).code == 0
    assert run("refresh", result, "--data", net.data, "--max-drop", "20pt").code == 0
    assert {(folder / "thesis.txt").read_text() for folder in mine} == {"three years"}


def test_a_folder_of_the_users_where_the_work_would_be_is_refused(run: Run, net: Case, result: Path) -> None:
    partial = result.with_name("out.partial")
    partial.mkdir()
    (partial / "thesis.txt").write_text("three years")
    ran = run("quantize", net.model, *asked(net, "-o", result, "--force"))
    assert ran.code == 1
    assert "out.partial" in ran.err
    assert content(partial) == {"thesis.txt": b"three years"}


def test_a_partial_folder_of_an_earlier_version_is_gone_on_from(run: Run, net: Case, result: Path) -> None:
    profile = (result / "profile.jsonl").read_text()
    partial = result.with_name("new.partial")
    partial.mkdir()
    (partial / "profile.jsonl").write_text(profile)
    ran = run("quantize", net.model, *asked(net, "-o", result.with_name("new")))
    assert ran.code == 0, ran.err
    assert (result.with_name("new") / "profile.jsonl").read_text().startswith(profile)


@pytest.mark.parametrize("to", ["zip", "model-server", "optimum:source={source}"])
def test_export_replaces_an_export_alone(run: Run, result: Path, tmp_path: Path, to: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "config.json").write_text("{}")
    how = ("--to", to.format(source=source), "--force")
    for mine in ("target", "target.partial"):
        (tmp_path / mine).mkdir()
        (tmp_path / mine / "thesis.txt").write_text("three years")
    (tmp_path / "file.zip").write_text("mine")
    (tmp_path / "new.partial").write_text("mine")
    # What is refused is refused whatever is exported.
    for target in ("target", "file.zip", "out", "source", ".") if to == "zip" else ("target",):
        before = content(tmp_path)
        ran = run("export", result, *how, "-o", target)
        assert ran.code == 1, ran.err
        assert content(tmp_path) == before
    for _ in range(2):
        assert run("export", result, *how, "-o", "new").code == 0
    assert (tmp_path / "new.partial").read_text() == "mine"
    if to != "zip":
        (tmp_path / "new" / "notes.txt").write_text("mine")
        assert run("export", result, *how, "-o", "new").code == 0
        assert (tmp_path / "new" / "notes.txt").read_text() == "mine"


def test_plan_replaces_a_plan_alone(run: Run, result: Path, tmp_path: Path) -> None:
    how = ("plan", "--profile", result / "profile.jsonl", "--max-drop", "2%", "--optimize", "size", "--force")
    (tmp_path / "thesis.txt").write_text("three years")
    ran = run(*how, "-o", "thesis.txt")
    assert ran.code == 1
    assert (tmp_path / "thesis.txt").read_text() == "three years"
    for _ in range(2):
        assert run(*how, "-o", "new.json").code == 0


@pytest.mark.parametrize("command", ["plan", "profile"])
def test_a_text_given_as_a_profile_stays_as_it_is(run: Run, net: Case, tmp_path: Path, command: str) -> None:
    (tmp_path / "thesis.txt").write_text("three years, and no line feed at the end")
    if command == "plan":
        ran = run("plan", "--profile", "thesis.txt", "--max-drop", "1%", "-o", "new.json")
    else:
        ran = run("profile", net.model, *asked(net, "-o", "thesis.txt"))
    assert ran.code == 1
    assert (tmp_path / "thesis.txt").read_text() == "three years, and no line feed at the end"


# Where it is put -------------------------------------------------------------------------------------------------------


def test_a_link_stays_and_leads_to_the_result(run: Run, net: Case, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real")
    for more in ((), ("--force",)):
        ran = run("quantize", net.model, *asked(net, "-o", "link", *more))
        assert ran.code == 0, ran.err
        assert (tmp_path / "link").readlink() == Path("real")
        assert (tmp_path / "real" / "result.json").is_file()
        assert {path.name for path in tmp_path.iterdir()} == {"link", "real"}


def test_no_run_works_inside_what_a_link_leads_to(run: Run, net: Case, result: Path, tmp_path: Path) -> None:
    (tmp_path / "new.partial").symlink_to(result)
    before = content(result)
    ran = run("quantize", net.model, *asked(net, "-o", "new"))
    assert ran.code == 1
    assert "is a link" in ran.err
    assert content(result) == before


@needs_mounts
def test_a_mount_point_is_worked_in(run: Run, net: Case, mounted: Path) -> None:
    ran = run("quantize", net.model, *asked(net, "-o", mounted))
    assert ran.code == 0, ran.err
    assert (mounted / "result.json").is_file()
    (mounted / "notes.txt").write_text("mine")
    again = run("quantize", net.model, *asked(net, "-o", mounted, "--force"))
    assert again.code == 0, again.err
    assert (mounted / "notes.txt").read_text() == "mine"
    assert {path.name for path in mounted.iterdir()} & {".partial", ".partial.lock"} == set()
    assert run("refresh", mounted, "--data", net.data, "--max-drop", "20pt").code == 0
    assert run("export", mounted, "--to", "zip", "-o", "new.zip").code == 0


@needs_mounts
@pytest.mark.parametrize("how", ["ro", "rw"])
def test_a_place_that_cannot_be_written_is_found_before_the_model_is_loaded(run: Run, mounted: Path, how: str) -> None:
    if how == "ro":
        subprocess.run(["mount", "-o", "remount,ro", str(mounted)], check=True)
        output = mounted / "out"
    else:
        output = mounted / "file" / "out"
        (mounted / "file").write_text("mine")
    ran = run("quantize", "no-such-model.xml", "--data", "none", "--metric", "accuracy", "-o", output)
    assert ran.code == 1
    assert "cannot be written" in ran.err


def test_a_second_run_is_told_who_holds_the_place(net: Case, tmp_path: Path, run: Run) -> None:
    how = ("--data", net.data, "--metric", "accuracy", "--max-drop", "2%", "-o", "out")
    command = list(map(str, (sys.executable, "-m", "ovquant", "quantize", net.model, *how)))
    first = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        profile = tmp_path / "out.partial" / "profile.jsonl"
        end = time.monotonic() + 100
        while not profile.exists() and time.monotonic() < end:
            time.sleep(0.05)
        second = run("quantize", net.model, *how)
        assert second.code == 1
        assert f"process {first.pid} on " in second.err
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    # What a killed run leaves does not hinder.
    ran = run("quantize", net.model, *how, *QUICK)
    assert ran.code in (0, 3, 4), ran.err
    assert not list(tmp_path.glob("out.partial*"))


def test_a_result_says_what_belongs_to_it(result: Path) -> None:
    record = json.loads((result / ".ovquant.json").read_text())
    assert record["kind"] == "result"
    assert set(record["files"]) == {path.name for path in result.iterdir()} - {".ovquant.json"}
    for name, facts in record["files"].items():
        assert facts["sha256"] == hashlib.sha256((result / name).read_bytes()).hexdigest()
