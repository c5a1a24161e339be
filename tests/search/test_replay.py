"""A profile solved again: measured plans, predicted ones, other objectives and limits."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from ovquant.domain.budget import Budget, Drop
from ovquant.domain.profile import Profile
from ovquant.domain.recipe import Recipe
from ovquant.domain.table import Candidate, LayerLevel, LayerRow
from ovquant.domain.trial import Trial
from ovquant.errors import UsageError
from ovquant.plugins.strategies.layers import IntegerProgram
from ovquant.search.replay import Record, resolve
from tests.search.profiles import BASE, KEY, TRIALS, recorded, trial


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    return recorded(tmp_path / "profile.jsonl")


def solved(profile: Profile, budget: Budget, objective: str | None = None) -> Trial:
    return resolve(Record.read(profile), budget, IntegerProgram(), objective)


def test_a_measured_plan_that_holds_is_returned(profile: Profile) -> None:
    assert solved(profile, Budget(Drop(0.05))).plan.key == BASE.key


def test_a_plan_that_was_never_built_is_predicted(profile: Profile) -> None:
    found = solved(profile, Budget(Drop(0.025)))
    assert found.search is None
    assert found.predicted == pytest.approx(0.52, abs=0.02)
    assert dict(found.plan.layers) == {"two": "float"}
    assert found.plan.recipe == Recipe()


def test_nothing_inside_is_float(profile: Profile) -> None:
    assert solved(profile, Budget(Drop(0.0))).plan.is_float


def test_size_is_solved_from_a_profile_of_latency_and_throughput_is_not(profile: Profile) -> None:
    assert solved(profile, Budget(Drop(0.05)), "size").plan.key == BASE.key
    with pytest.raises(UsageError, match="--optimize throughput"):
        solved(profile, Budget(Drop(0.05)), "throughput")


def test_a_limit_alone_is_solved_for_accuracy(profile: Profile) -> None:
    assert solved(profile, Budget(max_latency_ms=7.0)).plan.layers == {"one": "float", "two": "float"}
    assert solved(profile, Budget(max_latency_ms=20.0)).plan.is_float


def test_no_float_measurement_is_an_error(tmp_path: Path) -> None:
    made = Profile(tmp_path / "profile.jsonl")
    made.record(
        "trial",
        KEY,
        {"trial": trial(BASE, 0.0, 0.5, 25, 0.1).to_json(), "higher_is_better": [True], "metrics": ["accuracy"]},
    )
    with pytest.raises(UsageError, match="no measurement of the float model"):
        Record.read(made)


def test_layers_that_were_measured_on_another_device_are_left_out(profile: Profile) -> None:
    for device, row in (("CPU", LayerRow("one", 0.2)), ("GPU", LayerRow("one", 0.3))):
        key = {"model": "m", "device": device, "batch": 1, "parts": ["default"]}
        profile.record("layers", key, [asdict(row)])
    assert Record.read(profile).layers == {("default",): (LayerRow("one", 0.2),)}


@pytest.mark.parametrize(("parts", "level"), [(["default"], "float"), (["bf16"], "f32")])
def test_what_was_tried_before_layers_had_levels_is_read(profile: Profile, parts: list[str], level: str) -> None:
    plan = replace(BASE, name="before", layers={"three": level})
    for tried in (plan, TRIALS[0].plan):
        value = {
            "trial": trial(tried, 0.0, 0.7, 60, 0.0).to_json(),
            "higher_is_better": [True],
            "metrics": ["accuracy"],
        }
        profile.record("trial", {**KEY, "plan": tried.key}, value)
    common = {"parts": parts, "offered": [*parts], "alone": [], "seed": 0, "pinning": "bf16"}
    profile.record("candidate", {"plan": plan.key}, {**common, "plan": plan.key, "float_layers": ["three"]})
    profile.record("layers", {"parts": parts}, [{"name": "three", "gain": 0.1, "cost": 0.2}])
    record = Record.read(profile)
    assert Candidate(tuple(parts), frozenset({LayerLevel("three", level)})) in record.trials
    assert record.layers[tuple(parts)] == (LayerRow("three", 0.1, 0.2, level),)
