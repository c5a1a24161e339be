"""From a model and data to the smallest model inside a budget, and to a profile that any budget is solved from."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ovquant
from ovquant.api.data import open_splits
from ovquant.api.options import Options
from ovquant.domain.plan import Plan
from ovquant.domain.profile import Profile
from ovquant.domain.trial import Trial
from ovquant.errors import DataError, MetricError, OutputError, UsageError
from ovquant.graph.fingerprint import fingerprint
from tests.api.models import QUICK, linear, samples, unlabelled


def quantized(**how: Any) -> ovquant.Result:
    given = {"model": linear(), "data": samples(120), "metric": "accuracy", "max_drop": "10%", **QUICK, **how}
    return ovquant.quantize(given.pop("model"), **given)


def test_what_is_returned_is_quantized_and_proven_on_held_out_samples(found: ovquant.Result) -> None:
    assert "FakeQuantize" in {node.get_type_name() for node in found.model.get_ops()}
    assert found.trial.size_bytes < found.baseline.size_bytes
    score = found.trial.holdout
    assert score is not None
    assert score.samples == 100
    compiled = found.compile()
    right = [compiled(np.asarray(item.inputs)[None])[0].argmax() == item.target for item in samples(200)]
    assert np.mean(right) == pytest.approx(score.value, abs=0.1)


def test_trials_are_shown_as_they_are_made_and_the_best_lies_on_disk(tmp_path: Path) -> None:
    shown: list[str] = []
    kept: list[str] = []

    def progress(what: str, done: int, total: int) -> None:
        if what == "evaluating int8 on holdout":
            kept.append(Plan.load(tmp_path / "out.partial" / "best" / "plan.json").name)

    model = linear()
    before = fingerprint(model), [node.get_friendly_name() for node in model.get_ops()]
    how: dict[str, Any] = {"model": model, "progress": progress, "output": tmp_path / "out"}
    made = quantized(on_trial=lambda trial: shown.append(trial.plan.name), **how)
    # What was passed in is never changed.
    assert (fingerprint(model), [node.get_friendly_name() for node in model.get_ops()]) == before
    assert shown == ["float", "default"]
    assert set(kept) == {"default"}
    assert made.folder == tmp_path / "out"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_finished_folder_is_replaced_by_force_alone(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="already holds a result"):
        quantized(model="nowhere.xml", output=folder)
    made = quantized(output=folder, force=True, command="again")
    assert ovquant.Result.load(folder).provenance.command == made.provenance.command == "again"


@pytest.mark.parametrize("given", ["model", "data", "calibration", "holdout"])
def test_an_output_around_an_input_is_found_before_the_model_is_loaded(tmp_path: Path, given: str) -> None:
    (tmp_path / "input.xml").touch()
    how = {"model": "nowhere.xml", "output": tmp_path, given: str(tmp_path / "input.xml")}
    with pytest.raises(OutputError, match="which this run reads"):
        quantized(**how)


def test_each_role_can_have_data_of_its_own() -> None:
    made = quantized(data=samples(60), holdout=samples(70, seed=2), calibration=unlabelled(samples(20, seed=3)))
    counts = {role: data.samples for role, data in made.provenance.data.items()}
    assert counts == {"search": 60, "holdout": 70, "calibration": 20}


def test_all_that_must_hold_is_in_the_budget() -> None:
    made = quantized(
        metric=["accuracy", "fidelity"],
        max_drop={"Accuracy": "60%", "Fidelity": "60pt"},
        floor={"Fidelity": 0.3},
        worst_slice="90%",
        slice_by="target",
        confidence=0.9,
        max_latency_ms=1e4,
        max_size_bytes=10**7,
    )
    budget = made.budget
    assert made.verdict == "met"
    assert (str(budget.max_drop), str(budget.worst_slice), budget.confidence) == ("60%", "90%", 0.9)
    assert [(limit.metric, str(limit.max_drop), limit.floor) for limit in budget.others] == [("Fidelity", "0.6", 0.3)]
    assert (budget.max_latency_ms, budget.max_size_bytes, budget.metric) == (1e4, 10**7, "Accuracy")
    assert made.trial.holdout is not None
    assert made.trial.holdout.main.level == pytest.approx(0.05)


def test_a_floor_that_even_float_is_below_is_infeasible() -> None:
    assert quantized(floor=1.5).verdict == "infeasible"


def test_a_limit_of_size_alone_gives_the_most_accurate_that_fits(found: ovquant.Result) -> None:
    between = (found.trial.size_bytes + found.baseline.size_bytes) // 2
    made = quantized(max_drop=None, max_size_bytes=between)
    assert (made.verdict, made.plan.name) == ("met", "default")
    assert quantized(max_drop=None, max_size_bytes=10**7).verdict == "float"
    assert quantized(max_drop=None, max_size_bytes=100).verdict == "infeasible"


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ({"max_drop": None}, UsageError, "Give a budget: --max-drop"),
        ({"worst_slice": "1%"}, UsageError, "--slice-by and --worst-slice go together"),
        ({"slice_by": "target"}, UsageError, "--slice-by and --worst-slice go together"),
        ({"data": samples(40)}, DataError, "too few to split"),
        ({"data": unlabelled(samples(60))}, MetricError, "needs targets and the search data have none"),
        ({"max_drop": "100%"}, UsageError, "allows every score"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    tmp_path: Path, how: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        quantized(output=tmp_path / "out", **how)
    assert list(tmp_path.iterdir()) == []


# Profile ---------------------------------------------------------------------------------------------------------------


def profiled(target: Path, **how: Any) -> Path:
    return ovquant.profile(linear(), **{"data": samples(120), "metric": "accuracy", **QUICK, **how}, output=target)


def test_a_profile_is_measured_without_the_holdout(tmp_path: Path) -> None:
    shown: list[Trial] = []
    target = profiled(tmp_path / "deep" / "profile.jsonl", on_trial=shown.append)
    assert target == tmp_path / "deep" / "profile.jsonl"
    assert [trial.plan.name for trial in shown] == ["float", "default"]
    profile = Profile(target)
    assert list(profile.entries("look")) == []
    # Where the device computes float in less, float in f32 is timed too.
    names = {value["trial"]["plan"]["name"] for _, value in profile.entries("trial")} - {"float-f32"}
    assert names == {"float", "default"}
    splits = open_splits(samples(120), Options())
    assert {key["data"] for key, _ in profile.entries("trial")} == {splits.search.fingerprint}
    assert splits.holdout.fingerprint not in {key["data"] for key, _ in profile.entries("evaluation")}
    # What it was built from is gone; the measurements stay.
    assert [path.name for path in target.parent.iterdir()] == ["profile.jsonl"]
    assert ovquant.plan(target, max_drop="10%", optimize="size", strategy="first").plan.name == "default"


def test_its_search_looks_closest_at_one_percent_unless_told_otherwise(tmp_path: Path) -> None:
    for how, allowed in (({}, 0.01), ({"max_drop": "5pt"}, 0.05)):
        shown: list[Trial] = []
        profiled(tmp_path / f"{allowed}.jsonl", on_trial=shown.append, **how)
        assert shown[-1].search is not None
        assert shown[-1].search.main.allowed == pytest.approx(allowed * shown[-1].search.float_value)


def test_what_was_measured_is_not_measured_again(tmp_path: Path) -> None:
    target = profiled(tmp_path / "profile.jsonl")
    before = target.read_bytes()
    assert profiled(target).read_bytes() == before


def test_a_profile_has_calibration_and_holdout_of_its_own(tmp_path: Path) -> None:
    told: set[tuple[str, int]] = set()
    how: dict[str, Any] = {"holdout": samples(70, seed=2), "calibration": unlabelled(samples(20, seed=3))}
    profiled(
        tmp_path / "profile.jsonl", data=samples(60), progress=lambda what, _, total: told.add((what, total)), **how
    )
    assert {("comparing samples by content", count) for count in (60, 70, 20)} < told
    assert ("calibrating", 20) in told
    with pytest.raises(MetricError, match="the holdout data have none"):
        profiled(tmp_path / "other.jsonl", data=samples(60), holdout=unlabelled(samples(70, seed=2)))
    assert not (tmp_path / "other.jsonl").exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file/profile.jsonl' cannot be written"):
        profiled(tmp_path / "file" / "profile.jsonl")


def test_a_recipe_for_another_precision_of_float_is_refused_by_name() -> None:
    with pytest.raises(
        UsageError, match=r"The recipe 'f16' is for devices that compute float in f16, and CPU computes it in"
    ):
        ovquant.quantize(linear(), data=samples(120), metric="accuracy", max_drop="20%", recipes=["f16"])
