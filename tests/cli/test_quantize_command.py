"""The command `quantize` from end to end, on real small models."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path

import openvino

from tests.cli.conftest import QUICK, Case, Ran, Run

FILES = {"model.xml", "model.bin", "plan.json", "result.json", "profile.jsonl", "report.html"}


def test_met_is_exit_code_zero_and_one_json_document(finished: tuple[Path, Ran], net: Case) -> None:
    folder, ran = finished
    assert ran.code == 0, ran.err
    found = ran.json
    assert found["verdict"] == "met"
    assert found["trial"]["holdout"]["samples"] == 200
    assert found["summary"].startswith("Met: ")
    assert {path.name for path in folder.iterdir()} >= FILES
    assert found == {
        **json.loads((folder / "result.json").read_text()),
        **{name: found[name] for name in ("document", "summary", "output", "files")},
    }
    assert found["command"].startswith(f"ovquant quantize {net.model}")
    # A log shows life: one line per trial.
    assert any(line.startswith("int8: score") for line in ran.err.splitlines())
    assert not folder.with_name("out.partial").exists()


def test_table_begins_with_the_verdict(run: Run, pair: Case) -> None:
    ran = run("quantize", pair.model, "--data", pair.data, "--metric", "accuracy", "--max-drop", "2%", *QUICK)
    assert ran.code == 0, ran.err
    assert ran.out.startswith("Met: ")
    for word in (
        "float",
        "returned: int8",
        "95 % interval",
        "p50",
        "p95",
        "speed-up",
        "pair-ovquant/model.xml",
        "report.html",
        "Trials",
    ):
        assert word in ran.out


def test_float_is_exit_code_three_unless_allowed(run: Run, net: Case, tmp_path: Path) -> None:
    # No quantized model has exactly the float model's outputs.
    asked = (
        "--data",
        net.data,
        "--metric",
        "fidelity:by=cosine",
        "--max-drop",
        "0",
        "--property",
        "INFERENCE_PRECISION_HINT=f32",
    )
    ran = run("quantize", net.model, *asked, "-o", "out", *QUICK)
    assert ran.code == 3, ran.err
    assert ran.out.startswith("Float: ")
    assert (tmp_path / "out" / "model.xml").exists()
    again = run("quantize", net.model, *asked, "-o", "out", *QUICK, "--allow-float", "--force", "--json")
    assert again.code == 0, again.err
    assert again.json["verdict"] == "float"


def test_infeasible_is_exit_code_three(run: Run, net: Case) -> None:
    asked = ("--data", net.data, "--metric", "accuracy", "--max-drop", "1%", "--floor", "1.5", "--allow-float")
    ran = run("quantize", net.model, *asked, *QUICK)
    assert ran.code == 3, ran.err
    assert ran.out.startswith("Infeasible: ")


def test_a_size_alone_returns_the_most_accurate_model_that_fits(run: Run, net: Case) -> None:
    asked = ("--data", net.data, "--metric", "accuracy", "--json")
    whole = net.model.with_suffix(".bin").stat().st_size + net.model.stat().st_size
    small = run("quantize", net.model, *asked, "--max-size", f"{whole * 0.6:.0f}B", *QUICK, "-o", "small")
    assert small.code == 0, small.err
    assert small.json["verdict"] == "met"
    assert small.json["trial"]["size_bytes"] <= whole * 0.6


def test_the_whole_front_is_saved(run: Run, net: Case, tmp_path: Path) -> None:
    asked = ("--data", net.data, "--metric", "accuracy", "--max-drop", "2%", "--optimize", "size")
    ran = run("quantize", net.model, *asked, "--pareto", "--max-trials", "3", "-o", "out", "--json")
    assert ran.code == 0, ran.err
    assert len(ran.json["trials"]) == 3
    front = ran.json["front"]
    assert front
    folders = sorted((tmp_path / "out" / "pareto").iterdir())
    assert len(folders) == len(front)
    for folder, trial in zip(folders, front, strict=True):
        assert json.loads((folder / "plan.json").read_text()) == trial["plan"]
        assert openvino.Core().read_model(folder / "model.xml")
        assert trial["holdout"]["samples"] == 200
    sizes = [trial["size_bytes"] for trial in front]
    assert sizes == sorted(sizes, reverse=True)


def test_dynamic_shapes_can_be_fixed(run: Run, dynamic: Case, tmp_path: Path) -> None:
    asked = ("--data", dynamic.data, "--metric", "accuracy", "--max-drop", "2%", "-o", "out")
    ran = run("quantize", dynamic.model, *asked, "--input-shape", "[1,3,16,16]", *QUICK)
    assert ran.code == 0, ran.err
    assert 'shape="1,3,16,16"' in (tmp_path / "out" / "model.xml").read_text()


def test_dynamic_shapes_work_as_they_are(run: Run, dynamic: Case) -> None:
    asked = ("--data", dynamic.data, "--metric", "accuracy", "--max-drop", "2%")
    ran = run("quantize", dynamic.model, *asked, *QUICK, "--keep-float", "stem", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["trial"]["plan"]["recipe"]["keep_float_names"] == ["stem"]


def test_prints_of_a_metric_do_not_spoil_the_json(run: Run, net: Case, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "def score(outputs, targets):\n    print('hello')\n    return outputs.argmax(1) == targets\n"
    )
    asked = ("--data", net.data, "--metric", "mine.py:score", "--max-drop", "2%", "--json")
    ran = run("quantize", net.model, *asked, *QUICK)
    assert ran.code == 0, ran.err
    assert ran.json["verdict"] == "met"
    assert "hello" in ran.err


def test_killed_run_goes_on_where_it_was(net: Case, tmp_path: Path) -> None:
    arguments = ("--data", net.data, "--metric", "accuracy", "--max-drop", "2%", "-o", "out", "--strategy", "first")
    recipes = ("--recipe", "default", "--recipe", "mixed", "--optimize", "size")
    command = [sys.executable, "-m", "ovquant", "quantize", *map(str, (net.model, *arguments, *recipes))]
    profile = tmp_path / "out.partial" / "profile.jsonl"
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: profile.exists() and '"kind": "trial"' in profile.read_text(), process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    measured = profile.read_text().splitlines()
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 3, 4), done.stderr
    assert not (tmp_path / "out.partial").exists()
    lines = (tmp_path / "out" / "profile.jsonl").read_text().splitlines()
    whole = [line for line in measured if line in lines]
    assert lines[: len(whole)] == whole
    assert len(whole) >= len(measured) - 1  # the last line may have been torn
    # A trial is what its measurements say together; it is written again when more samples were scored.
    measurements = [line for line in lines if json.loads(line)["kind"] != "trial"]
    assert max(Counter(key_of(line) for line in measurements).values()) == 1


def test_interrupted_run_says_that_it_goes_on(net: Case, tmp_path: Path) -> None:
    arguments = ("--data", net.data, "--metric", "accuracy", "--max-drop", "2%", "-o", "out")
    command = [sys.executable, "-m", "ovquant", "quantize", *map(str, (net.model, *arguments))]
    profile = tmp_path / "out.partial" / "profile.jsonl"
    with (tmp_path / "log").open("w") as log:
        # Where the tests themselves run in the background, the shell has told its children to ignore interrupts.
        heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=log, preexec_fn=heed)
        wait_for(profile.exists, process)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert "The same command goes on" in (tmp_path / "log").read_text()
    assert profile.exists()


def wait_for(condition: object, process: "subprocess.Popen[bytes]", seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < end
        time.sleep(0.05)


def key_of(line: str) -> str:
    entry = json.loads(line)
    return json.dumps([entry["kind"], entry["key"]], sort_keys=True)
