"""Saved plans are run by a replica, on the same samples and by the same metrics; it is this process's own arithmetic here."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ovquant.domain.budget import Budget, Drop
from ovquant.domain.recipe import Recipe
from ovquant.domain.split import drawn
from ovquant.errors import DataError, LostError, ModelError
from ovquant.measure import score
from ovquant.measure.elsewhere import Elsewhere
from ovquant.measure.replica import Replica
from ovquant.measure.score import Scorer
from ovquant.plugins.metrics import resolve_metrics
from tests.measure.made import DEPLOYMENT, IN_F32, models, plan, splits

BUDGET = Budget(Drop(0.5))


class Here:
    """What a worker does, in this process; the first `lost` calls lose it."""

    def __init__(self, replica: Replica, lost: int = 0) -> None:
        self.replica, self.lost, self.asked = replica, lost, list[str]()

    def wait(self) -> None:
        """It is ready."""

    def call(self, _measure: str, method: str, *arguments: Any) -> Any:
        self.asked.append(method)
        if len(self.asked) <= self.lost:
            raise LostError("it was killed")
        return getattr(self.replica, method)(*arguments)


def scoring(folder: Path, *, metric: Any = "accuracy", lost: int = 0, anywhere: bool = True) -> tuple[Scorer, Here]:
    made, metrics = models(folder, metric=metric, anywhere=anywhere), resolve_metrics(metric)
    here = Here(Replica(made.splits, metrics, DEPLOYMENT), lost)
    return Scorer(made, metrics, Elsewhere("saturating", lambda: here), anywhere), here  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("metric", ["accuracy", "f1", "fidelity"])
@pytest.mark.parametrize("split", ["search", "holdout"])
def test_both_kinds_of_scores_stand_beside_each_other(metric: str, split: Any, tmp_path: Path) -> None:
    made, here = scoring(tmp_path, metric=metric)
    # What is simulated computes float in f32.
    found = made.score(IN_F32, split, BUDGET)
    assert [score.arithmetic for score in found.all] == ["", "saturating"]
    mine, there = found.all
    # It is one arithmetic that is asked twice here.
    assert (there.value, there.drop, there.excess) == pytest.approx((mine.value, mine.drop, mine.excess), abs=1e-6)
    assert there.name == f"{mine.name} on processors without VNNI"
    assert made.score(IN_F32, split, BUDGET) == found
    assert here.asked == ["evaluation"]


def test_float_and_what_is_outside_anyway_are_not_simulated(tmp_path: Path) -> None:
    made, here = scoring(tmp_path)
    made.score(made.models.reference_plan, "search", BUDGET)
    made.score(plan(recipe=Recipe(algorithm="weights")), "search", BUDGET)
    tight = made.score(plan(), "search", Budget(Drop(1e-9)))
    assert not tight.inside
    assert here.asked == []


def test_without_anywhere_only_the_answer_is_told(tmp_path: Path) -> None:
    made, here = scoring(tmp_path, anywhere=False)
    assert len(made.score(plan(), "holdout", BUDGET).all) == 1
    assert here.asked == []
    told = made.score(plan(), "holdout", BUDGET, told="elsewhere")
    assert [score.arithmetic for score in told.all] == ["saturating"]
    assert told.main.samples == 60


@pytest.mark.parametrize(
    ("metric", "budget", "samples"),
    [
        ("accuracy", BUDGET, 25),
        # Neither can be told by a part of them.
        ("f1", BUDGET, 60),
        ("accuracy", Budget(Drop(0.5), worst_slice=Drop(0.5)), 60),
    ],
)
def test_the_answer_is_told_by_some_of_many_samples(
    metric: str, budget: Budget, samples: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score, "TOLD", 25)
    made, _ = scoring(tmp_path, metric=metric, anywhere=False)
    told = made.score(plan(), "holdout", budget, told="elsewhere").main
    assert told.samples == samples
    # It is one arithmetic that is asked twice here.
    whole = made.evaluation(plan(), "holdout")[0]
    expected = whole.score
    if samples < 60:
        assert whole.items is not None
        expected = float(np.mean([whole.items[place] for place in drawn(60, samples, seed=made.models.seed)]))
    assert told.value == pytest.approx(expected)


def test_a_process_that_is_lost_is_the_plans_failure_and_another_is_started(tmp_path: Path) -> None:
    made, here = scoring(tmp_path, lost=1)
    with pytest.raises(ModelError, match="could not be run as processors without VNNI do: it was killed"):
        made.score(plan(), "holdout", BUDGET)
    assert len(made.score(plan(), "holdout", BUDGET).all) == 2
    assert here.asked == ["evaluation", "evaluation"]


def test_a_process_that_cannot_do_what_it_should_says_so_each_time_it_is_asked(tmp_path: Path) -> None:
    made, here = scoring(tmp_path, anywhere=False)
    started = list[Here]()

    def wait() -> None:
        raise ModelError("It cannot.")

    here.wait = wait  # type: ignore[method-assign]
    assert made.elsewhere is not None
    made.elsewhere.start = lambda: started.append(here) or here  # type: ignore[assignment, func-returns-value, return-value]
    for count in (1, 2):
        # It is made ready while the holdout is scored, which does not depend on it.
        assert made.score(plan(), "holdout", BUDGET).main.samples == 60
        with pytest.raises(ModelError, match=r"^It cannot\.$"):
            made.score(plan(), "holdout", BUDGET, told="elsewhere")
        assert len(started) == count


def test_other_data_are_refused(tmp_path: Path) -> None:
    made, here = scoring(tmp_path)
    here.replica.splits = splits(100)
    with pytest.raises(DataError, match="not the same when they were read again"):
        made.score(plan(), "holdout", BUDGET)


def test_outputs_are_compared_with_float_in_f32(tmp_path: Path) -> None:
    made, here = scoring(tmp_path)
    assert made.elsewhere is not None
    found = made.elsewhere.divergence(made.models, plan())
    assert 0 < found < 0.1
    assert made.elsewhere.divergence(made.models, made.models.reference_plan) == 0
    assert here.asked == ["divergence", "divergence"]
