"""A plan is scored as far as it takes to know its side of the budget; the holdout is scored whole."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ovquant.domain.budget import Budget, Drop, Limit
from ovquant.domain.plan import Plan
from ovquant.domain.recipe import Recipe
from ovquant.domain.trial import Score, Scores
from ovquant.errors import MetricError
from ovquant.measure.score import Scorer
from ovquant.plugins.metrics import resolve_metrics
from ovquant.runtime import Block
from tests.measure.made import EXACT, plan, scorer, splits

WIDE, TIGHT = Budget(Drop(0.5)), Budget(Drop(1e-4))


def seen(made: Scorer, budget: Budget, split: Any = "search", **how: Any) -> int:
    """Return on how many samples a plan is scored that answers as float does."""
    return made.score(EXACT, split, budget, **how).samples


# What is scored in all --------------------------------------------------------------------------------------------------


def test_a_plan_is_compared_with_float_in_f32_on_the_same_samples(tmp_path: Path) -> None:
    made = scorer(tmp_path)
    score = made.score(plan(), "holdout", WIDE).main
    mine = made.evaluation(plan(), "holdout")[0]
    assert (score.split, score.metric, score.samples) == ("holdout", "Accuracy", 60)
    assert (score.value, score.float_value) == (mine.score, 1.0)
    assert score.value < 1
    assert score.drop == pytest.approx(1.0 - mine.score)
    assert score.excess == pytest.approx(score.drop - 0.5)
    assert made.score(made.models.reference_plan, "search", WIDE).main.drop == 0


def test_what_was_scored_is_not_scored_again(tmp_path: Path) -> None:
    told: list[str] = []
    made = scorer(tmp_path, progress=lambda what, *_: told.append(what))
    first = made.evaluation(plan(), "holdout")
    assert "evaluating int8 on holdout" in told
    told.clear()
    assert made.evaluation(plan(), "holdout") == first
    assert scorer(tmp_path).evaluation(plan(), "holdout") == first
    assert told == []
    assert first[0].items is not None
    assert first[0].score == np.mean(first[0].items)
    # Other data, and other properties, are another evaluation.
    count = len(list(made.models.profile.entries("evaluation")))
    made.evaluation(plan(), "search")
    made.evaluation(plan(properties={}), "search")
    assert len(list(made.models.profile.entries("evaluation"))) == count + 2


def test_the_key_is_that_of_the_metric_or_of_all_of_them(tmp_path: Path) -> None:
    accuracy, fidelity = (resolve_metrics(name)[0].key for name in ("accuracy", "fidelity"))
    assert scorer(tmp_path).key == accuracy
    both = scorer(tmp_path, ["accuracy", "fidelity"])
    assert both.key == [accuracy, fidelity]
    both.evaluation(both.models.float_plan, "search")
    ((key, _),) = both.models.profile.entries("evaluation")
    assert (key["metric"], key["samples"]) == ([accuracy, fidelity], 60)
    assert key["data"] == both.models.splits.search.fingerprint


@pytest.mark.parametrize(
    ("metric", "by_sample"),
    [
        ("accuracy", True),
        (["accuracy", "fidelity"], True),
        ("f1", False),
        (["accuracy", "f1"], False),
        (lambda outputs, targets: 1.0, False),
    ],
)
def test_only_means_can_be_scored_sample_by_sample(tmp_path: Path, metric: Any, by_sample: bool) -> None:
    assert scorer(tmp_path, metric).by_sample == by_sample


def test_a_part_is_scored_in_a_row_and_shown(tmp_path: Path) -> None:
    told: set[str] = set()
    shown: list[Block] = []
    made = scorer(tmp_path, progress=lambda what, *_: told.add(what))
    (whole,) = made.evaluation(plan(), "search")
    (part,) = made.part(plan(), 10, 35, shown.append)
    assert part.items == (whole.items or ())[10:35]
    assert part.samples == 25
    assert "evaluating int8 on search, samples 11 to 35" in told
    assert [index for block in shown for index in block.indices] == list(range(25))


def test_a_metric_that_compares_with_float_is_given_its_outputs(tmp_path: Path) -> None:
    made = scorer(tmp_path, ["fidelity:by=cosine", "accuracy"])
    cosine, accuracy = made.evaluation(plan(), "holdout")
    assert 0.9 < cosine.score < 1
    assert made.evaluation(made.models.reference_plan, "holdout")[0].score == pytest.approx(1.0)
    reference = made.models.compiled(made.models.reference_plan)
    again = made.run(made.models.compiled(plan()), made.models.splits.holdout, what="again")
    assert again == [cosine, accuracy]
    assert made.run(reference, made.models.splits.holdout)[0].score == pytest.approx(1.0)


class Middle:
    """A metric that is no mean over samples."""

    is_mean, higher_is_better, against = False, True, "targets"

    def measure(self, outputs: Any, targets: Sequence[Any]) -> list[float]:
        return [float(value) for value in np.asarray(outputs)[:, 0]]

    def aggregate(self, items: Sequence[float]) -> float:
        return float(np.median(items))


def test_resamples_are_made_of_the_holdout_alone(tmp_path: Path) -> None:
    made = scorer(tmp_path, Middle())
    (held,), (searched,) = (made.evaluation(plan(), split) for split in ("holdout", "search"))  # type: ignore[arg-type]
    assert held.replicates is not None
    assert isinstance(held.replicates, tuple)
    assert (held.items, searched.items, searched.replicates) == (None, None, None)
    assert made.score(plan(), "holdout", Budget(Drop(10.0))).main.method == "bootstrap"
    # Which resamples, the seed of the run says.
    assert scorer(tmp_path, Middle(), seed=1).evaluation(plan(), "holdout")[0].replicates != held.replicates


def test_groups_are_drawn_as_wholes_and_are_in_the_key(tmp_path: Path) -> None:
    grouped = splits(group_by=lambda sample: int(np.asarray(sample.inputs)[0] * 20))
    made = scorer(tmp_path, splits=grouped)
    assert made.score(plan(), "holdout", replace(WIDE, confidence=0.9), level=0.1).main.method == "betting"
    found = [key.get("groups") for key, _ in made.models.profile.entries("evaluation")]
    assert found == [True, True]
    plain = scorer(tmp_path / "plain")
    assert plain.score(plan(), "holdout", WIDE).main.method == "exact"
    plain.evaluation(plan(), "search")
    assert [key.get("groups") for key, _ in plain.models.profile.entries("evaluation")] == [False, False, None]


def test_slices_are_scored_where_the_budget_asks(tmp_path: Path) -> None:
    made = scorer(tmp_path, splits=splits(slice_by="target"))
    scores = made.score(plan(), "holdout", replace(WIDE, worst_slice=Drop(0.9)))
    assert len({score.slice for score in scores.all}) > 3
    assert len(made.score(plan(), "holdout", WIDE).all) == 1


def test_with_a_level_the_budget_is_tested(tmp_path: Path) -> None:
    made = scorer(tmp_path)
    budget = replace(WIDE, confidence=0.9)
    score = made.score(plan(), "holdout", budget, level=0.1).main
    assert (score.level, score.method) == (0.1, "exact")
    assert score.p_value is not None
    assert score.p_value < 0.1
    assert made.score(plan(), "holdout", budget).main.level is None


def test_the_spread_on_other_data_tells_what_to_expect(tmp_path: Path) -> None:
    made = scorer(tmp_path, "fidelity:by=cosine")
    budget = Budget(Drop(0.1), confidence=0.9)

    def p_value(before: Scores | None) -> float | None:
        return made.score(plan(), "holdout", budget, level=0.1, before=before).main.p_value

    known = Score("search", 0.9, 1.0, 0.1, 0.0, 60, method="t", metric="Fidelity", deviation=0.5)
    plain = p_value(None)
    assert p_value(Scores((known,))) != plain
    # Those of a slice, of another metric or of resamples say nothing of it.
    for other in ({"slice": "a"}, {"metric": "Accuracy"}, {"method": "bootstrap"}, {"deviation": None}):
        assert p_value(Scores((replace(known, **other),))) == plain  # type: ignore[arg-type]


# How far it is scored ---------------------------------------------------------------------------------------------------


def test_scoring_ends_once_the_side_is_known(tmp_path: Path) -> None:
    made = scorer(tmp_path, splits=splits(600))
    assert len(made.models.splits.search) == 300
    assert seen(made, WIDE) == 64
    # Even the float model is below this floor.
    assert seen(made, Budget(Drop(0.5), floor=1.5)) == 64
    assert seen(made, TIGHT) == 300
    assert seen(made, WIDE, "holdout") == 300


def test_without_a_drop_and_for_the_reference_all_is_scored(tmp_path: Path) -> None:
    made = scorer(tmp_path, splits=splits(600))
    assert seen(made, Budget(max_size_bytes=10**6)) == 300
    assert made.score(made.models.reference_plan, "search", WIDE).samples == 300
    assert made.score(plan(), "search", WIDE).samples == 64


def test_a_score_that_is_no_mean_takes_all_samples(tmp_path: Path) -> None:
    assert seen(scorer(tmp_path, Middle(), splits=splits(600)), Budget(Drop(100.0))) == 300


def test_slices_need_every_sample_unless_the_whole_is_outside(tmp_path: Path) -> None:
    made = scorer(tmp_path, splits=splits(600, slice_by="target"))
    sliced = replace(WIDE, worst_slice=Drop(0.9))
    assert seen(made, sliced) == 300
    assert seen(made, replace(sliced, floor=1.5)) == 64


def test_all_metrics_must_be_inside_and_one_outside_is_enough(tmp_path: Path) -> None:
    made = scorer(tmp_path, ["accuracy", "fidelity"], splits=splits(600))

    def ended(drop: float, floor: float | None = None) -> int:
        return seen(made, replace(WIDE, others=(Limit("Fidelity", Drop(drop), floor),)))

    assert ended(0.5) == 64
    assert ended(1e-4) == 300
    assert ended(1e-4, floor=1.5) == 64


def penalty(outputs: Any, targets: Sequence[Any]) -> Any:
    return 1.0 + (np.asarray(outputs).argmax(1) != np.asarray(targets))


penalty.per_sample, penalty.higher_is_better = True, False  # type: ignore[attr-defined]


def test_the_side_follows_from_which_way_is_better(tmp_path: Path) -> None:
    made = scorer(tmp_path, penalty, splits=splits(600))
    # No penalty is below one.
    assert seen(made, Budget(Drop(1e-4), floor=0.5)) == 64
    assert seen(made, Budget(Drop(1e-4), floor=1.5)) == 300


def test_a_glance_ends_after_a_part_where_there_are_many_samples(tmp_path: Path) -> None:
    few = scorer(tmp_path / "few", splits=splits(1024))
    assert len(few.models.splits.search) == 512
    assert seen(few, TIGHT, glance=True) == 512
    more = scorer(tmp_path / "more", splits=splits(1500))
    assert seen(more, TIGHT, glance=True) == 256
    assert seen(more, TIGHT) == 750
    # It ends earlier once the side is known.
    assert seen(more, WIDE, glance=True) == 64


def test_of_very_many_samples_a_glance_takes_a_quarter(tmp_path: Path) -> None:
    many = scorer(tmp_path, splits=splits(4096))
    assert seen(many, TIGHT, glance=True) == 512


def test_a_longer_look_uses_what_a_glance_has_scored(tmp_path: Path) -> None:
    made = scorer(tmp_path, splits=splits(1500))
    glanced = made.score(EXACT, "search", TIGHT, glance=True)
    before = {(key["plan"], key["data"]) for key, _ in made.models.profile.entries("evaluation")}
    whole = made.score(EXACT, "search", TIGHT)
    after = [(key["plan"], key["data"]) for key, _ in made.models.profile.entries("evaluation")]
    assert len(after) == len(set(after)) == len(before) + 1
    assert (glanced.samples, whole.samples) == (256, 750)


def test_a_metric_that_fails_is_named(tmp_path: Path) -> None:
    def broken(outputs: Any, targets: Any) -> Any:
        raise KeyError("lost")

    with pytest.raises(MetricError, match="broken' failed: KeyError: 'lost'"):
        scorer(tmp_path, broken).evaluation(Plan("x", Recipe(), properties={}), "search")


def test_errors_that_are_all_zero_so_far_decide_no_more_than_answers_that_are_all_right(tmp_path: Path) -> None:
    def wrong(outputs: np.ndarray, targets: list[int]) -> np.ndarray:
        return (np.asarray(outputs).argmax(1) != np.asarray(targets)).astype(float)

    wrong.per_sample, wrong.higher_is_better, wrong.bounds = True, False, (0, 1)  # type: ignore[attr-defined]
    made = scorer(tmp_path, wrong, splits=splits(400))
    found = made.score(made.models.float_plan, "search", Budget(Drop(0.001)))
    assert (found.value, found.samples) == (0.0, len(made.models.splits.search))
