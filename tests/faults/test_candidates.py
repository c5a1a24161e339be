"""Noise does not decide: what is inside the budget and not shown to be faster is inconclusive, and kept (fault 9)."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openvino
import pytest
from typer.testing import CliRunner

import ovquant
from ovquant.cli import app as commands
from ovquant.domain.plan import Plan
from ovquant.domain.trial import Timing
from ovquant.measure import stopwatch as watch
from tests.cli.conftest import Case

ASKED = ("--metric", "accuracy", "--max-drop", "2%", "--strategy", "first", "--recipe", "default")


def stopwatch(*ratios: float, others: float = 0.0) -> Any:
    """Return a stopwatch that shows a plan these ratios to float, heat after heat and then again."""
    shown: list[float] = []

    def race(makers: Sequence[Any], *_: Any, **__: Any) -> list[Timing]:
        # What is timed must compile, as with a real one.
        for make in makers:
            make()
        ratio = ratios[len(shown) % len(ratios)]
        shown.append(ratio)
        base = Timing(1.0, 1.1, 1.0, 1.1, 1.0, 1.0, 1.0, 100, others=others)
        return [base, *(Timing(ratio, ratio, 1.0, 1.1, ratio, 0.0, 1e6, 100, others=others) for _ in makers[1:])]

    return race


def quantized(case: Case, folder: Path) -> ovquant.Result:
    how: Any = {"strategy": "first", "recipes": ["default"], "output": folder / "out"}
    return ovquant.quantize(case.model, data=str(case.data), metric="accuracy", max_drop="2%", **how)


def test_a_speed_that_is_not_shown_is_inconclusive_and_the_plan_is_kept(
    net: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "race", stopwatch(0.9, 1.05, others=0.4))
    asked = ["quantize", str(net.model), "--data", str(net.data), *ASKED, "-o", str(tmp_path / "out"), "--json"]
    ran = CliRunner().invoke(commands.app, asked)
    assert ran.exit_code == 4, ran.output
    values = json.loads((tmp_path / "out" / "result.json").read_text())
    assert values["verdict"] == "inconclusive"
    assert values["trial"]["plan"]["recipe"] is None
    assert values["candidate"]["holdout"]["excess"] <= 0
    # It was timed for as long as it is allowed to take.
    assert values["candidate"]["timing"]["heats"] == watch.MOST_HEATS
    (note,) = [note for note in values["notes"] if "idle machine" in note]
    assert "other work had 40% of the processors" in note
    kept = tmp_path / "out" / "candidate"
    kinds = [node.get_type_name() for node in openvino.Core().read_model(kept / "model.xml").get_ops()]
    assert "FakeQuantize" in kinds
    assert Plan.load(kept / "plan.json").recipe is not None
    found = ovquant.Result.load(tmp_path / "out")
    assert found.candidate is not None
    saved = found.save(tmp_path / "copy")
    assert (saved / "candidate" / "model.bin").read_bytes() == (kept / "model.bin").read_bytes()


def test_a_speed_that_is_shown_is_met_and_nothing_is_kept(
    net: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "race", stopwatch(0.72, 0.71, 0.73))
    found = quantized(net, tmp_path)
    assert (found.verdict, found.candidate) == ("met", None)
    assert found.trial.timing is not None
    assert found.trial.timing.heats == watch.FINAL_HEATS
    assert not (tmp_path / "out" / "candidate").exists()


def test_a_plan_that_is_surely_slower_is_float_and_the_reason_is_said(
    net: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it is tried it looks faster; in the last race it is not."""
    ratios = [0.86] * watch.TRIAL_HEATS * 3 + [1.2] * 100
    monkeypatch.setattr(watch, "race", stopwatch(*ratios))
    found = quantized(net, tmp_path)
    assert found.verdict == "float"
    assert any("int8" in note and "of float's time over" in note for note in found.notes)
