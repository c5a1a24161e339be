"""What a plan is beside its score and its speed."""

from pathlib import Path
from typing import Any

import pytest

from ovquant.domain.budget import Budget, Drop
from ovquant.measure.divergence import divergence, outputs_of
from ovquant.measure.instruments import Local
from ovquant.measure.workbench import Workbench
from tests.measure.made import instruments, plan, splits

BUDGET = Budget(Drop(0.3))


def entries(made: Local, kind: str) -> list[Any]:
    return [value for _, value in made.profile.entries(kind)]


def test_divergence_is_of_the_first_samples_and_measured_once(tmp_path: Path) -> None:
    made = instruments(tmp_path, splits=splits(200))
    expected = made.describer.float_outputs()
    assert len(expected) == 64
    assert made.describer.float_outputs() is expected
    compiled = made.models.compiled(plan())
    found = divergence(outputs_of(compiled, made.models.splits.search, count=64), expected)
    assert made.traits(plan())["divergence"] == pytest.approx(found)
    assert entries(made, "divergence") == [made.traits(plan())["divergence"]]
    assert entries(made, "facts") == [made.traits(plan())]


def test_few_samples_are_compared_all(tmp_path: Path) -> None:
    assert len(instruments(tmp_path, splits=splits(100)).describer.float_outputs()) == 50


def test_the_outputs_that_are_scored_first_are_compared_too(tmp_path: Path) -> None:
    """What is compared while it is scored is what would be compared on its own."""
    made, alone = (
        instruments(tmp_path / "made", splits=splits(200)),
        instruments(tmp_path / "alone", splits=splits(200)),
    )
    told = list[str]()
    made.models.progress = lambda what, *_: told.append(what)
    trial = Workbench(made).trial(plan(), BUDGET)
    assert trial.divergence == pytest.approx(alone.traits(plan())["divergence"])
    assert "evaluating int8 on search, samples 1 to 64" in told
    (scored,) = [key["samples"] for key, _ in made.models.profile.entries("evaluation") if key["samples"] != 100]
    assert scored == 64


@pytest.mark.parametrize(("metric", "count"), [("f1", 200), ("accuracy", 120)])
def test_where_there_is_no_first_part_they_are_compared_on_their_own(tmp_path: Path, metric: str, count: int) -> None:
    made = instruments(tmp_path, metric, splits=splits(count))
    trial = Workbench(made).trial(plan(), BUDGET)
    assert trial.divergence == entries(made, "divergence")[0]
    assert {key["samples"] for key, _ in made.models.profile.entries("evaluation")} == {count // 2}


def test_with_limits_alone_all_is_scored_at_once(tmp_path: Path) -> None:
    made = instruments(tmp_path, splits=splits(200))
    assert Workbench(made).trial(plan(), Budget(max_size_bytes=10**6)).divergence is not None
    assert {key["samples"] for key, _ in made.models.profile.entries("evaluation")} == {100}


def test_what_it_is_served_on_is_what_the_compiled_model_says(tmp_path: Path) -> None:
    made = instruments(tmp_path)
    found = made.served(plan())
    assert (found["device"], found["batch"], found["PERFORMANCE_HINT"]) == ("CPU", "1", "LATENCY")
    assert made.served(made.models.reference_plan)["INFERENCE_PRECISION_HINT"] == "f32"
    assert set(found) == {
        "device",
        "batch",
        "INFERENCE_PRECISION_HINT",
        "PERFORMANCE_HINT",
        "EXECUTION_MODE_HINT",
        "NUM_STREAMS",
        "INFERENCE_NUM_THREADS",
    }
