"""What was measured is used again only where all that it depends on is the same (faults 2 and 4)."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.domain.sample import Sample
from ovquant.domain.split import read_contents
from ovquant.plugins.identity import identity
from tests.cli import models
from tests.cli.conftest import QUICK, Case, Run


def killed(folder: Path, model: Path, *asked: str) -> None:
    """Start a run and kill it once a plan was scored."""
    command = [sys.executable, "-m", "ovquant", "quantize", str(model), *asked]
    profile = folder / "out.partial" / "profile.jsonl"
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while not (profile.exists() and profile.read_text().count('"kind": "trial"') > 1):
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < end
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def retrained(folder: Path, width: int = 32) -> None:
    """Write a model of the same architecture with other weights over model.xml, beside data that it is right about."""
    features = models.image_net(width)
    for number, operation in enumerate(features.get_ops()):
        if operation.get_type_name() == "Constant" and operation.get_element_type() == openvino.Type.f32:
            values = models.weights(tuple(operation.shape), 50 + number, float(operation.data.std()))
            operation.output(0).replace(ops.constant(values).output(0))
    path, data = models.write(folder, features, {"image": models.samples((3, 16, 16), 400, 5)})
    for source, target in ((path, "model.xml"), (path.with_suffix(".bin"), "model.bin"), (data, "val.npz")):
        source.replace(folder / target)


def outputs(model: Path, images: np.ndarray) -> np.ndarray:
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.concatenate([compiled(image[None])[0] for image in images])


SEARCH = ("--metric", "accuracy", "--max-drop", "2%", "--strategy", "first", "--recipe", "default", "--recipe", "mixed")
ASKED = ("--data", "val.npz", *SEARCH, "--optimize", "size", "-o", "out")


def place(case: Case, folder: Path) -> None:
    arrays = case.arrays
    np.savez(folder / "val.npz", **arrays)
    for suffix in (".xml", ".bin"):
        (folder / f"model{suffix}").write_bytes(case.model.with_suffix(suffix).read_bytes())


def test_a_retrained_model_is_built_anew_after_a_killed_run(run: Run, net: Case, tmp_path: Path) -> None:
    place(net, tmp_path)
    killed(tmp_path, tmp_path / "model.xml", *ASKED)
    retrained(tmp_path)
    ran = run("quantize", "model.xml", *ASKED, "--json")
    assert ran.code == 0, ran.err
    images = np.load(tmp_path / "val.npz")["image"][:40]
    truth, found = outputs(tmp_path / "model.xml", images), outputs(tmp_path / "out" / "model.xml", images)
    old = outputs(net.model, images)
    assert np.abs(found - truth).mean() < np.abs(found - old).mean() / 4
    assert ran.json["trial"]["holdout"]["float_value"] == 1.0


def test_another_batch_is_built_anew_after_a_killed_run(run: Run, dynamic: Case, tmp_path: Path) -> None:
    place(dynamic, tmp_path)
    killed(tmp_path, tmp_path / "model.xml", *ASKED, "--batch", "1")
    ran = run("quantize", "model.xml", *ASKED, "--batch", "4", "--json")
    assert ran.code == 0, ran.err
    saved = openvino.Core().read_model(tmp_path / "out" / "model.xml")
    assert saved.inputs[0].get_partial_shape()[0] == 4


def test_labels_put_right_are_scored_again(run: Run, net: Case, tmp_path: Path) -> None:
    """One-hot, as in the report, so that the split does not follow from the labels."""
    place(net, tmp_path)
    arrays = net.arrays
    labels = arrays.pop("targets")
    (tmp_path / "metric.py").write_text(METRIC)
    (tmp_path / "helper.py").write_text(BEST)
    wrong = (labels + (np.random.default_rng(9).random(len(labels)) < 0.4)) % models.CLASSES
    np.savez(tmp_path / "val.npz", **arrays, targets=np.eye(models.CLASSES)[wrong])
    asked = ("--data", "val.npz", "--metric", "metric.py:right", "--max-drop", "2%", "-o", "out", "--strategy", "first")
    asked += ("--recipe", "default", "--recipe", "mixed")
    killed(tmp_path, tmp_path / "model.xml", *asked, "--optimize", "size")
    np.savez(tmp_path / "val.npz", **arrays, targets=np.eye(models.CLASSES)[labels])
    ran = run("quantize", "model.xml", *asked, "--optimize", "size", "--json")
    assert ran.code in (0, 3, 4), ran.err
    scores = [trial["search"] for trial in (ran.json["baseline"], *ran.json["trials"]) if trial["search"]]
    assert scores
    assert all(score["float_value"] == 1.0 for score in scores)
    assert all(score["value"] > 0.9 for score in scores)


METRIC = """
import numpy as np
from helper import best

