"""What a candidate does to the process that measures it costs that candidate at most."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

import ovquant
from ovquant.domain.profile import Profile
from ovquant.errors import LostError, ModelError
from tests.api.models import linear, samples

# In f32 float itself is equal to what it is compared with, and not a fault of its own.
SEARCH: dict[str, Any] = {
    "strategy": "first",
    "recipes": ["default", "mixed"],
    "optimize": "size",
    "isolate": True,
    "properties": {"INFERENCE_PRECISION_HINT": "f32"},
}

METRIC = """
import ctypes, os, sys, time
from pathlib import Path
import numpy as np

COUNT = Path(__file__).with_name("count")

def abort(): os.abort()
def segfault(): ctypes.string_at(0)
def exit(): sys.exit("enough")
def loop():
    while True: time.sleep(0.01)
def memory(): np.ones(2**60, np.uint8)

def close(outputs, targets):
    outputs, targets = np.asarray(outputs), np.asarray(targets).reshape(np.shape(outputs))
    if not np.array_equal(outputs, targets):
        done = len(COUNT.read_text()) if COUNT.exists() else 0
        if done < TIMES:
            COUNT.write_text("." * (done + 1))
            FAULT()
    return float((outputs.argmax(1) == targets.argmax(1)).mean())

close.against = "float"
"""


def metric(folder: Path, fault: str, times: int) -> str:
    path = folder / f"{fault}.py"
    path.write_text(METRIC.replace("TIMES", str(times)).replace("FAULT", fault))
    return f"{path}:close"


def quantized(folder: Path, fault: str, times: int, **changes: Any) -> ovquant.Result:
    how = {**SEARCH, "output": folder / "out", **changes}
    return ovquant.quantize(linear(), data=samples(120), metric=metric(folder, fault, times), max_drop="20%", **how)


def test_a_candidate_that_ends_its_process_twice_is_left_out_and_named(tmp_path: Path) -> None:
    cause = "it crashed (signal 11, Segmentation fault)"
    found = quantized(tmp_path, "segfault", 2)
    assert (found.verdict, found.plan.name) == ("met", "mixed")
    problem = f"int8 cost the process that measured it, and is left out: {cause}."
    assert [trial.problem for trial in found.trials] == [problem, ""]
    assert problem in found.notes
    assert (tmp_path / "count").read_text() == ".."


def test_once_is_tried_again(tmp_path: Path) -> None:
    found = quantized(tmp_path, "segfault", 1)
    assert (found.verdict, found.plan.name) == ("met", "default")
    assert not any("cost the process" in note for note in found.notes)


@pytest.mark.parametrize(("fault", "problem"), [("exit", "enough"), ("memory", "Unable to allocate 1.00 EiB")])
def test_what_can_be_told_is_told_at_once(tmp_path: Path, fault: str, problem: str) -> None:
    found = quantized(tmp_path, fault, 1)
    assert (found.verdict, found.plan.name) == ("met", "mixed")
    assert problem in found.trials[0].problem
    assert (tmp_path / "count").read_text() == "."


def test_no_answer_within_the_limit_is_a_failure(tmp_path: Path) -> None:
    # Compiled with no properties, which is in bf16 on some processors, float may differ too.
    found = quantized(tmp_path, "loop", 1, trial_timeout=12, recipes=["default"])
    assert found.verdict == "float"
    assert found.trials[0].problem.endswith("left out: it gave no answer within 12 s.")
    assert (tmp_path / "count").read_text() == "."


def test_a_resumed_run_does_not_try_it_again(tmp_path: Path) -> None:
    def stop(trial: Any) -> None:
        if trial.problem:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quantized(tmp_path, "abort", 99, on_trial=stop)
    assert (tmp_path / "count").read_text() == ".."
    (cost,) = [value for _, value in Profile(tmp_path / "out.partial" / "profile.jsonl").entries("lost")]
    assert cost == {"causes": ["it crashed (signal 6, Aborted)"] * 2}
    found = quantized(tmp_path, "abort", 2)
    assert found.plan.name == "mixed"
    assert (tmp_path / "count").read_text() == ".."
    assert any("int8 cost the process" in note for note in found.notes)


def test_float_is_named_where_it_is_float(tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_text("import os\ndef bad(outputs, targets):\n    os.abort()\n")
    with pytest.raises(LostError, match="The process that measured the float model was lost: it crashed"):
        ovquant.quantize(linear(), data=samples(120), metric=f"{path}:bad", max_drop="20%", **SEARCH)


def test_so_is_what_only_reads(tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_text("import os\ndef data():\n    os.abort()\n")
    with pytest.raises(ModelError, match="process that reads the model and the data was lost: it crashed"):
        ovquant.quantize(linear(), data=f"{path}:data", metric="accuracy", max_drop="20%", **SEARCH)


# What is sent ------------------------------------------------------------------------------------------------------------


def test_objects_are_sent_and_measured_as_here(tmp_path: Path) -> None:
    scale = 1.0

    def right(outputs: Any, targets: Any) -> Any:
        return (outputs.argmax(1) == targets) * scale

    right.per_sample = True  # type: ignore[attr-defined]

    def by_half(sample: Any) -> str:
        return "up" if sample.inputs[0] > 0 else "down"

    how: dict[str, Any] = {**SEARCH, "metric": right, "max_drop": "20%", "slice_by": by_half, "worst_slice": "60pt"}
    there = ovquant.quantize(linear(), data=samples(120), output=tmp_path / "there", **how)
    here = ovquant.quantize(linear(), data=samples(120), output=tmp_path / "here", **{**how, "isolate": False})
    # f32 was asked for, which is not what every processor computes by default.
    assert all(note.startswith("Compiled with no properties") for note in here.notes)
    # A process of its own can tell how the plan fares on other processors, too.
    assert all(note.startswith(("Compiled with no properties", "By simulation")) for note in there.notes)
    assert there.trial.search is not None
    assert there.trial.search == here.trial.search
    for name in ("model_fingerprint", "model_structure", "model_name", "model_source", "friendly_name", "data"):
        assert getattr(there.provenance, name) == getattr(here.provenance, name)
    known = [Profile(made.folder / "profile.jsonl").entries("evaluation") for made in (there, here)]
    keys = [[key for key, _ in entries if "simulated" not in key] for entries in known]
    assert keys[0] == keys[1], "a run goes on where one was stopped that was not isolated"


def test_what_cannot_be_sent_is_measured_here_and_said(tmp_path: Path) -> None:
    class Locked:
        def __init__(self) -> None:
            self.lock, self.samples = threading.Lock(), samples(120)

        def __len__(self) -> int:
            return len(self.samples)

        def __getitem__(self, index: int) -> Any:
            return self.samples[index]

    found = ovquant.quantize(linear(), data=Locked(), metric="accuracy", max_drop="20%", **SEARCH)
    (note,) = [note for note in found.notes if not note.startswith("Compiled with no properties")]
    assert note.startswith("Everything was measured in this process, which a crash would have ended")
    assert "cannot pickle '_thread.lock' object" in note


# The command line --------------------------------------------------------------------------------------------------------


def command(folder: Path, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "ovquant", "quantize", str(folder / "net.xml"), "--data", f"{folder / 'data.py'}:data"),
        *("--metric", "accuracy", "--max-drop", "20%", "--recipe", "default", "--strategy", "first"),
        *("--optimize", "size", "-o", str(folder / "out"), *more),
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    import openvino

    openvino.save_model(linear(), tmp_path / "net.xml", compress_to_fp16=False)
    root = Path(__file__).parents[2]
    (tmp_path / "data.py").write_text(
        f"import sys\nsys.path.insert(0, {str(root)!r})\nfrom tests.api.models import samples\ndef data():\n    return samples(120)\n"
    )
    return tmp_path


def test_the_command_holds_no_model_and_the_process_ends_with_it(folder: Path) -> None:
    slow = folder / "slow.py"
    slow.write_text(
        "import time\ndef slow(outputs, targets):\n    time.sleep(60)\n    return 1.0\n",
    )
    asked = command(folder)
    asked[asked.index("accuracy")] = f"{slow}:slow"
    run = subprocess.Popen(asked, env={**os.environ, "OVQUANT_ISOLATE": "1"}, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        workers: list[psutil.Process] = []
        while not (folder / "out.partial" / "profile.jsonl").exists():
            assert time.monotonic() < until
            time.sleep(0.2)
        workers = psutil.Process(run.pid).children()
        assert len(workers) == 1
        assert psutil.Process(run.pid).memory_info().rss < 200 * 2**20
        run.send_signal(signal.SIGKILL)
        run.wait()
        gone, alive = psutil.wait_procs(workers, timeout=10)
        assert (len(gone), alive) == (1, [])
    finally:
        run.kill()


def test_it_prints_its_result_alone(folder: Path) -> None:
    (folder / "data.py").write_text("print('read')\n" + (folder / "data.py").read_text())
    done = subprocess.run(
        command(folder, "--json"),
        env={**os.environ, "OVQUANT_ISOLATE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"] == "met"
    assert "read" in done.stderr
