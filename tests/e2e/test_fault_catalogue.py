"""The fault catalogue: odd models, odd places, signals, and what a candidate does to its process; each has one outcome.

Each costs at most the candidate that it is planted in, and never what the user had.
"""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import openvino
import pytest

import ovquant
from tests.api.models import QUICK as ONE_RECIPE
from tests.cli.conftest import QUICK, Case, net
from tests.cli.test_outputs import mount
from tests.e2e.catalogue import MODELS

__all__ = ["net"]

ROOT = os.geteuid() == 0 and sys.platform == "linux"
LONG = "é" * 122 + ".xml"
"""A file name of 248 bytes."""


@pytest.mark.parametrize("name", MODELS)
def test_models(name: str) -> None:
    make, metric, outcome, problem = MODELS[name]
    model, data = make()
    if not isinstance(outcome, str):
        kind, message = outcome
        with pytest.raises(kind, match=message):
            ovquant.quantize(model, data=data, metric=metric, max_drop="20%", **ONE_RECIPE)
        return
    found = ovquant.quantize(model, data=data, metric=metric, max_drop="20%", **ONE_RECIPE)
    assert found.verdict == outcome
    assert [bool(trial.problem) for trial in found.trials] == [bool(problem)]
    assert problem in found.trials[0].problem


# The command line --------------------------------------------------------------------------------------------------------

METRIC = """
import ctypes, os, shutil, time
from pathlib import Path
import numpy as np

HERE = Path(__file__).parent

def abort(): os.abort()
def segfault(): ctypes.string_at(0)
def loop():
    while True: time.sleep(0.01)
def memory(): np.ones(4 * 2**30, np.uint8)
def folder_gone(): shutil.rmtree(HERE / "out.partial")
def data_cut(): os.truncate(HERE / "data.npz", 4096)
def clock_back():
    before = time.time
    time.time = lambda: before() - 86400
def nothing(): pass

def same(outputs, of_float):
    found, expected = np.asarray(outputs), np.asarray(of_float).reshape(np.shape(outputs))
    if ALWAYS or not np.array_equal(found, expected):
        FAULT()
    return (found.argmax(1) == expected.argmax(1)).astype(float)

same.per_sample, same.against = True, "float"
"""


