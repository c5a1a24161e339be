"""The main job on a real trained model with real accuracy loss: the PP-OCRv4 recogniser on rendered words.

And what is done with its result afterwards: served in the float model's place, watched, and run by another program.
"""

import time
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnxruntime
import openvino
import pytest

import ovquant
from ovquant.demo.fetch import recogniser
from ovquant.demo.words import Words, exact, read
from ovquant.domain.recipe import Recipe
from ovquant.graph.names import with_unique_names
from ovquant.graph.normalise import normalised
from ovquant.graph.precision import is_quantized
from ovquant.quantization import quantize

HELD = 120
"""Words to search on, and held-out ones."""
RECIPE = "transformer+mixed+keep-float:types=GroupConvolution+calibration:size=50"


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> ovquant.Result:
    return ovquant.quantize(
        str(recogniser()),
        data=Words(HELD, seed=0),
        holdout=Words(HELD, seed=1),
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
    assert score.samples == HELD
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
    again = ovquant.evaluate(str(result.folder / "model.xml"), data=Words(HELD, seed=1), metric=exact)
    assert again.evaluation.score == pytest.approx(score.value, abs=0.011)


def test_a_saved_result_is_read_back(result: ovquant.Result) -> None:
    loaded = type(result).load(result.folder)
    assert loaded.verdict == result.verdict
    assert loaded.trial == result.trial
    assert loaded.compile()(np.zeros((1, 3, 48, 320), np.float32))[0].shape[-1] == 6625


def test_what_is_quantized_is_the_normal_form(result: ovquant.Result) -> None:
    plan = result.plan
    assert plan.recipe is not None
    assert plan.recipe.graph == "normalised"
    assert plan.normal is not None
    assert plan.normal.names["p2o.Conv.1"] == "p2o.Conv.1/WithoutBiases"


def test_depthwise_convolutions_run_in_int8_in_the_normal_form_alone() -> None:
    given = with_unique_names(openvino.Core().read_model(recogniser()), made_up="own")
    words = Words(4, seed=0)
    requests = [[np.asarray(words[place].inputs)[None]] for place in range(4)]
    found = []
    for model in (given, normalised(given).model):
        inspected = ovquant.inspect(quantize(model, Recipe(calibration_size=4), calibration=requests).build())
        found.append([item for item in inspected.operations if item.type == "GroupConvolution"])
    # Planned are all; as read, each column of a kernel has a scale of its own, for which there is no kernel in int8.
    assert [{item.planned for item in items} for items in found] == [{"int8"}, {"int8"}]
    assert [len(items) for items in found] == [14, 14]
    assert not any(item.executed in ("u8", "i8") for item in found[0])
    assert all(item.executed in ("u8", "i8") for item in found[1])


def test_the_plan_replays_without_a_search(result: ovquant.Result, tmp_path: Path) -> None:
    replayed = ovquant.apply(
        result.folder / "plan.json",
        str(recogniser()),
        data=Words(60, seed=3),
        calibration=Words(50, seed=4),
        metric=exact,
        max_drop="10pt",
        optimize="size",
        output=tmp_path / "again",
    )
    assert replayed.verdict == "met"
    assert len(replayed.trials) == 1


def test_a_reshaped_model_is_served_in_the_float_models_place(result: ovquant.Result) -> None:
    core = ovquant.Core(store=result.folder)
    model = core.read_model(recogniser())
    model.reshape([1, 3, 48, 320])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compiled = core.compile_model(model, "CPU")
    assert compiled.inputs[0].get_shape() == openvino.Shape([1, 3, 48, 320])
    image = Words(1, seed=6)[0].inputs[None]
    assert read(compiled(image)[0][0]) == read(result.compile()(image)[0][0])


def served(model: ovquant.GuardedModel, images: Iterable[np.ndarray]) -> int | None:
    """Serve images and return after how many the guard fired."""
    for place, image in enumerate(images, start=1):
        model(image[None])
        while model.guard.waiting:
            time.sleep(0.001)
        if model.guard.fired:
            return place
    return None


def test_the_guard_sees_noise_and_no_drift_where_there_is_none(result: ovquant.Result) -> None:
    reference = openvino.Core().compile_model(recogniser(), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    how = {"metric": "fidelity:by=identical", "share": 1.0, "action": "float"}
    model = ovquant.guard(result.compile(), reference, data=Words(200, seed=7), **how)
    assert served(model, (Words(100, seed=8)[place].inputs for place in range(100))) is None
    random = np.random.default_rng(0)
    noisy = [sample.inputs + random.normal(0, 0.2, (3, 48, 320)).astype(np.float32) for sample in Words(150, seed=9)]
    after = served(model, noisy)
    model.guard.close()
    assert after is not None
    np.testing.assert_array_equal(model(noisy[0][None])[0], reference(noisy[0][None])[0])


def test_the_export_reads_as_well_in_onnx_runtime(result: ovquant.Result, tmp_path: Path) -> None:
    written = ovquant.export(result.folder, to="onnx", output=tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(written)
    words = Words(200, seed=1)
    scores = np.concatenate([session.run(None, {"x": sample.inputs[None]})[0] for sample in words])
    right = exact(scores, [sample.target for sample in words])
    score = result.walked[-1].holdout
    assert score is not None
    assert score.float_value - np.mean(right) <= 0.1


def test_a_new_budget_is_solved_from_the_profile(result: ovquant.Result) -> None:
    before = (result.folder / "profile.jsonl").read_bytes()
    assert not ovquant.plan(result.folder / "profile.jsonl", max_drop="50pt").plan.is_float
    assert ovquant.plan(result.folder / "profile.jsonl", max_drop="50pt", floor=1.0).plan.is_float
    assert (result.folder / "profile.jsonl").read_bytes() == before
