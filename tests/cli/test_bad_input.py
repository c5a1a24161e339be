"""What is wrong with the input is said in one paragraph that names the thing and the remedy; nothing is left behind."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import QUICK, Case, Ran, Run, save

CONSTANT = "def score(outputs, targets):\n    return {value}\n"


def refused(ran: Ran, folder: Path, *words: str) -> None:
    """Hold a refusal to its form: exit code 1, one line, no traceback, no folder."""
    assert ran.code == 1, ran.err
    assert ran.out == ""
    lines = [line for line in ran.err.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1, ran.err
    assert ran.err.strip().endswith(lines[0])
    assert "Traceback" not in ran.err
    for word in words:
        assert word in lines[0]
    assert not list(folder.glob("out*"))


def quantize(run: Run, case: Case, *more: object, **given: object) -> Ran:
    """Run quantize with everything right but for what is given."""
    values = {"model": case.model, "data": case.data, "metric": "accuracy", "max_drop": "2%", **given}
    asked = ("--data", values["data"], "--metric", values["metric"], "--max-drop", values["max_drop"])
    return run("quantize", values["model"], *asked, "-o", "out", *QUICK, *more)


def test_missing_model(run: Run, net: Case, tmp_path: Path) -> None:
    refused(quantize(run, net, model="nowhere.onnx"), tmp_path, "nowhere.onnx", "does not exist", "Check the path")


@pytest.mark.parametrize("name", ["broken.onnx", "broken.xml", "broken.tflite"])
def test_corrupt_model(run: Run, net: Case, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"this is no model" * 20)
    (tmp_path / "broken.bin").write_bytes(b"")
    refused(quantize(run, net, model=name), tmp_path, name, "cannot be read")


def test_data_of_another_shape(run: Run, net: Case, tmp_path: Path) -> None:
    data = save(tmp_path / "wide.npz", image=np.random.rand(200, 3, 16, 20).astype(np.float32), targets=np.zeros(200))
    refused(quantize(run, net, data=data), tmp_path, "'image'", "[1,3,16,16]", "[3, 16, 20]", "--input-shape")


def test_data_of_another_name(run: Run, pair: Case, tmp_path: Path) -> None:
    arrays = pair.arrays
    data = save(tmp_path / "renamed.npz", left=arrays["left"], wrong=arrays["right"], targets=arrays["targets"])
    refused(quantize(run, pair, data=data), tmp_path, "'right'", "left, wrong", "Rename")


def test_data_of_another_type(run: Run, net: Case, tmp_path: Path) -> None:
    data = save(tmp_path / "text.npz", image=net.arrays["image"] * 1j, targets=np.zeros(400))
    refused(quantize(run, net, data=data), tmp_path, "'image'", "float32", "complex64")


def test_missing_data(run: Run, net: Case, tmp_path: Path) -> None:
    refused(quantize(run, net, data="nowhere.npz"), tmp_path, "nowhere.npz", "does not exist")


def test_missing_targets(run: Run, net: Case, tmp_path: Path) -> None:
    data = save(tmp_path / "unlabelled.npz", image=net.arrays["image"])
    refused(quantize(run, net, data=data), tmp_path, "Accuracy", "needs targets", "fidelity")


def test_empty_data(run: Run, net: Case, tmp_path: Path) -> None:
    data = save(tmp_path / "empty.npz", image=np.zeros((0, 3, 16, 16), np.float32), targets=np.zeros(0, np.int64))
    refused(quantize(run, net, data=data), tmp_path, "empty.npz", "is empty")


def test_too_few_samples(run: Run, net: Case, tmp_path: Path) -> None:
    data = save(tmp_path / "few.npz", **{name: array[:40] for name, array in net.arrays.items()})
    refused(quantize(run, net, data=data), tmp_path, "40 samples", "too few", "--holdout")


def test_two_hundred_samples_are_enough(run: Run, net: Case, tmp_path: Path) -> None:
    data = save(tmp_path / "enough.npz", **{name: array[:200] for name, array in net.arrays.items()})
    ran = quantize(run, net, data=data)
    assert ran.code == 0, ran.err
    assert "on 100 held-out samples" in ran.out


@pytest.mark.parametrize("value", ["float('nan')", "[float('nan')] * len(targets)"])
def test_metric_of_nan(run: Run, net: Case, tmp_path: Path, value: str) -> None:
    (tmp_path / "mine.py").write_text(CONSTANT.format(value=value))
    refused(quantize(run, net, metric="mine.py:score"), tmp_path, "score", "NaN", "Check")


def test_metric_that_raises(run: Run, net: Case, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def score(outputs, targets):\n    raise KeyError('lost')\n")
    refused(quantize(run, net, metric="mine.py:score"), tmp_path, "score", "KeyError", "lost")


def test_relative_budget_of_a_score_of_zero(run: Run, net: Case, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CONSTANT.format(value="0.0"))
    refused(quantize(run, net, metric="mine.py:score"), tmp_path, "scores 0", "absolute", "--max-drop 0.01")


def test_unknown_device(run: Run, net: Case, tmp_path: Path) -> None:
    refused(quantize(run, net, "--device", "TOASTER"), tmp_path, "'TOASTER'", "CPU")


def test_unknown_property(run: Run, net: Case, tmp_path: Path) -> None:
    refused(quantize(run, net, "--property", "COLOUR=red"), tmp_path, "'COLOUR'")


def test_malformed_property(run: Run, net: Case, tmp_path: Path) -> None:
    refused(quantize(run, net, "--property", "COLOUR"), tmp_path, "COLOUR", "KEY=VALUE")


def test_unknown_metric(run: Run, net: Case, tmp_path: Path) -> None:
    refused(quantize(run, net, metric="acuracy"), tmp_path, "'acuracy'", "Did you mean accuracy")


def test_unknown_strategy(run: Run, net: Case, tmp_path: Path) -> None:
    refused(quantize(run, net, "--strategy", "frist"), tmp_path, "'frist'", "first")


def test_unknown_recipe(run: Run, net: Case, tmp_path: Path) -> None:
    refused(quantize(run, net, "--recipe", "transformers"), tmp_path, "'transformers'", "Did you mean transformer")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--metric", "accuracy:top=5"), ("accuracy", "'top'", "k")),
        (("--strategy", "bisection:depth=4"), ("bisection", "'depth'", "recipes")),
        (("--recipe", "calibration:samples=4"), ("calibration", "'samples'", "size")),
        (("--recipe", "calibration:size=many"), ("calibration", "size", "many")),
    ],
)
def test_unknown_plugin_option(
    run: Run, net: Case, tmp_path: Path, more: tuple[str, ...], words: tuple[str, ...]
) -> None:
    refused(quantize(run, net, *more), tmp_path, *words)


def test_unknown_layer(run: Run, net: Case, tmp_path: Path) -> None:
    refused(quantize(run, net, "--keep-float", "blok1"), tmp_path, "'blok1'", "Did you mean", "block1")


def test_quantized_model(run: Run, net: Case, finished: tuple[Path, Ran], tmp_path: Path) -> None:
    refused(quantize(run, net, model=finished[0]), tmp_path, "quantized already", "float model")


def test_samples_that_are_in_calibration_and_in_holdout(run: Run, net: Case, tmp_path: Path) -> None:
    arrays = net.arrays
    calibration = save(tmp_path / "some.npz", **{name: array[90:110] for name, array in arrays.items()})
    search = save(tmp_path / "search.npz", **{name: array[200:] for name, array in arrays.items()})
    holdout = save(tmp_path / "holdout.npz", **{name: array[:100] for name, array in arrays.items()})
    ran = quantize(run, net, "--calibration", calibration, "--holdout", holdout, data=search)
    refused(ran, tmp_path, "10 of the 20 samples of --calibration", "--holdout", "take them out")


def test_samples_that_are_in_data_and_in_holdout(run: Run, net: Case, tmp_path: Path) -> None:
    refused(quantize(run, net, "--holdout", net.data), tmp_path, "400 of the 400 samples of --data", "--holdout")


def test_malformed_drop(run: Run, net: Case, tmp_path: Path) -> None:
    refused(quantize(run, net, max_drop="little"), tmp_path, "'little'", "1%")


def test_malformed_time_budget(run: Run, net: Case, tmp_path: Path) -> None:
    refused(quantize(run, net, "--time-budget", "soon"), tmp_path, "'soon'", "30m")


@pytest.mark.parametrize(
    ("option", "value", "example"),
    [("--max-latency", "fast", "5ms"), ("--max-size", "10 acres", "10MB"), ("--max-trials", "0", "at least 1")],
)
def test_malformed_limit(run: Run, net: Case, tmp_path: Path, option: str, value: str, example: str) -> None:
    refused(quantize(run, net, option, value), tmp_path, option, value, example)


def test_no_budget_at_all(run: Run, net: Case, tmp_path: Path) -> None:
    ran = run("quantize", net.model, "--data", net.data, "--metric", "accuracy", "-o", "out")
    refused(ran, tmp_path, "--max-drop", "--max-latency", "--max-size")


def test_malformed_input_shape(run: Run, net: Case, tmp_path: Path) -> None:
    refused(quantize(run, net, "--input-shape", "[1,3"), tmp_path, "[1,3")


def test_error_as_json(run: Run, net: Case) -> None:
    ran = quantize(run, net, "--json", model="nowhere.onnx")
    assert ran.code == 1
    assert ran.json["kind"] == "ModelError"
    assert ran.json["error"] in ran.err


@pytest.mark.parametrize("arguments", [("quantize", "--colour", "red"), ("quantise",), ("quantize", "model.onnx")])
def test_unknown_command_or_flag(run: Run, arguments: tuple[str, ...]) -> None:
    ran = run(*arguments)
    assert ran.code == 2
    assert "Traceback" not in ran.err


def test_finished_folder_needs_force(run: Run, net: Case, finished: tuple[Path, Ran], tmp_path: Path) -> None:
    out = shutil.copytree(finished[0], tmp_path / "out")
    before = (out / "result.json").read_text()
    ran = quantize(run, net)
    assert ran.code == 1
    assert "already holds a result" in ran.err
    assert "--force" in ran.err
    # A run that fails loses nothing.
    (tmp_path / "mine.py").write_text("def score(outputs, targets):\n    raise KeyError('lost')\n")
    assert quantize(run, net, "--force", metric="mine.py:score").code == 1
    assert (out / "result.json").read_text() == before
    assert not (tmp_path / "out.partial").exists()
    assert quantize(run, net, "--force").code == 0
    assert (out / "result.json").read_text() != before


def test_output_that_is_a_file(run: Run, net: Case, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    ran = quantize(run, net)
    assert ran.code == 1
    assert "'out'" in ran.err
    assert (tmp_path / "out").read_text() == "mine"


def test_fault_of_a_plugin_asks_for_a_report(run: Run, net: Case, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("class Bad:\n    def propose(self, table):\n        return 1 / 0\n")
    asked = ("--data", net.data, "--metric", "accuracy", "--max-drop", "1%", "--strategy", "mine.py:Bad", "-o", "out")
    ran = run("quantize", net.model, *asked)
    assert ran.code == 1
    assert "ZeroDivisionError" in ran.err
    assert "OVQUANT_TRACEBACK=1" in ran.err
    assert "Traceback" not in ran.err
    assert "Traceback" in run("quantize", net.model, *asked, OVQUANT_TRACEBACK="1").err
