"""The main job on a real trained model with real accuracy loss: the PP-OCRv4 recogniser on rendered words."""

from pathlib import Path

import numpy as np
import openvino
import pytest

import ovquant
from ovquant.demo.fetch import recogniser
from ovquant.demo.words import Words, exact
from ovquant.quantization import is_quantized

RECIPE = "transformer+mixed+keep-float:types=GroupConvolution+calibration:size=50"


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> ovquant.Result:
    return ovquant.quantize(
        str(recogniser()),
        data=Words(200, seed=0),
        holdout=Words(200, seed=1),
        metric=exact,
        max_drop="10pt",
        recipes=[RECIPE],
        strategy="first",
        # What a size wins depends on no timing.
        optimize="size",
        output=tmp_path_factory.mktemp("recogniser") / "out",
    )


def test_the_budget_holds_on_the_holdout(result: ovquant.Result) -> None:
    score = result.walked[-1].holdout
    assert score is not None
    assert result.verdict == "met"
    assert score.samples == 200
    assert score.float_value > 0.7
    assert score.drop <= 0.1


def test_the_folder_holds_everything(result: ovquant.Result) -> None:
    names = {path.name for path in result.folder.iterdir()}
    assert names >= {"model.xml", "model.bin", "plan.json", "result.json", "profile.jsonl", "report.html"}
    assert not result.folder.with_name("out.partial").exists()
    assert is_quantized(openvino.Core().read_model(result.folder / "model.xml"))


def test_what_is_served_is_what_was_measured(result: ovquant.Result) -> None:
    score = result.trial.holdout
    assert score is not None
    again = ovquant.evaluate(str(result.folder / "model.xml"), data=Words(200, seed=1), metric=exact)
    assert again.evaluation.score == pytest.approx(score.value, abs=0.011)


def test_a_saved_result_is_read_back(result: ovquant.Result) -> None:
    read = type(result).load(result.folder)
    assert read.verdict == result.verdict
    assert read.trial == result.trial
    assert read.compile()(np.zeros((1, 3, 48, 320), np.float32))[0].shape[-1] == 6625


def test_the_plan_replays_without_a_search(result: ovquant.Result, tmp_path: Path) -> None:
    replayed = ovquant.apply(
        result.folder / "plan.json",
        str(recogniser()),
        data=Words(200, seed=3),
        calibration=Words(100, seed=4),
        metric=exact,
        max_drop="10pt",
        output=tmp_path / "again",
    )
    assert replayed.verdict == "met"
    assert len(replayed.trials) == 1


def test_a_new_budget_is_solved_from_the_profile(result: ovquant.Result) -> None:
    before = (result.folder / "profile.jsonl").read_bytes()
    assert not ovquant.plan(result.folder / "profile.jsonl", max_drop="50pt").plan.is_float
    assert ovquant.plan(result.folder / "profile.jsonl", max_drop="50pt", floor=1.0).plan.is_float
    assert (result.folder / "profile.jsonl").read_bytes() == before
