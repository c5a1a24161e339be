"""Results, plans and profiles of earlier versions load, are known again, or say what to do."""

import json
import shutil
from pathlib import Path

import numpy as np
import openvino
import pytest

import ovquant
from ovquant.domain.plan import Plan
from ovquant.graph.first_scheme import likeness
from tests.cli import models
from tests.cli.conftest import QUICK, Run

BEFORE = Path(__file__).parents[1] / "written_before"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what was written, and the data that it was made with."""
    folder = tmp_path_factory.mktemp("before")
    shutil.copytree(BEFORE, folder, dirs_exist_ok=True)
    images = models.samples((3, 16, 16), 400, 5)
    outputs = models.outputs(openvino.Core().read_model(folder / "net.xml"), [[image[None]] for image in images])
    np.savez(folder / "net.npz", image=images, targets=outputs.argmax(axis=1))
    return folder


@pytest.mark.parametrize("name", ["result", "sliced"])
def test_a_result_loads_and_its_float_model_is_known(place: Path, name: str) -> None:
    found = ovquant.Result.load(place / name)
    assert found.verdict == "met"
    assert found.trial.holdout is not None
    model = openvino.Core().read_model(place / "net.xml")
    assert likeness(model, found.provenance.model_fingerprint) == "same"
    assert likeness(model, found.provenance.model_structure, shapes=False) == "same"
    other = openvino.Core().read_model(place / name / "model.xml")
    assert likeness(other, found.provenance.model_fingerprint) == ""


@pytest.mark.parametrize("name", ["result", "sliced"])
def test_a_result_is_checked(run: Run, place: Path, name: str) -> None:
    ran = run(
        "check", place / name, "--data", place / "net.npz", "--reference", place / "net.xml", "--json", "--seed", "1"
    )
    assert ran.code in (0, 4), ran.err
    assert ran.json["score"]["value"] == 1.0


def test_a_plan_is_applied_with_a_budget_and_asks_for_one_without(run: Run, place: Path) -> None:
    asked = ("apply", place / "result" / "plan.json", place / "net.xml", "--data", place / "net.npz")
    bare = run(*asked, "--metric", "accuracy", "-o", "bare")
    assert bare.code == 1
    assert "--max-drop" in bare.err
    ran = run(*asked, "--metric", "accuracy", "--max-drop", "2%", "-o", "applied", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["trial"]["holdout"]["drop"] == 0


def test_a_profile_is_solved_again(run: Run, place: Path, tmp_path: Path) -> None:
    ran = run("plan", "--profile", place / "profiled.jsonl", "--max-drop", "1%", "-o", "plan.json", "--json")
    assert ran.code == 0, ran.err
    assert Plan.load(tmp_path / "plan.json").recipe is not None


def test_what_a_killed_run_left_is_measured_anew(run: Run, place: Path, tmp_path: Path) -> None:
    """Its keys do not say all that they depend on, so none of its models and scores is used."""
    shutil.copytree(place / "killed-partial", tmp_path / "out.partial")
    before = {path.parent.name for path in (tmp_path / "out.partial" / "trials").glob("*/model.xml")}
    asked = ("--data", place / "net.npz", "--metric", "accuracy", "--max-drop", "2%", "-o", "out", "--json")
    ran = run("quantize", place / "net.xml", *asked, *QUICK)
    assert ran.code == 0, ran.err
    lines = [json.loads(line) for line in (tmp_path / "out" / "profile.jsonl").read_text().splitlines()]
    built = [line for line in lines if line["kind"] == "content"]
    assert before
    assert any("circumstances" in line["key"] for line in built)
    # The run's own trials alone are solved again.
    again = run("plan", "--profile", tmp_path / "out" / "profile.jsonl", "--max-drop", "2%", "-o", "plan.json")
    assert again.code == 0, again.err
