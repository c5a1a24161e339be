"""Scores by a team are those of this process, whatever parts they are taken in; the team's workers are in this process here."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ovquant.domain.budget import Budget, Drop
from ovquant.domain.recipe import Recipe
from ovquant.domain.task import Task
from ovquant.measure.evaluate import Evaluation
from ovquant.measure.replica import Replica
from ovquant.measure.score import Scorer
from ovquant.measure.shards import SMALLEST, Shards, joined
from ovquant.plugins.metrics import resolve_metrics
from tests.measure.made import DEPLOYMENT, IN_F32, models, plan

BUDGET = Budget(Drop(0.5))


class Here:
    """A team of two that does all itself, and tells what it was asked."""

    workers: Sequence[str] = ("one", "two")

    def __init__(self, replica: Replica) -> None:
        self.replica, self.asked = replica, list[Task]()

    def run(self, tasks: Sequence[Task], done: Callable[[int, str], None]) -> list[Any]:
        found = []
        for task in tasks:
            self.asked.append(task)
            found.append(getattr(self.replica, task.method)(*task.models, *task.arguments))
            done(len(found), self.workers[len(found) % 2])
        return found

    def close(self) -> None:
        """There is nothing to close."""


def scorers(folder: Path, metric: Any) -> tuple[Scorer, Scorer, Here]:
    """Return one that scores here, one that has a team score, and the team."""
    (folder / "alone").mkdir()
    (folder / "team").mkdir()
    metrics = resolve_metrics(metric)
    alone, beside = (models(folder / name, metric=metric) for name in ("alone", "team"))
    team = Here(Replica(beside.splits, metrics, DEPLOYMENT))
    return Scorer(alone, metrics), Scorer(beside, metrics, shards=Shards(team)), team


@pytest.mark.parametrize("metric", ["accuracy", "f1", "fidelity", ["accuracy", "fidelity"]])
@pytest.mark.parametrize("split", ["search", "holdout"])
def test_they_are_those_of_one_process(metric: Any, split: Any, tmp_path: Path) -> None:
    alone, beside, team = scorers(tmp_path, metric)
    for each in (alone.models.reference_plan, IN_F32, plan(recipe=Recipe(algorithm="weights"))):
        assert beside.evaluation(each, split) == alone.evaluation(each, split)
        if isinstance(metric, str):
            assert beside.score(each, split, BUDGET) == alone.score(each, split, BUDGET)
    assert team.asked
    # Both splits have 60 samples, which are too few for more than one task.
    assert {len(task.arguments[4] or range(60)) for task in team.asked} == {60}


def test_means_are_taken_in_parts_and_others_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ovquant.measure.shards.SMALLEST", 10)
    alone, beside, team = scorers(tmp_path, "accuracy")
    assert beside.evaluation(IN_F32, "holdout") == alone.evaluation(IN_F32, "holdout")
    assert [len(task.arguments[4]) for task in team.asked] == [15, 15, 15, 15]
    # It takes no time, so each worker has one task from now on.
    assert beside.evaluation(beside.models.reference_plan, "holdout") == alone.evaluation(
        alone.models.reference_plan, "holdout"
    )
    assert [len(task.arguments[4]) for task in team.asked[4:]] == [30, 30]


def test_progress_is_of_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ovquant.measure.shards.SMALLEST", 10)
    _, beside, _ = scorers(tmp_path, "accuracy")
    told = list[tuple[str, int, int]]()
    beside.models.progress = lambda *what: told.append(what)
    beside.evaluation(IN_F32, "search")
    assert told[-1] == ("evaluating int8 on search · 2 by one, 2 by two", 60, 60)
    assert [done for _, done, _ in told[-5:]] == [0, 15, 30, 45, 60]


def test_scores_say_who_ran_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ovquant.measure.shards.SMALLEST", 10)
    alone, beside, _ = scorers(tmp_path, "accuracy")
    assert alone.score(IN_F32, "holdout", BUDGET).workers == ()
    assert beside.score(IN_F32, "holdout", BUDGET).workers == ("one", "two")
    assert beside.score(IN_F32, "search", BUDGET).workers == ("one", "two")


def test_parts_are_joined_in_order() -> None:
    parts = [Evaluation(1.0, 2, (1.0, 1.0)), Evaluation(0.0, 1, (0.0,), nan=((2, "scores"),))]
    assert joined(parts) == Evaluation(2 / 3, 3, (1.0, 1.0, 0.0), nan=((2, "scores"),))
    assert SMALLEST > 1
