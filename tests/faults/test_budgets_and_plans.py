"""Budgets are what was written, plans are what is built, and notes say whose score they mean (faults 10, 11 and 12)."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

import ovquant
from ovquant.domain.plan import Plan
from ovquant.domain.recipe import Recipe
from ovquant.domain.sample import Sample
from ovquant.domain.trial import Score, Scores
from ovquant.errors import UsageError
from ovquant.runtime import Deployment
from ovquant.search.bar import below_f32
from ovquant.search.holdout import lost
from tests.cli.conftest import QUICK, Case, Run

WIDTH, CLASSES = 1024, 6


def linear() -> openvino.Model:
    """A classifier that int8 changes a little."""
    port = ops.parameter([1, WIDTH], np.float32, name="x")
    port.output(0).set_names({"x"})
    product = ops.matmul(port, ops.constant(directions()), False, False)
    product.output(0).set_names({"scores"})
    return openvino.Model([ops.result(product)], [port], "linear")


def directions() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((WIDTH, CLASSES)).astype(np.float32)


def samples(count: int) -> list[Sample]:
    rows = np.random.default_rng(1).standard_normal((count, WIDTH)).astype(np.float32)
    return [Sample(row, int((row @ directions()).argmax())) for row in rows]


HOW = {"strategy": "first", "recipes": ["default"], "optimize": "size"}


# 10. The budget of a plan -----------------------------------------------------------------------------------------


def test_apply_takes_the_budget_that_the_plan_carries(run: Run, net: Case, tmp_path: Path) -> None:
    asked = ("--data", net.data, "--metric", "accuracy")
    assert run("quantize", net.model, *asked, "--max-drop", "2%", "-o", "out", *QUICK).code == 0
    planned = run("plan", "--profile", "out/profile.jsonl", "--max-drop", "0.5%", "-o", "plan.json")
    assert planned.code == 0, planned.err
    ran = run("apply", "plan.json", net.model, *asked, "-o", "applied", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["budget"]["max_drop"] == {"value": 0.005, "relative": True}
    # The result's own plan carries the budget of its run.
    again = run("apply", "out/plan.json", net.model, *asked, "-o", "again", "--json")
    assert again.json["budget"]["max_drop"] == {"value": 0.02, "relative": True}


def test_apply_asks_where_the_plan_has_no_budget_or_one_for_another_metric(run: Run, net: Case, tmp_path: Path) -> None:
    plan = Plan.load(Path(__file__).parents[1] / "written_before" / "result" / "plan.json")
    plan.save(tmp_path / "bare.json")
    ran = run("apply", "bare.json", net.model, "--data", net.data, "--metric", "accuracy", "-o", "applied")
    assert ran.code == 1
    assert "carries no budget" in ran.err
    assert "--max-drop" in ran.err
    values = {**plan.to_json(), "budget": ovquant.Budget(ovquant.Drop(0.01), metric="Accuracy").to_json()}
    (tmp_path / "other.json").write_text(json.dumps(values))
    ran = run("apply", "other.json", net.model, "--data", net.data, "--metric", "fidelity", "-o", "applied")
    assert ran.code == 1
    assert "budget is for Accuracy" in ran.err


def test_apply_holds_the_limits_of_the_plan_too() -> None:
    found = ovquant.quantize(linear(), data=samples(200), metric="accuracy", max_drop="5%", **HOW)
    tight = ovquant.Budget(ovquant.Drop(0.05), max_size_bytes=found.trial.size_bytes // 2, metric="Accuracy")
    plan = Plan.from_json({**found.plan.to_json(), "budget": tight.to_json()})
    applied = ovquant.apply(plan, linear(), data=samples(200), metric="accuracy")
    assert applied.verdict == "missed"
    assert any("over a limit" in note for note in applied.notes)


# 11. Drops that allow everything, and samples that decide nothing -------------------------------------------------


@pytest.mark.parametrize("drop", ["1", "100%", "0.999999", 3.0])
@pytest.mark.parametrize("metric", ["accuracy", "fidelity:by=identical"])
def test_a_drop_that_allows_every_score_is_refused(drop: str | float, metric: str) -> None:
    if drop == "0.999999":
        # The float model is right about every sample here, so this is the largest drop that allows less than everything.
        assert ovquant.quantize(linear(), data=samples(120), metric=metric, max_drop=drop, **HOW).verdict == "met"
        return
    with pytest.raises(UsageError, match="allows every score"):
        ovquant.quantize(linear(), data=samples(120), metric=metric, max_drop=drop, **HOW)


def test_the_command_asks_what_was_meant(run: Run, net: Case, tmp_path: Path) -> None:
    ran = run("quantize", net.model, "--data", net.data, "--metric", "accuracy", "--max-drop", "1", "-o", "out", *QUICK)
    assert ran.code == 1
    assert "1%" in ran.err
    assert "1pt" in ran.err
    assert not (tmp_path / "out").exists()


def test_so_is_one_on_a_function_that_declares_no_bounds() -> None:
    def share(outputs: np.ndarray, targets: list[int]) -> float:
        return float((np.asarray(outputs).reshape(len(targets), -1).argmax(1) == targets).mean())

    with pytest.raises(UsageError, match="Did you mean 1%"):
        ovquant.quantize(linear(), data=samples(120), metric=share, max_drop="1", **HOW)


def test_one_in_the_unit_of_an_unbounded_metric_is_taken() -> None:
    def decibels(outputs: np.ndarray, targets: list[int]) -> float:
        return 30.0 + float(np.asarray(outputs).mean()) * 0

    assert ovquant.quantize(linear(), data=samples(120), metric=decibels, max_drop="1", **HOW).verdict == "met"


def test_a_slice_may_not_lose_everything_either() -> None:
    how = {**HOW, "slice_by": "target", "worst_slice": 1.0}
    with pytest.raises(UsageError, match="--worst-slice"):
        ovquant.quantize(linear(), data=samples(120), metric="accuracy", max_drop="1%", **how)


def test_a_few_samples_decide_nothing_and_the_first_line_says_so(run: Run, net: Case, tmp_path: Path) -> None:
    arrays = net.arrays
    np.savez(tmp_path / "few.npz", **{name: values[:80] for name, values in arrays.items()})
    asked = ("--metric", "accuracy", "--max-drop", "1%", *QUICK)
    ran = run("quantize", net.model, "--data", "few.npz", *asked, "-o", "out")
    assert ran.code == 0, ran.err
    first = ran.out.splitlines()[0]
    assert "on 40 held-out samples" in first
    assert "decides nothing" in first
    assert "samples would" in first
    checked = run("check", "out", "--data", "few.npz", "--reference", net.model)
    assert "decides nothing" in checked.out.splitlines()[0]


# 12. Plans and notes that say what is there -----------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["int8", "int4", "int4-weights", "f64", ""])
def test_a_level_that_cannot_be_built_is_refused(run: Run, net: Case, tmp_path: Path, precision: str) -> None:
    values = {**Plan("default", Recipe()).to_json(), "layers": {"head": precision}}
    (tmp_path / "plan.json").write_text(json.dumps(values))
    ran = run("apply", "plan.json", net.model, "--data", net.data, "--metric", "accuracy", "--max-drop", "1%")
    assert ran.code == 1
    assert "head" in ran.err
    assert "cannot be built" in ran.err


def test_what_the_recipe_keeps_in_float_is_reported(run: Run, net: Case, tmp_path: Path) -> None:
    asked = (
        "--data",
        net.data,
        "--metric",
        "accuracy",
        "--max-drop",
        "2%",
        "--strategy",
        "first",
        "--optimize",
        "size",
    )
    ran = run("quantize", net.model, *asked, "--recipe", "keep-float:types=MatMul", "-o", "out", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["trial"]["plan"]["recipe"]["keep_float_types"] == ["MatMul"]
    report = (tmp_path / "out" / "report.md").read_text()
    assert "The recipe itself keeps MatMul in float" in report
    # What is said of the layers is so in the file that was saved.
    saved = openvino.Core().read_model(tmp_path / "out" / "model.xml")
    nodes = {node.get_friendly_name(): node for node in saved.get_ops()}
    assert "head" not in ran.json["trial"]["layers"]
    for layer, precision in ran.json["trial"]["layers"].items():
        assert ("FakeQuantize" in kinds_before(nodes[layer])) == (precision == "int8")


def kinds_before(node: openvino.Node) -> set[str]:
    """Return the types of what an operation takes in, behind reshapes."""
    sources = [source.get_node() for source in node.input_values()]
    moved = [source.input_value(0).get_node() if source.get_type_name() == "Reshape" else source for source in sources]
    return {source.get_type_name() for source in moved}


def test_a_layer_put_back_is_float_in_the_file_and_in_the_report(run: Run, net: Case, tmp_path: Path) -> None:
    plan = Plan("default, one layer in float", Recipe(), layers={"head": "float"}, properties={})
    plan.save(tmp_path / "plan.json")
    asked = ("--data", net.data, "--metric", "accuracy", "--max-drop", "2%", "-o", "out", "--json")
    ran = run("apply", "plan.json", net.model, *asked)
    assert ran.code == 0, ran.err
    layers = ran.json["trial"]["layers"]
    assert layers["head"] == "float"
    assert set(layers.values()) == {"float", "int8"}
    nodes = {
        node.get_friendly_name(): node for node in openvino.Core().read_model(tmp_path / "out" / "model.xml").get_ops()
    }
    assert "FakeQuantize" not in kinds_before(nodes["head"])


def test_notes_give_the_score_of_the_model_and_of_each_metric() -> None:
    """Not the worst slice's as the model's, nor one metric's drop for another's failure."""
    data = samples(300)

    def off(outputs: np.ndarray, targets: list[np.ndarray]) -> np.ndarray:
        return np.abs(np.asarray(outputs) - np.concatenate(targets)).max(1)

    off.per_sample, off.higher_is_better, off.against = True, False, "float"  # type: ignore[attr-defined]
    found = ovquant.quantize(
        linear(),
        data=data,
        metric=["accuracy", off],
        max_drop={"Accuracy": "50%", off.__qualname__: 0.0},
        **HOW,
    )
    assert found.verdict == "float"
    (tightest,) = [note for note in found.notes if "tightest" in note]
    # What failed is named, and what did not.
    assert "Accuracy" in tightest
    assert off.__qualname__ in tightest


def test_the_note_about_float_gives_the_score_of_the_whole_model() -> None:
    whole = Score("search", 0.9, 0.91, 0.01, -0.02, 100, metric="Accuracy")
    worst = Score("search", 0.2, 0.3, 0.1, 0.05, 10, metric="Accuracy", slice="7")
    served = SimpleNamespace(served=lambda plan: {"INFERENCE_PRECISION_HINT": "bf16"})
    bench = SimpleNamespace(instruments=served, conditions=SimpleNamespace(float_plan=None, deployment=Deployment()))
    note = below_f32(bench, Scores((whole, worst)).main)  # type: ignore[arg-type]
    assert "CPU computes the float model in bf16" in note
    assert "its Accuracy on the search split is 0.9, and 0.91 in f32" in note
    assert lost(Scores((whole, worst))) == "0.01 in Accuracy and 0.1 in Accuracy of slice 7"
