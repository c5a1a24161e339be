"""A result's model is scored, timed and inspected with the properties of its plan: only so is it what was measured."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest

import ovquant
from ovquant import runtime
from ovquant.api.options import Options
from ovquant.api.planned import planned_note, planned_properties
from ovquant.domain.plan import Plan
from tests.measure.made import network, samples

ONE_THREAD = {"INFERENCE_NUM_THREADS": "1"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a result leaves of a plan for one thread."""
    openvino.save_model(network(), tmp_path / "model.xml", compress_to_fp16=False)
    Plan(properties={"PERFORMANCE_HINT": "LATENCY", **ONE_THREAD}).save(tmp_path / "plan.json")
    (tmp_path / "compile.json").write_text(json.dumps({"device": "CPU", "config": {}}))
    return tmp_path


def test_the_properties_of_a_plan_are_added_to_what_is_given(folder: Path) -> None:
    for model in (folder, folder / "model.xml", str(folder)):
        assert planned_properties(model, Options()) == ONE_THREAD
        assert planned_note(model, Options()) == [
            f"'{model}' is compiled with INFERENCE_NUM_THREADS=1, as its plan says."
        ]
    assert planned_properties(folder, Options(threads=2)) == {}
    assert planned_properties(folder, Options(properties=ONE_THREAD)) == {}
    # What was asked for decides the hint.
    assert planned_properties(folder, Options(optimize="throughput")) == ONE_THREAD


def test_those_of_another_device_or_program_are_not(folder: Path) -> None:
    (folder / "compile.json").write_text(json.dumps({"device": "GPU", "config": {}}))
    assert planned_properties(folder, Options()) == {}
    (folder / "compile.json").unlink()
    assert planned_properties(folder, Options()) == ONE_THREAD
    (folder / "plan.json").write_text('{"steps": []}')
    assert planned_properties(folder, Options()) == {}
    assert planned_note(network(), Options()) == []


def test_it_is_compiled_with_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str]] = []
    compile_model = runtime.compile_model

    def watched(model: Any, deployment: runtime.Deployment, **how: Any) -> runtime.Compiled:
        seen.append(dict(deployment.properties))
        return compile_model(model, deployment, **how)

    monkeypatch.setattr(runtime, "compile_model", watched)
    data, model = samples(60), folder / "model.xml"
    found = ovquant.evaluate(model, data=data, metric="accuracy", reference=network())
    assert any("INFERENCE_NUM_THREADS=1" in note for note in found.notes)
    # The reference is the float model's own.
    assert [ONE_THREAD.items() <= properties.items() for properties in seen] == [True, False]
    seen.clear()
    other, mine = ovquant.benchmark([network(), model], data=data, seconds=0.1)
    assert (other.properties, mine.properties) == ({}, ONE_THREAD)
    assert {ONE_THREAD.items() <= properties.items() for properties in seen} == {True, False}
    seen.clear()
    assert ovquant.inspect(model).plan is not None
    assert ONE_THREAD.items() <= seen[0].items()
    assert np.isfinite(mine.timing.p50_ms)