@dataclass
class Place:
    """Where a row of the table happens: a folder with model.xml, data.npz and metric.py in it, and the command's options."""

    folder: Path
    options: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    model: str = "model.xml"
    output: str = "out"
    limit: int | None = None

    def command(self) -> list[str]:
        """Return the command as it is typed."""
        asked = [self.model, "--data", "data.npz", "--metric", "metric.py:same", "--max-drop", "20%", *QUICK]
        return [sys.executable, "-m", "ovquant", "quantize", *asked, "-o", self.output, *self.options]

    def start(self) -> "subprocess.Popen[str]":
        """Start the command, plans measured in a process of their own."""

        def limited() -> None:
            if self.limit is not None:
                resource.setrlimit(resource.RLIMIT_AS, (self.limit, self.limit))

        return subprocess.Popen(
            self.command(),
            cwd=self.folder,
            env={**os.environ, "COLUMNS": "200", "OVQUANT_ISOLATE": "1", **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=limited,
        )

    def run(self) -> tuple[int, str]:
        """Run the command, and return its exit code and all that it said."""
        process = self.start()
        out, err = process.communicate(timeout=240)
        return process.returncode, f"{out}\n{err}"

    def plant(self, fault: str, when: str = "plan") -> None:
        """Have the metric do something when it sees a plan's outputs, which are not float's in f32, or always."""
        if when == "plan" and fault != "nothing":
            self.options += ["--property", "INFERENCE_PRECISION_HINT=f32"]
        text = METRIC.replace("FAULT()", f"{fault}()").replace("ALWAYS", str(when == "always"))
        (self.folder / "metric.py").write_text(text)


@pytest.fixture
def place(tmp_path: Path, net: Case) -> Place:
    made = Place(tmp_path)
    for suffix in (".xml", ".bin"):
        (tmp_path / f"model{suffix}").write_bytes(net.model.with_suffix(suffix).read_bytes())
    (tmp_path / "data.npz").write_bytes(net.data.read_bytes())
    made.plant("nothing")
    return made


def moved(place: Place, folder: str, model: str = "model.xml") -> None:
    """Put the model into a folder and under a name of its own; the result goes beside it."""
    target = place.folder / folder
    target.mkdir(exist_ok=True)
    for suffix in (".xml", ".bin"):
        (place.folder / f"model{suffix}").rename((target / model).with_suffix(suffix))
    place.model, place.output = f"{folder}/{model}", f"{folder}/{Path(model).stem[:60]} out"


def long_output(place: Place) -> None:
    place.output = "o" * 248


def linked(place: Place) -> None:
    """Have model, data and output be links."""
    (place.folder / "real").mkdir()
    for name in ("model.xml", "model.bin", "data.npz"):
        (place.folder / name).rename(place.folder / "real" / name)
        (place.folder / name).symlink_to(Path("real") / name)
    (place.folder / "disk").mkdir()
    (place.folder / "out").symlink_to("disk")


def broken_link(place: Place) -> None:
    (place.folder / "model.xml").unlink()
    (place.folder / "model.xml").symlink_to("nowhere.xml")


def limited(place: Place) -> None:
    place.plant("memory")
    place.limit = 4 * 2**30


@dataclass(frozen=True)
class Row:
    """One row: how it is arranged, the exit code, what is said, whether a result is left, and whether a process can be lost.

    Where none can, all is measured in one process, which takes half of the time.
    """

    arrange: Callable[[Place], None]
    code: int = 0
    says: str = "Met: "
    result: bool = True
    isolated: bool = True


LOST = "cost the process that measured it, and is left out"
ROWS = {
    "unicode and spaces": Row(lambda place: moved(place, "  møđèl  模型 ", "网络 é.xml")),
    "a model's name of 248 bytes": Row(lambda place: moved(place, "long", LONG), isolated=False),
    "an output's name of 248 bytes": Row(long_output, 1, "is too long", result=False, isolated=False),
    "links": Row(linked, isolated=False),
    "a broken link": Row(broken_link, 1, "model.xml", result=False, isolated=False),
    "abort": Row(lambda place: place.plant("abort"), 3, f"{LOST}: it crashed (signal 6, Aborted)"),
    "segmentation fault": Row(lambda place: place.plant("segfault"), 3, f"{LOST}: it crashed (signal 11"),
    "endless loop": Row(
        lambda place: (place.plant("loop"), place.options.extend(["--trial-timeout", "15s"]), None)[-1],
        3,
        f"{LOST}: it gave no answer within 15 s",
    ),
    "4 GB under a limit": Row(limited, 3, "Unable to allocate 4.00 GiB"),
    "a folder that vanishes": Row(lambda place: place.plant("folder_gone"), 1, "out.partial", result=False),
    "data that are cut": Row(lambda place: place.plant("data_cut", "always"), 1, "data.npz", result=False),
    "a clock set back": Row(lambda place: place.plant("clock_back", "always"), isolated=False),
}


@pytest.mark.parametrize("name", ROWS)
def test_places_and_candidates(place: Place, name: str) -> None:
    row = ROWS[name]
    place.environment["OVQUANT_ISOLATE"] = str(int(row.isolated))
    row.arrange(place)
    code, said = place.run()
    assert code == row.code, said
    assert row.says in said
    assert "Traceback" not in said
    assert "fault in ovquant" not in said
    assert (place.folder / place.output / "model.xml").exists() is row.result
    assert not row.result or openvino.Core().read_model(place.folder / place.output / "model.xml")


def full(place: Place, where: str, folder: Path) -> None:
    """Leave little room for the output, or for temporary files."""
    if where == "output":
        place.output = str(folder / "out")
    else:
        place.environment["TMPDIR"] = str(folder)
        data = dict(np.load(place.folder / "data.npz"))
        np.savez_compressed(place.folder / "data.npz", **data)


@pytest.mark.skipif(not ROOT, reason="only root mounts")
@pytest.mark.parametrize("where", ["output", "temporary"])
def test_a_disk_that_is_full_is_named_and_the_same_command_goes_on_once_there_is_room(
    place: Place, tmp_path: Path, where: str
) -> None:
    mounting = mount(tmp_path / "disk", "200k")
    folder = next(mounting)
    full(place, where, folder)
    code, said = place.run()
    assert code == 1
    assert "no space" in said or "room" in said, said
    assert str(folder) in said
    assert "fault in ovquant" not in said
    subprocess.run(["mount", "-o", "remount,size=64m", str(folder)], check=True)
    code, said = place.run()
    assert (code, "Met: " in said) == (0, True), said
    next(mounting, None)


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_goes_on_with_the_same_command(place: Place, which: signal.Signals) -> None:
    # More than one recipe, so that it is not over before the signal comes.
    place.options += ["--strategy", "integer-program", "--recipe", "mixed", "--recipe", "weights"]
    process = place.start()
    wait_for(place.folder / "out.partial" / "profile.jsonl", process)
    process.send_signal(which)
    _, said = process.communicate(timeout=60)
    assert "Traceback" not in said
    assert process.returncode in (130, -which, 128 + which), said
    before = (place.folder / "out.partial" / "profile.jsonl").read_text()
    code, said = place.run()
    assert code == 0, said
    assert (place.folder / "out" / "profile.jsonl").read_text().startswith(before.rpartition("\n")[0])


def test_a_run_that_was_halted_goes_on(place: Place) -> None:
    process = place.start()
    wait_for(place.folder / "out.partial" / "profile.jsonl", process)
    process.send_signal(signal.SIGSTOP)
    time.sleep(3)
    process.send_signal(signal.SIGCONT)
    out, said = process.communicate(timeout=240)
    assert (process.returncode, "Met: " in out) == (0, True), said


def test_of_two_runs_on_one_folder_one_is_refused(place: Place) -> None:
    first = place.start()
    wait_for(place.folder / "out.partial" / "profile.jsonl", first)
    # On a machine that is busy it would be done before the other one has begun.
    first.send_signal(signal.SIGSTOP)
    try:
        code, said = place.run()
    finally:
        first.send_signal(signal.SIGCONT)
    assert code == 1
    assert f"process {first.pid} on " in said
    out, said = first.communicate(timeout=240)
    assert (first.returncode, "Met: " in out) == (0, True), said


def wait_for(path: Path, process: "subprocess.Popen[str]") -> None:
    """Wait until a run has written something, or has ended."""
    end = time.monotonic() + 120
    while not (path.exists() and path.stat().st_size) and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.05)
