"""A profile is solved again for a budget, in its own metrics, and nothing is run."""

from pathlib import Path
from typing import Any

import openvino
import pytest

import ovquant
from ovquant.api.plan import profile_budget
from ovquant.domain.budget import Budget, Drop
from ovquant.errors import UsageError
from ovquant.plugins.strategies.first import First
from tests.search.profiles import BASE, TRIALS, recorded


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    recorded(tmp_path / "profile.jsonl")
    return tmp_path / "profile.jsonl"


def test_the_public_function_compiles_and_writes_nothing(profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[object] = []
    monkeypatch.setattr(openvino.Core, "compile_model", lambda *arguments, **options: compiled.append(arguments))
    before = profile.read_bytes()
    assert ovquant.plan(profile, max_drop=0.05).plan.key == BASE.key
    assert ovquant.plan(profile, max_drop=0.025).search is None
    assert profile.read_bytes() == before
    assert not compiled


def test_a_measured_plan_comes_with_what_was_measured_and_the_budget_it_holds(profile: Path) -> None:
    found = ovquant.plan(str(profile), max_drop="5pt")
    assert found.timing == TRIALS[1].timing
    assert found.plan.budget == Budget(Drop(0.05), metric="accuracy").to_json()
    assert found.search is not None
    assert found.search.main.allowed == pytest.approx(0.05)


def test_one_that_was_never_built_is_predicted_by_the_strategy(profile: Path) -> None:
    predicted = ovquant.plan(profile, max_drop=0.025)
    assert (predicted.timing, dict(predicted.plan.layers)) == (None, {"two": "float"})
    assert predicted.plan.budget == Budget(Drop(0.025), metric="accuracy").to_json()
    # This one proposes no layers.
    for strategy in ("first", First()):
        known = ovquant.plan(profile, max_drop=0.025, strategy=strategy)
        assert dict(known.plan.layers) == {"one": "float", "two": "float"}


@pytest.mark.parametrize(
    ("how", "floats"),
    [
        ({"max_drop": 0.05}, set()),
        ({"max_drop": {"accuracy": "5pt"}}, set()),
        ({"max_drop": 0.05, "floor": 0.88}, {"one", "two"}),
        ({"max_latency_ms": 7.0}, {"one", "two"}),
        ({"max_drop": 0.05, "max_size_bytes": 30}, set()),
        ({"max_size_bytes": 70}, {"one", "two"}),
        ({"budget": Budget(Drop(0.05))}, set()),
        ({"budget": Budget(Drop(0.05)), "optimize": "size"}, set()),
    ],
)
def test_every_kind_of_limit_is_solved_for(profile: Path, how: dict[str, Any], floats: set[str]) -> None:
    found = ovquant.plan(profile, **{"strategy": "first", **how})
    assert found.plan.recipe is not None
    assert set(found.plan.layers) == floats


def test_where_nothing_is_inside_it_is_float(profile: Path) -> None:
    found = ovquant.plan(profile, max_drop=0.0)
    assert found.plan.is_float
    assert found.plan.budget == Budget(Drop(0.0), metric="accuracy").to_json()


def test_what_was_not_measured_for_is_said(profile: Path) -> None:
    with pytest.raises(UsageError, match="ovquant profile --optimize throughput"):
        ovquant.plan(profile, max_drop=0.05, optimize="throughput")


def test_the_metrics_are_called_as_in_the_profile(profile: Path) -> None:
    budget = profile_budget(str(profile), "1%", 0.8, max_latency=5.0, max_size=100)
    assert budget == Budget(Drop(0.01, relative=True), 0.8, 5.0, 100, metric="accuracy")
    with pytest.raises(UsageError, match="names the metric 'f1'; the metrics are accuracy"):
        profile_budget(profile, {"f1": "1%"}, None, max_latency=None, max_size=None)


def test_a_profile_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere.jsonl' does not exist. Give the profile.jsonl of a result"):
        ovquant.plan(tmp_path / "nowhere.jsonl", max_drop=0.05)
    # Whoever only looks makes no file.
    assert list(tmp_path.iterdir()) == []
