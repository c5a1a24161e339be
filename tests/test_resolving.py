"""A profile solved again: measured plans, predicted ones, other objectives and limits."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import openvino
import pytest

import ovquant
from ovquant.budgets import Budget, Drop
from ovquant.errors import UsageError
from ovquant.plans import Plan, Recipe
from ovquant.profiles import Profile
from ovquant.resolving import Record, resolve
from ovquant.strategies.integer_program import IntegerProgram
from ovquant.tables import LayerRow
from ovquant.trials import Score, Timing, Trial

KEY = {"model": "m", "device": "CPU", "batch": 1, "data": "d", "metric": "accuracy", "objective": "latency"}
LAYERS = (LayerRow("one", 0.06, 0.1), LayerRow("two", 0.03, 0.02), LayerRow("three", 0.0, 0.05))


def trial(plan: Plan, drop: float, ratio: float, size: int, divergence: float) -> Trial:
    score = Score("search", 0.9 - drop, 0.9, drop, drop - 0.01, 1000, drop - 0.001, drop + 0.001)
    timing = Timing(10 * ratio, 11 * ratio, 10, 11, ratio, ratio - 0.01, ratio + 0.01, 100)
    return Trial(plan, score, None, timing, size, divergence)


BASE = Plan("default", Recipe())
TRIALS = (
    trial(Plan(), 0.0, 1.0, 100, 0.0),
    trial(BASE, 0.03, 0.5, 25, 0.10),
    trial(BASE.with_float(["one", "two"]), 0.0005, 0.62, 60, 0.01),
)


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    made = Profile(tmp_path / "profile.jsonl")
    for tried in TRIALS:
        made.record(
            "trial",
            {**KEY, "plan": tried.plan.key},
            {"trial": tried.to_json(), "higher_is_better": [True], "metrics": ["accuracy"]},
        )
        if not tried.plan.is_float:
            made.record("candidate", {"plan": tried.plan.key}, candidate(tried.plan))
    made.record("layers", {"parts": ["default"]}, [dataclasses.asdict(row) for row in LAYERS])
    return made


def candidate(plan: Plan) -> Mapping[str, object]:
    floats = sorted(plan.layers)
    return {
        "plan": plan.key,
        "parts": ["default"],
        "float_layers": floats,
        "offered": ["default"],
        "alone": [],
        "seed": 0,
    }


def solved(profile: Profile, budget: Budget, objective: str | None = None) -> Trial:
    return resolve(Record.read(profile), budget, IntegerProgram(), objective)


def test_a_measured_plan_that_holds_is_returned(profile: Profile) -> None:
    assert solved(profile, Budget(Drop(0.05))).plan.key == BASE.key


def test_a_plan_that_was_never_built_is_predicted(profile: Profile) -> None:
    found = solved(profile, Budget(Drop(0.025)))
    assert found.search is None
    assert found.predicted == pytest.approx(0.52, abs=0.02)
    assert dict(found.plan.layers) == {"two": "f32"}
    assert found.plan.recipe == Recipe()


def test_nothing_inside_is_float(profile: Profile) -> None:
    assert solved(profile, Budget(Drop(0.0))).plan.is_float


def test_size_is_solved_from_a_profile_of_latency_and_throughput_is_not(profile: Profile) -> None:
    assert solved(profile, Budget(Drop(0.05)), "size").plan.key == BASE.key
    with pytest.raises(UsageError, match="--optimize throughput"):
        solved(profile, Budget(Drop(0.05)), "throughput")


def test_a_limit_alone_is_solved_for_accuracy(profile: Profile) -> None:
    assert solved(profile, Budget(max_latency_ms=7.0)).plan.layers == {"one": "f32", "two": "f32"}
    assert solved(profile, Budget(max_latency_ms=20.0)).plan.is_float


def test_the_public_function_compiles_and_writes_nothing(
    profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[object] = []
    monkeypatch.setattr(openvino.Core, "compile_model", lambda *arguments, **options: compiled.append(arguments))
    before = (tmp_path / "profile.jsonl").read_bytes()
    assert ovquant.plan(tmp_path / "profile.jsonl", max_drop=0.05).plan.key == BASE.key
    assert ovquant.plan(tmp_path / "profile.jsonl", max_drop=0.025).search is None
    assert (tmp_path / "profile.jsonl").read_bytes() == before
    assert not compiled


def test_no_float_measurement_is_an_error(tmp_path: Path) -> None:
    made = Profile(tmp_path / "profile.jsonl")
    made.record(
        "trial",
        KEY,
        {"trial": trial(BASE, 0.0, 0.5, 25, 0.1).to_json(), "higher_is_better": [True], "metrics": ["accuracy"]},
    )
    with pytest.raises(UsageError, match="no measurement of the float model"):
        Record.read(made)
