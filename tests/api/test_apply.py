"""A plan that was given is built, verified and judged; a result is calibrated again and replaced only by one that holds."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest

import ovquant
from ovquant.api.apply import carried_budget, compared_with, judged
from ovquant.domain.budget import Budget, Drop, Limit
from ovquant.domain.plan import Plan
from ovquant.domain.profile import Profile
from ovquant.domain.recipe import Recipe
from ovquant.domain.sample import Sample
from ovquant.domain.trial import Score, Scores, Timing, Trial
from ovquant.errors import MetricError, ModelError, OutputError, UsageError
from ovquant.graph.pins import pinned
from tests.api.models import linear, samples, unlabelled
from tests.search.played import search

PLAN = Plan("default", Recipe())


def applied(plan: Any = PLAN, **how: Any) -> ovquant.Result:
    given = {"model": linear(), "data": samples(120), "metric": "accuracy", **how}
    return ovquant.apply(plan, given.pop("model"), **given)


def test_a_plan_is_built_and_verified_and_nothing_is_searched(found: ovquant.Result, tmp_path: Path) -> None:
    made = applied(str(found.folder / "plan.json"), data=samples(200), output=tmp_path / "out", command="ovquant apply")
    assert (made.verdict, made.folder, made.provenance.command) == ("met", tmp_path / "out", "ovquant apply")
    assert made.budget == found.budget
    assert made.trial.plan.key == found.plan.key
    assert made.trials == made.walked == (made.trial,)
    assert made.baseline.plan.is_float
    for trial in (made.trial, made.baseline):
        assert trial.search is None
        assert trial.holdout is not None
        assert trial.timing is not None
        assert trial.holdout.samples == 100
        assert trial.size_bytes > 0
    assert made.baseline.holdout is not None
    assert (made.baseline.holdout.drop, made.baseline.holdout.main.look) == (0, None)
    assert made.trial.divergence is not None
    assert made.trial.divergence > 0
    assert made.trial.layers == {"head": "int8"}
    assert "FakeQuantize" in {node.get_type_name() for node in made.model.get_ops()}


def test_with_calibration_data_of_their_own_all_data_verify() -> None:
    made = applied(max_drop=0.2, calibration=samples(60, seed=2))
    counts = {role: data.samples for role, data in made.provenance.data.items()}
    assert (counts["holdout"], counts["calibration"]) == (120, 60)


def test_a_plan_outside_its_budget_is_missed() -> None:
    # No quantized model has exactly the float model's outputs.
    made = applied(metric="fidelity:by=cosine", max_drop=0.0)
    assert (made.verdict, made.plan.name) == ("missed", "default")


def test_the_limits_of_latency_and_size_must_hold_too(found: ovquant.Result) -> None:
    # Generated names make one model some bytes larger than another.
    for size, verdict in ((2 * found.trial.size_bytes, "met"), (found.trial.size_bytes // 2, "missed")):
        made = applied(found.plan, data=samples(200), budget=Budget(Drop(0.2), max_size_bytes=size))
        assert made.verdict == verdict
        assert any("over a limit" in note for note in made.notes) == (verdict == "missed")


def test_a_confidence_is_tested_at_the_level_of_this_use(tmp_path: Path) -> None:
    made = applied(max_drop=0.3, confidence=0.9, output=tmp_path / "out")
    assert made.trial.holdout is not None
    assert made.trial.holdout.certified
    assert (made.trial.holdout.main.level, made.trial.holdout.main.look) == (pytest.approx(0.05), 1)
    looks = list(Profile(made.folder / "profile.jsonl").entries("look"))
    assert [(key["plans"], key["budget"]["confidence"]) for key, _ in looks] == [([made.plan.key], 0.9)]
    again = applied(max_drop=0.31, confidence=0.9, output=tmp_path / "out", force=True)
    assert again.trial.holdout is not None
    assert again.trial.holdout.main.level == pytest.approx(0.025)
    assert any("use 2 of these held-out samples" in note for note in again.notes)
    assert applied(max_drop=0.001, confidence=0.9, metric="fidelity:by=identical").verdict in ("inconclusive", "missed")


def test_properties_are_those_of_the_plan_and_the_caller_s_win() -> None:
    plan = replace(PLAN, properties={"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": "1"})
    made = applied(plan, max_drop=0.2, properties={"NUM_STREAMS": "2"}, threads=2)
    expected = {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": "2", "INFERENCE_NUM_THREADS": "2"}
    assert made.plan.properties == expected
    # A plan that says nothing of it has what the options stand for.
    assert applied(max_drop=0.2).plan.properties == {"PERFORMANCE_HINT": "LATENCY"}


def test_accuracy_control_may_lose_what_the_budget_allows() -> None:
    made = applied(Plan("control", Recipe(algorithm="accuracy-control")), data=samples(60, seed=4), max_drop="20%")
    assert made.plan.recipe is not None
    assert made.plan.recipe.allowed_drop == pytest.approx(0.2)


def test_calibration_data_need_no_targets_but_for_accuracy_control() -> None:
    bare = unlabelled(samples(60, seed=4))
    assert applied(calibration=bare, max_drop=0.2).verdict == "met"
    with pytest.raises(MetricError, match="the search data have none"):
        applied(Plan("control", Recipe(algorithm="accuracy-control")), calibration=bare, max_drop=0.2)


@pytest.mark.parametrize(
    ("plan", "how", "error", "message"),
    [
        (PLAN, {}, UsageError, "The plan carries no budget. Say what it must hold"),
        (PLAN, {"max_drop": "100%"}, UsageError, "allows every score"),
        (PLAN, {"max_drop": "1%", "worst_slice": "5%"}, UsageError, "--slice-by and --worst-slice go together"),
        (PLAN, {"max_drop": "1%", "data": unlabelled(samples(60))}, MetricError, "the search data have none"),
        (PLAN, {"floor": 0.5}, UsageError, "Give a budget: --max-drop"),
        ("nowhere.json", {"max_drop": "1%"}, UsageError, "'nowhere.json' is not a valid plan file"),
    ],
)
def test_what_cannot_be_is_refused(
    plan: Any, how: dict[str, Any], error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        applied(plan, output=tmp_path / "out", **how)
    assert list(tmp_path.iterdir()) == []


def test_an_output_around_an_input_is_refused(tmp_path: Path) -> None:
    (tmp_path / "val.npz").touch()
    for name in ("model", "data", "calibration"):
        with pytest.raises(OutputError, match="which this run reads"):
            applied(output=tmp_path, **{"model": "nowhere.xml", name: tmp_path / "val.npz"})


# The budget and the verdict ---------------------------------------------------------------------------------------------


CARRYING = replace(
    PLAN, budget=Budget(Drop(0.01), others=(Limit("Fidelity", Drop(0.02)),), metric="Accuracy").to_json()
)


def test_a_plan_carries_its_budget() -> None:
    names = ["Accuracy", "Fidelity"]
    budget = carried_budget(CARRYING, names, None, None)
    assert budget == Budget(Drop(0.01), others=(Limit("Fidelity", Drop(0.02)),), metric="Accuracy")
    assert carried_budget(CARRYING, names, Drop(0.3), None) == replace(budget, worst_slice=Drop(0.3))
    assert carried_budget(CARRYING, names, None, 0.9) == replace(budget, confidence=0.9)


def test_one_for_other_metrics_or_none_is_refused() -> None:
    with pytest.raises(UsageError, match="carries no budget"):
        carried_budget(PLAN, ["Accuracy"], None, None)
    for names in (["Accuracy"], ["Fidelity", "Accuracy"]):
        message = f"budget is for Accuracy, Fidelity, and the metric here is {', '.join(names)}. Give the budget"
        with pytest.raises(UsageError, match=message):
            carried_budget(CARRYING, names, None, None)


@pytest.mark.parametrize(
    ("budget", "excess", "verdict"),
    [
        (Budget(Drop(0.1)), 0.0, "met"),
        (Budget(Drop(0.1)), 0.01, "missed"),
        (Budget(Drop(0.1), max_latency_ms=5.0), 0.0, "met"),
        (Budget(Drop(0.1), max_latency_ms=4.9), 0.0, "missed"),
        (Budget(Drop(0.1), max_size_bytes=2_000_000), 0.0, "met"),
        (Budget(Drop(0.1), max_size_bytes=1_999_999), 0.0, "missed"),
    ],
)
def test_a_plan_holds_its_drop_and_its_limits(budget: Budget, excess: float, verdict: str) -> None:
    scores = Scores((Score("holdout", 0.9, 0.95, 0.05, excess, 100),))
    trial = Trial(PLAN, holdout=scores, timing=Timing(5.0, 6.0, 8.0, 9.0, 0.6, 0.5, 0.7, 10), size_bytes=2_000_000)
    found, notes = judged(trial, budget, ["worn"])
    assert found == verdict
    over = "It takes 5 ms and 2 MB, which is over a limit of the budget."
    assert notes == (("worn", over) if budget.has_limits and verdict == "missed" else ("worn",))


# Refresh ----------------------------------------------------------------------------------------------------------------


def test_new_data_replace_a_result_that_still_holds(folder: Path) -> None:
    before = ovquant.Result.load(folder)
    (folder / "notes.txt").write_text("mine")
    made = ovquant.refresh(folder, data=samples(120, seed=8), seed=2, command="ovquant refresh")
    read = ovquant.Result.load(folder)
    assert (made.verdict, made.folder) == ("met", folder)
    assert (read.provenance.command, read.provenance.seed) == ("ovquant refresh", 2)
    assert (read.provenance.metrics, read.budget) == (("accuracy",), before.budget)
    assert read.provenance.data["holdout"].samples == 60
    assert (read.plan.key, read.provenance.objective) == (before.plan.key, "size")
    assert (folder / "notes.txt").read_text() == "mine"
    # Uses of other samples are not forgotten.
    assert [value for _, value in Profile(folder / "profile.jsonl").entries("look")] == [{"look": 1}, {"look": 1}]


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_one_that_does_not_hold_leaves_all_as_it_was(folder: Path) -> None:
    before = content(folder)
    made = ovquant.refresh(folder, data=samples(120, seed=8), metric="fidelity:by=cosine", max_drop=0.0)
    assert (made.verdict, made.folder) == ("missed", folder)
    assert content(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_data_without_targets_are_verified_by_fidelity(folder: Path) -> None:
    recorded = unlabelled(samples(120, seed=8))
    with pytest.raises(UsageError, match="Give --max-drop: the budget of the result is in its own metric"):
        ovquant.refresh(folder, data=recorded)
    assert ovquant.refresh(folder, data=recorded, max_drop="20pt", confidence=0.8).metric == "Fidelity"
    read = ovquant.Result.load(folder)
    assert (read.metric, read.budget.confidence) == ("Fidelity", 0.8)


def test_another_metric_needs_a_drop_of_its_own(folder: Path) -> None:
    with pytest.raises(UsageError, match="Give --max-drop"):
        ovquant.refresh(folder, data=samples(120, seed=8), metric="fidelity")


def rewrite(folder: Path, **changes: Any) -> None:
    values = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps({**values, **changes}))


def test_so_does_a_result_without_one(folder: Path) -> None:
    rewrite(folder, budget=Budget(max_size_bytes=10**6, metric="Accuracy").to_json())
    with pytest.raises(UsageError, match="Give --max-drop"):
        ovquant.refresh(folder, data=samples(120, seed=8))


def test_what_quantizes_nothing_or_is_damaged_is_refused(folder: Path, found: ovquant.Result) -> None:
    rewrite(folder, trial=found.baseline.to_json())
    with pytest.raises(UsageError, match="holds the float model: there is nothing to calibrate again"):
        ovquant.refresh(folder, data=samples(120, seed=8))
    (folder / "model.bin").write_bytes(b"")
    with pytest.raises(ModelError, match="is damaged"):
        ovquant.refresh(folder, data=samples(120, seed=8))


def signs(sample: Sample) -> str:
    return "up" if np.asarray(sample.inputs)[0] > 0 else "down"


def test_its_confidence_slices_and_groups_are_the_result_s_own(folder: Path, tmp_path: Path) -> None:
    budget = Budget(Drop(0.4), worst_slice=Drop(0.9), confidence=0.8, metric="Accuracy")
    rewrite(folder, budget=budget.to_json(), slice_by="target")
    ovquant.refresh(folder, data=samples(120, seed=8))
    read = ovquant.Result.load(folder)
    assert (read.budget, read.provenance.slice_by) == (budget, "target")
    assert read.trial.holdout is not None
    assert len(read.trial.holdout.all) > 2
    # A drop of one's own is for all samples together.
    ovquant.refresh(folder, data=samples(120, seed=9), max_drop=0.4)
    plain = ovquant.Result.load(folder)
    assert (plain.budget.worst_slice, plain.budget.confidence, plain.provenance.slice_by) == (None, 0.8, "")


def test_a_function_that_made_its_slices_must_be_given_again(folder: Path) -> None:
    budget = Budget(Drop(0.4), worst_slice=Drop(0.9), metric="Accuracy")
    rewrite(folder, budget=budget.to_json(), slice_by="signs()")
    with pytest.raises(UsageError, match="slice_by=signs, a function. Give it again"):
        ovquant.refresh(folder, data=samples(120, seed=8))
    ovquant.refresh(folder, data=samples(120, seed=8), slice_by=signs)
    assert ovquant.Result.load(folder).provenance.slice_by == "signs()"


def test_the_float_model_is_the_result_s_own_unless_given(folder: Path, tmp_path: Path) -> None:
    rewrite(folder, model_source=str(tmp_path / "gone.xml"))
    with pytest.raises(UsageError, match="gone.xml', which is not there any more"):
        ovquant.refresh(folder, data=samples(120, seed=8))
    openvino.save_model(linear(), tmp_path / "net.xml", compress_to_fp16=False)
    made = ovquant.refresh(folder, data=samples(120, seed=8), reference=tmp_path / "net.xml")
    assert (made.verdict, made.provenance.model_source) == ("met", str(tmp_path / "net.xml"))


def test_where_float_as_served_is_outside_a_plan_is_compared_with_f32(tmp_path: Path) -> None:
    times = {"float": 1.0, "float-f32": 2.0}
    hunt, _ = search(tmp_path / "outside", ratios=times, holdout_drops={"float": 0.5})
    baseline, (note,) = compared_with(hunt.bench, Budget(Drop(0.1)))
    assert hunt.bench.bar == baseline.plan == hunt.bench.conditions.reference_plan
    assert baseline.timing is not None
    assert baseline.timing.ratio == 1.0
    assert "on the holdout split is 0.5, and 1 in f32" in note
    assert "2.00 times as long" in note
    for name, drops in (("inside", {"float": 0.05}), ("neither", {"float": 0.5, "float-f32": 0.5})):
        hunt, _ = search(tmp_path / name, ratios=times, holdout_drops=drops)
        baseline, notes = compared_with(hunt.bench, Budget(Drop(0.1)))
        assert (baseline.plan.name, hunt.bench.bar, notes) == ("float", None, [])


# Layers of float in f32 -------------------------------------------------------------------------------------------------

PINNED = Plan("bf16, 1 layer in f32", Recipe(algorithm="bf16", graph="normalised"), {"head": "f32"})


def kept(path: Path) -> set[str]:
    return pinned(openvino.Core().read_model(path))


def test_layers_that_are_kept_in_f32_stay_so_wherever_the_model_goes(tmp_path: Path) -> None:
    made = applied(PINNED, max_drop=0.2, output=tmp_path / "out")
    assert (made.verdict, made.plan.title) == ("met", "bf16, 1 layer in f32")
    assert made.trial.layers == {"head": "f32"}
    assert kept(tmp_path / "out" / "model.xml") == {"head"}
    made.save(tmp_path / "copy")
    assert kept(tmp_path / "copy" / "model.xml") == {"head"}
    (exported,) = ovquant.export(tmp_path / "out", to="model-server", output=tmp_path / "server").rglob("*.xml")
    assert kept(exported) == {"head"}
    reshaped = made.model
    reshaped.reshape([4, 1024])
    openvino.save_model(reshaped, tmp_path / "reshaped.xml")
    assert kept(tmp_path / "reshaped.xml") >= {"head"}
    again = ovquant.refresh(
        tmp_path / "out", data=samples(120, seed=4), metric="accuracy", max_drop=0.2, reference=linear()
    )
    assert again.verdict == "met"
    assert kept(tmp_path / "out" / "model.xml") == {"head"}


def test_a_layer_that_is_not_there_cannot_be_kept() -> None:
    with pytest.raises(UsageError, match="the layer 'tail'"):
        applied(replace(PINNED, layers={"tail": "f32"}), max_drop=0.2)