def right(outputs, targets):
    return (best(outputs) == best(targets)).astype(float)
"""
BEST = """
import numpy as np

def best(rows):
    return np.asarray(rows).argmax(-1)
"""


def test_a_helper_of_the_metric_that_was_changed_scores_again(run: Run, net: Case, tmp_path: Path) -> None:
    place(net, tmp_path)
    arrays = net.arrays
    np.savez(tmp_path / "val.npz", image=arrays["image"], targets=np.eye(models.CLASSES)[arrays["targets"]])
    (tmp_path / "metric.py").write_text(METRIC)
    (tmp_path / "helper.py").write_text(BEST.replace("argmax(-1)", "argmin(-1) % 2"))
    asked = ("--data", "val.npz", "--metric", "metric.py:right", "--max-drop", "2%", "-o", "out", "--strategy", "first")
    asked += ("--recipe", "default", "--recipe", "mixed")
    killed(tmp_path, tmp_path / "model.xml", *asked, "--optimize", "size")
    (tmp_path / "helper.py").write_text(BEST)
    ran = run("quantize", "model.xml", *asked, "--optimize", "size", "--json")
    assert ran.code in (0, 3, 4), ran.err
    assert ran.json["baseline"]["search"]["float_value"] == 1.0


# Keys -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def keys(net: Case, tmp_path: Path, run: Run) -> list[dict[str, object]]:
    ran = run(
        "quantize", net.model, "--data", net.data, "--metric", "accuracy", "--max-drop", "2%", "-o", "out", *QUICK
    )
    assert ran.code == 0, ran.err
    lines = map(json.loads, (tmp_path / "out" / "profile.jsonl").read_text().splitlines())
    return [line["key"] for line in lines if line["kind"] in ("evaluation", "timing", "trial", "content", "facts")]


def test_keys_hold_versions_the_default_precision_and_how_int8_is_added(keys: list[dict[str, object]]) -> None:
    for key in keys:
        found = key["circumstances"]
        assert isinstance(found, dict)
        assert set(found) == {"openvino", "nncf", "processor", "precision", "int8"}
        assert found["int8"] in ("exact", "saturating")


class Threshold:
    """A metric with a state of its own."""

    is_mean, higher_is_better, against = True, True, "targets"

    def __init__(self, least: float) -> None:
        self.least = least

    def measure(self, outputs: object, targets: list[object]) -> list[float]:
        return [self.least for _ in targets]

    def aggregate(self, items: list[float]) -> float:
        return float(np.mean(items))


def test_a_metric_is_known_by_its_state_and_its_code() -> None:
    assert identity(Threshold(0.5)) == identity(Threshold(0.5))
    assert identity(Threshold(0.5)) != identity(Threshold(0.6))

    def scaled(factor: float) -> object:
        return lambda outputs, targets: factor

    assert identity(scaled(1.0)) == identity(scaled(1.0))
    assert identity(scaled(1.0)) != identity(scaled(2.0))


def test_slices_that_changed_are_scored_again() -> None:
    """The same inputs and targets under other slices have another fingerprint, and the same calibration."""
    rows = np.random.default_rng(0).standard_normal((120, 4)).astype(np.float32)
    data = [Sample(row, place % 2) for place, row in enumerate(rows)]
    one, other = (read_contents(data, slice_by=by).whole() for by in (lambda s: s.target, lambda s: s.inputs[0] > 0))
    assert one.fingerprint != other.fingerprint
    assert one.inputs == other.inputs
