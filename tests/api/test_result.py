"""A result in a folder: what is written is read back, compiles as it was measured, and is refused when damaged."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino
import pytest
import torch

import ovquant
from ovquant.domain.budget import Budget
from ovquant.domain.digest import model_digest
from ovquant.domain.plan import Plan
from ovquant.domain.recipe import Recipe
from ovquant.domain.record import Record
from ovquant.errors import ModelError, OutputError, UsageError
from ovquant.runtime import int8_arithmetic
from tests.api.models import QUICK, samples
from tests.plugins.reports.conftest import RESULTS

HERE = int8_arithmetic("CPU")
ELSEWHERE = {"exact": "saturating", "saturating": "exact"}[HERE]
FILES = {
    "model.xml",
    "model.bin",
    "plan.json",
    "compile.json",
    "result.json",
    "profile.jsonl",
    "report.html",
    "report.md",
}


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def with_device(result: ovquant.Result, **facts: str) -> ovquant.Result:
    device = {**result.provenance.device, **facts}
    return replace(result, provenance=replace(result.provenance, device=device))


@pytest.mark.parametrize("name", ["met", "float", "inconclusive", "applied", "corpus metric", "hostile"])
def test_what_is_written_is_read_back(name: str, tmp_path: Path) -> None:
    made = RESULTS[name]()
    made.write(tmp_path)
    read = ovquant.Result.load(str(tmp_path))
    assert json.dumps(read.to_json()) == json.dumps(made.to_json())
    assert read.folder == tmp_path


def test_saving_a_result_writes_the_reports(tmp_path: Path) -> None:
    RESULTS["met"]().write(tmp_path)
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert (tmp_path / "report.md").exists()


def test_a_folder_without_a_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no result.*Give the folder that -o wrote"):
        ovquant.Result.load(tmp_path)


def test_the_plan_carries_the_budget_and_what_to_compile_with_lies_beside_it(found: ovquant.Result) -> None:
    plan = Plan.load(found.folder / "plan.json")
    assert plan.key == found.plan.key
    assert plan.budget is not None
    assert Budget.from_json(plan.budget) == replace(found.budget, metric="Accuracy")
    serving = json.loads((found.folder / "compile.json").read_text())
    assert serving == {"device": "CPU", "config": {"PERFORMANCE_HINT": "LATENCY"}, "int8": HERE}


def test_only_where_activations_are_quantized_an_arithmetic_is_named(found: ovquant.Result, tmp_path: Path) -> None:
    for name, plan in (("weights", Plan("weights", Recipe(algorithm="weights"))), ("float", Plan())):
        (tmp_path / name).mkdir()
        replace(found, trial=replace(found.trial, plan=plan)).write(tmp_path / name)
        assert "int8" not in json.loads((tmp_path / name / "compile.json").read_text())


def test_a_record_says_what_belongs_to_the_result(found: ovquant.Result) -> None:
    record = Record.read(found.folder)
    assert record is not None
    assert record.kind == "result"
    assert set(record.files) == FILES
    assert {path.name for path in found.folder.iterdir()} == {".ovquant.json", *FILES}


def test_the_model_is_the_one_that_was_measured(found: ovquant.Result) -> None:
    assert found.model_digest == model_digest(found.folder)
    assert "FakeQuantize" in {node.get_type_name() for node in found.model.get_ops()}


def test_it_compiles_with_the_properties_it_was_measured_with(found: ovquant.Result) -> None:
    hinted = replace(found.plan, properties={"PERFORMANCE_HINT": "THROUGHPUT"})
    for result, hint in ((found, "LATENCY"), (replace(found, trial=replace(found.trial, plan=hinted)), "THROUGHPUT")):
        compiled = result.compile()
        assert compiled.get_property("PERFORMANCE_HINT") == hint
        assert compiled.doubt == ""
    row = samples(1)[0].inputs[None]  # type: ignore[call-overload]
    plain = openvino.Core().compile_model(found.folder / "model.xml", "CPU", dict(found.plan.properties))
    assert np.array_equal(found.compile("CPU")(row)[0], plain(row)[0])


def test_the_device_is_the_result_s_own_unless_another_is_given(found: ovquant.Result) -> None:
    with pytest.raises(ovquant.DeviceError, match="TOASTER"):
        with_device(found, device="TOASTER").compile()
    assert with_device(found, device="TOASTER").compile("CPU").doubt == ""


def test_as_a_module_it_takes_tensors(found: ovquant.Result) -> None:
    row = samples(1)[0].inputs[None]  # type: ignore[call-overload]
    output = found.module()(torch.from_numpy(row))
    assert isinstance(output, torch.Tensor)
    assert np.array_equal(output.numpy(), found.compile()(row)[0])


@pytest.fixture(scope="module")
def batched(net: Path) -> ovquant.Result:
    return ovquant.quantize(net, data=samples(200), metric="accuracy", max_drop="10%", batch=4, **QUICK)


@pytest.mark.parametrize("rows", [1, 3, 4, 9])
def test_as_a_module_of_a_fixed_batch_it_takes_any_number_of_rows(batched: ovquant.Result, rows: int) -> None:
    given = np.stack([sample.inputs for sample in samples(9)]).astype(np.float32)  # type: ignore[arg-type]
    compiled = batched.compile()
    assert [str(port.get_partial_shape()[0]) for port in compiled.inputs] == ["4"]
    expected = [compiled(given[[place] * 4])[0][0] for place in range(rows)]
    np.testing.assert_allclose(batched.module()(torch.from_numpy(given[:rows])).numpy(), expected, atol=1e-5)


def test_its_accuracy_is_in_doubt_where_int8_is_added_otherwise(found: ovquant.Result) -> None:
    assert found.doubt() == ""
    doubted = with_device(found, int8=ELSEWHERE)
    for words in (f"the result '{found.folder}'", f"are {ELSEWHERE}, and here they are {HERE}", "ovquant check"):
        assert words in doubted.doubt("CPU")
    assert doubted.compile().doubt == doubted.doubt()
    # Weights are turned back to float before they are multiplied.
    weights = replace(doubted.trial, plan=Plan("weights", Recipe(algorithm="weights")))
    assert replace(doubted, trial=weights).doubt() == ""
    assert replace(doubted, trial=doubted.baseline).doubt() == ""


def test_a_damaged_one_is_refused_at_every_door(folder: Path, tmp_path: Path) -> None:
    whole = (folder / "model.bin").read_bytes()
    (folder / "model.bin").write_bytes(whole[:-8] + bytes(8))
    result = ovquant.Result.load(folder)
    doors = (lambda: result.model, result.compile, result.module, result.require_whole)
    for act in (*doors, lambda: result.save(tmp_path / "copy")):
        with pytest.raises(ModelError, match="model.bin is not the one that was measured"):
            act()
    assert not (tmp_path / "copy").exists()


def test_a_copy_has_all_that_belongs_to_it_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    result = ovquant.Result.load(folder)
    assert result.save(tmp_path / "copy") == tmp_path / "copy"
    before = content(folder)
    del before["notes.txt"]
    assert content(tmp_path / "copy") == before


def test_plans_of_the_front_and_the_candidate_are_copied_too(folder: Path, tmp_path: Path) -> None:
    result = ovquant.Result.load(folder)
    places = ("pareto/01", "pareto/02", "candidate")
    for place in (*places, "pareto/03"):
        (folder / place).mkdir(parents=True)
        for name in ("model.xml", "model.bin", "plan.json"):
            shutil.copy2(folder / name, folder / place / name)
    whole = replace(result, front=(result.trial, result.trial), candidate=result.trial)
    copied = content(whole.save(tmp_path / "whole"))
    plans = {f"{place}/{name}" for place in places for name in ("model.xml", "model.bin", "plan.json")}
    assert {name for name in copied if "/" in name} == plans
    record = Record.read(tmp_path / "whole")
    assert record is not None
    assert set(record.files) == FILES | plans
    assert not [name for name in content(result.save(tmp_path / "plain")) if "/" in name]


def test_a_copy_takes_the_place_of_a_result_by_force_alone(folder: Path, tmp_path: Path) -> None:
    result = ovquant.Result.load(folder)
    place = result.save(tmp_path / "copy")
    (place / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="already holds a result"):
        result.save(place)
    replace(result, notes=("another",)).save(place, force=True)
    assert ovquant.Result.load(place).notes == ("another",)
    assert (place / "notes.txt").read_text() == "mine"
