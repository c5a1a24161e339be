"""A saved result is verified again, on the model that it was made from, and what is not as it was is said."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import openvino
import pytest

import ovquant
from ovquant.api import check as checks
from ovquant.api.check import metrics_of, served_like, source_of
from ovquant.domain.budget import Budget, Drop
from ovquant.domain.objective import Generation
from ovquant.domain.profile import Profile
from ovquant.domain.result import versions
from ovquant.domain.trial import Timing
from ovquant.errors import DeviceError, MetricError, ModelError, UsageError
from ovquant.runtime import int8_arithmetic
from tests.api.models import linear, samples, unlabelled
from tests.plugins.reports.conftest import changed

NEW = samples(80, seed=9)
HERE = int8_arithmetic("CPU")
ELSEWHERE = {"exact": "saturating", "saturating": "exact"}[HERE]


class Races:
    """Heats whose ratio is given, and what was raced in them."""

    def __init__(self) -> None:
        self.low, self.compiled, self.how = 0.8, list[openvino.CompiledModel](), dict[str, Any]()

    def __call__(self, makers: Sequence[Callable[[], Any]], requests: Callable[[Any], Any], **how: Any) -> list[Timing]:
        self.compiled, self.how = [make() for make in makers], {**how, "requests": requests(makers[0]())}
        low = self.low
        return [Timing(1, 1, 1, 1, 1, 1, 1, 10), Timing(low, low, 1, 1, low, low, low + 0.1, 10)]


@pytest.fixture
def races(monkeypatch: pytest.MonkeyPatch) -> Races:
    made = Races()
    monkeypatch.setattr(checks, "race_heats", made)
    return made


def rewrite(folder: Path, **changes: Any) -> None:
    values = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps({**values, **changes}))


def test_a_result_is_scored_and_timed_beside_its_float_model(folder: Path) -> None:
    checked = ovquant.check(str(folder), data=NEW)
    assert (checked.verdict, checked.plan) == ("met", "int8")
    # Whether it is faster, the machine says.
    assert set(checked.notes) <= {"int8 is slower than float here."}
    assert (checked.score.samples, checked.score.float_value, checked.score.main.metric) == (80, 1.0, "Accuracy")
    assert checked.score.main.look == 1
    assert checked.timing.heats == 8
    # Beside other work a heat can end by its time.
    assert 8 * 5 <= checked.timing.rounds <= 8 * 150
    assert checked.data.samples == 80
    assert (checked.served["device"], checked.served["batch"]) == ("CPU", "1")
    assert checked.served["PERFORMANCE_HINT"] == "LATENCY"
    assert checked.versions == versions()
    assert checked.budget == Budget(Drop(0.1, relative=True), metric="Accuracy")


def test_what_does_not_hold_on_new_data_is_missed(folder: Path, races: Races) -> None:
    # Labels of which the model is right about one half.
    wrong = [sample._replace(target=(sample.target + place % 2) % 6) for place, sample in enumerate(NEW)]
    budget = Budget(Drop(0.1), floor=0.9, metric="Accuracy")
    rewrite(folder, budget=budget.to_json())
    assert ovquant.check(folder, data=wrong).verdict == "missed"
    assert ovquant.check(folder, data=NEW).verdict == "met"


def test_limits_of_latency_and_size_are_of_the_machine_it_was_made_on(folder: Path, races: Races) -> None:
    limited = Budget(Drop(0.1), max_latency_ms=1e-9, max_size_bytes=1, metric="Accuracy")
    rewrite(folder, budget=limited.to_json())
    checked = ovquant.check(folder, data=NEW)
    assert (checked.verdict, checked.budget) == ("met", Budget(Drop(0.1), metric="Accuracy"))


def test_a_confidence_is_tested_at_the_level_of_this_use(folder: Path, races: Races) -> None:
    first = ovquant.check(folder, data=NEW, confidence=0.9)
    assert (first.budget.confidence, first.score.main.level) == (0.9, pytest.approx(0.05))
    assert ovquant.check(folder, data=NEW, confidence=0.9).score.main.level == pytest.approx(0.05)
    other = ovquant.check(folder, data=NEW, confidence=0.8)
    assert (other.score.main.level, other.score.main.look) == (pytest.approx(0.05), 2)
    assert "This is use 2 of these held-out samples: they are not fresh any more." in other.notes
    looks = [key for key, _ in Profile(folder / "profile.jsonl").entries("look")]
    assert [key["device"] for key in looks[1:]] == ["CPU", "CPU"]
    assert looks[-1]["metrics"] == ["Accuracy"]
    assert looks[-1]["openvino"] == versions()["openvino"]


def test_samples_that_the_run_has_seen_are_counted(folder: Path, races: Races) -> None:
    seen = samples(200)
    checked = ovquant.check(folder, data=[*seen, *NEW])
    assert checked.notes[:2] == (
        "100 of the 280 samples are also in the search data of the run: they prove nothing new about it.",
        "100 of the 280 samples are also in the holdout data of the run: they prove nothing new about it.",
    )
    # Calibration data are named where they are not those of the search.
    assert not any("calibration" in note for note in checked.notes)
    values = json.loads((folder / "result.json").read_text())
    apart = {**values["data"]["search"], "samples": 99}
    rewrite(folder, data={**values["data"], "calibration": apart})
    assert any("calibration data of the run" in note for note in ovquant.check(folder, data=seen).notes)


def test_copies_prove_nothing(folder: Path, races: Races) -> None:
    checked = ovquant.check(folder, data=[*NEW, *NEW[:10]])
    assert (checked.score.samples, checked.data.samples) == (80, 80)
    assert "10 of 90 held-out samples are copies of others; each content counts once." in checked.notes


def test_one_that_is_slower_here_is_said(folder: Path, races: Races) -> None:
    races.low = 1.0
    assert ovquant.check(folder, data=NEW).notes == ()
    races.low = 1.01
    checked = ovquant.check(folder, data=NEW)
    assert (checked.verdict, checked.notes) == ("met", ("int8 is slower than float here.",))


def test_both_are_timed_as_they_are_served(folder: Path, races: Races) -> None:
    values = json.loads((folder / "result.json").read_text())
    properties = {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": "1", "EXECUTION_MODE_HINT": "ACCURACY"}
    values["trial"]["plan"]["properties"] = {**properties, "INFERENCE_NUM_THREADS": "1"}
    rewrite(folder, trial=values["trial"], optimize="throughput", objective="throughput")
    checked = ovquant.check(folder, data=NEW, seed=6)
    assert checked.timing.ratio == 0.8
    float_model, saved = races.compiled
    for compiled in (float_model, saved):
        assert compiled.get_property("PERFORMANCE_HINT") == "THROUGHPUT"
        assert compiled.get_property("INFERENCE_NUM_THREADS") == 1
    # What only the plan needs is not the float model's.
    assert str(saved.get_property("EXECUTION_MODE_HINT")).endswith("ACCURACY")
    assert str(float_model.get_property("EXECUTION_MODE_HINT")).endswith("PERFORMANCE")
    assert "FakeQuantize" not in str(float_model.get_property("NETWORK_NAME"))
    assert (races.how["objective"], races.how["seed"]) == ("throughput", 6)
    assert len(races.how["requests"]) == 16


def test_progress_says_which_of_the_two_is_scored(folder: Path, races: Races) -> None:
    told: list[tuple[str, int, int]] = []
    ovquant.check(folder, data=NEW, progress=lambda *what: told.append(what))
    assert [what for what, done, total in told if done == total == 80] == [
        "comparing samples by content",
        "evaluating the saved model",
        "evaluating the float model",
    ]


# What is not as it was --------------------------------------------------------------------------------------------------


def test_what_has_changed_since_is_said(folder: Path, races: Races) -> None:
    values = json.loads((folder / "result.json").read_text())
    rewrite(
        folder,
        versions={**values["versions"], "openvino": "2020.1", "other": "1"},
        device={**values["device"], "full_name": "A processor", "int8": ELSEWHERE},
    )
    checked = ovquant.check(folder, data=NEW)
    assert checked.verdict == "met"
    assert checked.notes == (
        f"openvino was 2020.1 and is {versions()['openvino']}.",
        "other was 1 and is not there.",
        f"The device was A processor and is {values['device']['full_name']}.",
        f"Sums of int8 products are {HERE} here, and were {ELSEWHERE} where the result was made.",
    )


def test_what_was_found_is_recorded_with_the_arithmetic_of_this_machine(folder: Path, races: Races) -> None:
    rewrite(folder, device={**json.loads((folder / "result.json").read_text())["device"], "int8": ELSEWHERE})
    result = ovquant.Result.load(folder)
    assert result.doubt()
    ovquant.check(folder, data=NEW)
    (line,) = (folder / "checks.jsonl").read_text().splitlines()
    found = json.loads(line)
    assert (found["int8"], found["model_digest"], found["verdict"]) == (HERE, result.model_digest, "met")
    assert not result.doubt()


def test_no_check_is_needed_where_weights_alone_are_quantized(folder: Path, races: Races) -> None:
    values = json.loads((folder / "result.json").read_text())
    values["trial"]["plan"]["recipe"]["algorithm"] = "weights"
    rewrite(folder, trial=values["trial"], device={**values["device"], "int8": ELSEWHERE})
    assert ovquant.check(folder, data=NEW).notes == ()
    assert not (folder / "checks.jsonl").exists()


def test_another_model_than_the_one_that_was_measured_is_missed_however_well_it_does(
    folder: Path, net: Path, races: Races
) -> None:
    for suffix in (".xml", ".bin"):
        shutil.copy(net.with_suffix(suffix), folder / f"model{suffix}")
    checked = ovquant.check(folder, data=NEW)
    assert (checked.verdict, checked.score.drop) == ("missed", 0)
    (note,) = checked.notes
    assert "model.xml and model.bin is not the one that was measured" in note
    assert note.endswith("Take the folder from a copy, or make the result again.")
    assert json.loads((folder / "checks.jsonl").read_text())["verdict"] == "missed"


def test_a_model_that_cannot_be_read_is_an_error(folder: Path) -> None:
    (folder / "model.bin").write_bytes(b"")
    with pytest.raises(ModelError, match="is damaged: model.bin is empty. Take the folder from a copy"):
        ovquant.check(folder, data=NEW)


def test_another_float_model_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="is not the float model that .* Give that one with --reference"):
        ovquant.check(folder, data=NEW, reference=linear(seed=1))


def test_a_fingerprint_of_before_is_known_as_far_as_it_goes(
    folder: Path, races: Races, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "likeness", lambda *_: "alike")
    assert ovquant.check(folder, data=NEW, reference=linear(seed=1)).notes[0] == checks.UNSEEN


# What belongs to the result ---------------------------------------------------------------------------------------------


def test_metrics_are_the_result_s_own_unless_given(folder: Path, races: Races) -> None:
    result = ovquant.Result.load(folder)
    assert metrics_of(result, None) == ["accuracy"]
    assert (metrics_of(result, "f1"), metrics_of(result, ("f1", "accuracy"))) == (["f1"], ["f1", "accuracy"])
    for metrics in ((), ("accuracy", "")):
        with pytest.raises(UsageError, match="the metric Accuracy, which was given as an object. Give it again"):
            metrics_of(changed(result, metrics=metrics), None)
    with pytest.raises(UsageError, match="budgets for 1 metrics; give as many with --metric"):
        ovquant.check(folder, data=NEW, metric=["accuracy", "fidelity"])
    checked = ovquant.check(folder, data=unlabelled(NEW), metric="fidelity")
    assert (checked.verdict, checked.score.main.metric) == ("met", "Fidelity")
    with pytest.raises(MetricError, match="needs targets"):
        ovquant.check(folder, data=unlabelled(NEW))


def test_the_float_model_is_where_it_was_or_is_asked_for(found: ovquant.Result, net: Path, tmp_path: Path) -> None:
    assert source_of(found, None) == str(net.resolve())
    assert source_of(found, "other.xml") == "other.xml"
    with pytest.raises(UsageError, match="with --reference. It was '.*gone.xml', which is not there any more"):
        source_of(changed(found, model_source=str(tmp_path / "gone.xml")), None)
    with pytest.raises(UsageError, match="with --reference.$"):
        source_of(changed(found, model_source=""), None)


def test_it_is_loaded_and_served_as_the_result_was(found: ovquant.Result) -> None:
    assert served_like(found) == {"device": "CPU", "optimize": "size", "batch": None, "input_shape": None}
    other = changed(found, batch=2, objective="latency", input_shape="[2,1024]", device={"device": "GPU"})
    assert served_like(other) == {"device": "GPU", "optimize": "latency", "batch": 2, "input_shape": "[2,1024]"}
    generating = served_like(changed(found, generation=Generation(12, 3)))
    assert (generating["prompt_tokens"], generating["new_tokens"]) == (12, 3)


def test_another_device_is_tried_where_it_is_there(folder: Path) -> None:
    with pytest.raises(DeviceError, match="no device 'TOASTER'"):
        ovquant.check(folder, data=NEW, device="TOASTER")


def test_slices_and_groups_are_the_result_s_own(folder: Path, races: Races) -> None:
    budget = Budget(Drop(0.1), worst_slice=Drop(0.9), metric="Accuracy")
    rewrite(folder, budget=budget.to_json(), slice_by="target", group_by="target")
    checked = ovquant.check(folder, data=NEW)
    assert {score.slice for score in checked.score.all} == {"", *map(str, range(6))}
    # Six groups are what is independent, so that an exact test of samples is not valid.
    assert checked.score.main.method == "betting"


def test_a_function_that_made_slices_must_be_given_again(folder: Path, races: Races) -> None:
    budget = Budget(Drop(0.1), worst_slice=Drop(0.9), metric="Accuracy")
    rewrite(folder, budget=budget.to_json(), slice_by="halves()")
    with pytest.raises(UsageError, match="slice_by=halves, a function. Give it again with slice_by"):
        ovquant.check(folder, data=NEW)
    checked = ovquant.check(folder, data=NEW, slice_by=lambda sample: sample.target < 3, group_by="target")
    assert {score.slice for score in checked.score.all} == {"", "True", "False"}
    assert checked.score.main.method == "betting"
