"""The stages one by one, and the commands that look at models, devices and plugins."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import QUICK, Case, Ran, Run, save


def test_profile_then_plan_then_apply(run: Run, net: Case, tmp_path: Path) -> None:
    data = save(tmp_path / "part.npz", **{name: array[:200] for name, array in net.arrays.items()})
    asked = ("--data", data, "--metric", "accuracy")
    profiled = run("profile", net.model, *asked, *QUICK, "--json")
    assert profiled.code == 0, profiled.err
    assert profiled.json["measurements"] == len((tmp_path / "profile.jsonl").read_text().splitlines())
    planned = run("plan", "--profile", "profile.jsonl", "--max-drop", "50%", "--allow-float")
    assert planned.code == 0, planned.err
    assert "plan.json" in planned.out
    applied = run("apply", "plan.json", net.model, *asked, "--max-drop", "5%", "-o", "again")
    assert applied.code == 0, applied.err
    assert applied.out.startswith("Met: ")
    assert json.loads((tmp_path / "again" / "result.json").read_text())["verdict"] == "met"


def test_apply_verifies_the_budget(run: Run, net: Case, finished: tuple[Path, Ran]) -> None:
    # No quantized model has exactly the float model's outputs.
    asked = ("--data", net.data, "--metric", "fidelity:by=cosine", "--max-drop", "0", "-o", "out")
    ran = run("apply", finished[0] / "plan.json", net.model, *asked)
    assert ran.code == 3, ran.err
    assert ran.out.startswith("Missed: ")


def test_plan_from_a_result_runs_nothing(run: Run, finished: tuple[Path, Ran], tmp_path: Path) -> None:
    asked = (
        "--profile",
        finished[0] / "profile.jsonl",
        "--max-drop",
        "50%",
        "-o",
        "mine.json",
        "--json",
        "--allow-float",
    )
    before = (finished[0] / "profile.jsonl").read_text()
    ran = run("plan", *asked)
    assert ran.code == 0, ran.err
    assert ran.json["search"]["samples"] == 200
    assert json.loads((tmp_path / "mine.json").read_text()) == ran.json["plan"]
    assert (finished[0] / "profile.jsonl").read_text() == before
    again = run("plan", *asked)
    assert again.code == 1
    assert "--force" in again.err


@pytest.mark.parametrize(
    ("content", "words"), [(None, "does not exist"), ("", "holds no trials"), ("{}\n{}\n", "Line 1")]
)
def test_plan_refuses_what_is_no_profile(run: Run, tmp_path: Path, content: str | None, words: str) -> None:
    if content is not None:
        (tmp_path / "bad.jsonl").write_text(content)
    ran = run("plan", "--profile", "bad.jsonl", "--max-drop", "1%")
    assert ran.code == 1
    assert "bad.jsonl" in ran.err
    assert words in ran.err
    assert not (tmp_path / "plan.json").exists()


def test_apply_refuses_what_is_no_plan(run: Run, net: Case, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"schema": 1}')
    ran = run("apply", "bad.json", net.model, "--data", net.data, "--metric", "accuracy")
    assert ran.code == 1
    assert "'bad.json' is not a valid plan file" in ran.err


def test_evaluate_against_a_reference(run: Run, net: Case, finished: tuple[Path, Ran]) -> None:
    asked = ("--data", net.data, "--metric", "accuracy", "--reference", net.model)
    ran = run("evaluate", finished[0], *asked, "--json")
    assert ran.code == 0, ran.err
    assert ran.json["samples"] == 400
    assert ran.json["drop"] == pytest.approx(ran.json["reference_score"] - ran.json["score"])
    assert ran.json["drop_low"] <= ran.json["drop"] <= ran.json["drop_high"]
    assert "reference" in run("evaluate", finished[0], *asked).out


def test_evaluate_one_sample_is_still_json(run: Run, net: Case, tmp_path: Path) -> None:
    one = save(tmp_path / "one.npz", **{name: array[:1] for name, array in net.arrays.items()})
    ran = run("evaluate", net.model, "--data", one, "--metric", "accuracy", "--reference", net.model, "--json")
    assert ran.code == 0, ran.err
    assert (ran.json["drop_low"], ran.json["drop_high"]) == (
        pytest.approx(-0.975, abs=0.01),
        pytest.approx(0.975, abs=0.01),
    )


def test_benchmark_of_two_models(run: Run, net: Case, finished: tuple[Path, Ran]) -> None:
    ran = run("benchmark", net.model, finished[0], "--seconds", "1", "--json")
    assert ran.code == 0, ran.err
    first, second = ran.json["models"]
    assert first["speedup"] == 1
    assert second["ratio_low"] <= second["ratio"] <= second["ratio_high"]
    assert second["p50_ms"] <= second["p95_ms"]
    table = run("benchmark", net.model, finished[0], "--seconds", "0.5", "--optimize", "throughput", "--data", net.data)
    assert table.code == 0, table.err
    assert "95 % interval" in table.out
    assert table.out.count("samples/s") == 2


def test_benchmark_of_dynamic_shapes_needs_data(run: Run, dynamic: Case) -> None:
    ran = run("benchmark", dynamic.model)
    assert ran.code == 1
    assert "--input-shape" in ran.err
    assert run("benchmark", dynamic.model, "--input-shape", "[1,3,16,16]", "--seconds", "0.2").code == 0


def test_inspect_a_quantized_model(run: Run, finished: tuple[Path, Ran]) -> None:
    ran = run("inspect", finished[0], "--json")
    assert ran.code == 0, ran.err
    rows = {row["name"]: row for row in ran.json["operations"]}
    assert set(rows) >= {"stem", "block1", "block2", "block3", "head"}
    stem = rows["stem"]
    assert stem["planned"] == "int8"
    assert stem["executed"]
    kinds = {quantizer["of"]: quantizer for quantizer in stem["quantizers"]}
    assert set(kinds) == {"weights", "activations"}
    assert kinds["weights"]["channels"] == 32
    assert 0 < kinds["weights"]["scale_min"] < kinds["weights"]["scale_max"]
    assert kinds["activations"]["zero_min"] == 128  # symmetric around zero
    table = run("inspect", finished[0])
    assert "scale" in table.out
    assert "capabilities used" in table.out
    lines = {line.split("  ")[0]: line.split("  ")[-1].strip() for line in table.out.splitlines()}
    assert (lines["plan"], lines["recipe"]) == ("int8", "default")
    assert lines["in full"].startswith("algorithm post-training, preset performance")


def test_inspect_reads_scales_as_they_are(run: Run, net: Case, finished: tuple[Path, Ran]) -> None:
    import openvino

    rows = {row["name"]: row for row in run("inspect", finished[0], "--json").json["operations"]}
    model = openvino.Core().read_model(finished[0] / "model.xml")
    nodes = {node.get_friendly_name(): node for node in model.get_ops()}
    (activations,) = [item for item in rows["stem"]["quantizers"] if item["of"] == "activations"]
    quantizer = nodes[activations["name"]]
    low, high = (quantizer.input_value(index).get_node().data.item() for index in (3, 4))
    assert activations["scale_min"] == pytest.approx((high - low) / 255)
    assert (0 - activations["zero_min"]) * activations["scale_min"] == pytest.approx(low, rel=1e-3)
    assert np.isfinite(low)


def test_inspect_a_float_model(run: Run, net: Case) -> None:
    ran = run("inspect", net.model, "--json")
    assert ran.code == 0, ran.err
    assert {row["planned"] for row in ran.json["operations"]} == {ran.json["device"]["default_precision"]}
    assert all(not row["quantizers"] for row in ran.json["operations"])


def test_devices(run: Run) -> None:
    ran = run("devices", "--json")
    assert ran.code == 0, ran.err
    cpu = next(item for item in ran.json["devices"] if item["device"] == "CPU")
    assert cpu["meanings"]
    assert {"int8-weights", cpu["default_precision"], "f32"} <= cpu["levels"].keys()
    assert ("int8" in cpu["levels"]) == ("INT8" in cpu["capabilities"])
    assert "CPU" in run("devices").out


def test_plugins(run: Run) -> None:
    ran = run("plugins", "--json")
    assert ran.code == 0, ran.err
    names = {(item["kind"], item["name"]) for item in ran.json["plugins"]}
    assert names >= {("metrics", "accuracy"), ("strategies", "first"), ("recipes", "default"), ("loaders", "openvino")}
    assert "accuracy" in run("plugins").out
