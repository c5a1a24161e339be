"""Scores of several metrics and slices, paired and proven."""

import time
from typing import Any

import numpy as np
import pytest

from ovquant.domain.budget import Budget, Drop, Limit
from ovquant.errors import MetricError
from ovquant.measure.evaluate import Evaluation
from ovquant.measure.paired import Pairing, resampler
from ovquant.plugins.metrics import ResolvedMetric, resolve_metrics


class Rate:
    """A mean, one way or the other."""

    is_mean, against = True, "targets"

    def __init__(self, *, higher_is_better: bool = True) -> None:
        self.higher_is_better = higher_is_better


def rate(name: str = "rate", *, higher_is_better: bool = True) -> ResolvedMetric:
    return ResolvedMetric.of(Rate(higher_is_better=higher_is_better), name=name)


def evaluation(right: int, samples: int, **how: Any) -> Evaluation:
    items = tuple([1.0] * right + [0.0] * (samples - right))
    return Evaluation(right / samples, samples, items, **how)


@pytest.mark.parametrize("higher", [True, False])
def test_a_plan_is_compared_on_its_own_samples(higher: bool) -> None:
    truth, mine = Evaluation(0.5, 4, (1.0, 1.0, 0.0, 0.0)), Evaluation(0.5, 2, (1.0, 0.0))
    score = Pairing([rate(higher_is_better=higher)]).scores([mine], [truth], "search", Budget(Drop(0.2))).main
    assert (score.float_value, score.samples, score.metric) == (1.0, 2, "rate")
    assert score.drop == (0.5 if higher else -0.5)
    assert score.excess == pytest.approx(score.drop - 0.2)


def test_of_several_metrics_one_is_nearest_to_its_limit_and_one_is_primary() -> None:
    budget = Budget(Drop(0.1), others=(Limit("second", Drop(0.02)),))
    mine, truth = [evaluation(85, 100), evaluation(88, 100)], [evaluation(90, 100), evaluation(90, 100)]
    scores = Pairing([rate("first"), rate("second")]).scores(mine, truth, "holdout", budget)
    assert [score.metric for score in scores.all] == ["first", "second"]
    near = scores.nearest
    assert (near.metric, near.drop, near.allowed) == ("second", pytest.approx(0.02), pytest.approx(0.02))
    assert (scores.main.metric, scores.drop) == ("first", pytest.approx(0.05))
    assert scores.holds
    worse = [evaluation(85, 100), evaluation(87, 100)]
    assert not Pairing([rate("first"), rate("second")]).scores(worse, truth, "holdout", budget).holds


def test_each_of_several_is_tested_at_the_whole_level() -> None:
    budget = Budget(Drop(0.01), others=(Limit("second", Drop(0.01)),), confidence=0.95)
    truth = [evaluation(900, 1000)] * 2
    pairing = Pairing([rate("first"), rate("second")], level=0.05)
    both = pairing.scores([evaluation(899, 1000)] * 2, truth, "holdout", budget)
    assert both.certified
    one = pairing.scores([evaluation(899, 1000), evaluation(893, 1000)], truth, "holdout", budget)
    assert (one.holds, one.undecided, one.nearest.metric) == (False, True, "second")
    outside = pairing.scores([evaluation(899, 1000), evaluation(880, 1000)], truth, "holdout", budget)
    assert (outside.holds, outside.undecided) == (False, False)


def test_a_slice_that_pays_for_the_mean_is_found() -> None:
    slices = ["a"] * 50 + ["b"] * 50
    budget = Budget(Drop(0.05), worst_slice=Drop(0.05))
    truth = Evaluation(1.0, 100, (1.0,) * 100)
    mine = Evaluation(0.96, 100, (1.0,) * 96 + (0.0,) * 4)
    score = Pairing([rate()], slices).scores([mine], [truth], "holdout", budget)
    assert [(part.slice, part.drop) for part in score.all] == [
        ("", pytest.approx(0.04)),
        ("a", 0.0),
        ("b", pytest.approx(0.08)),
    ]
    assert not score.holds
    # Its interval reaches inside: more samples would decide.
    assert score.undecided
    assert score.nearest.needed is not None
    assert score.nearest.needed > 50


def test_while_searching_a_slice_is_outside_only_where_that_is_sure() -> None:
    slices = ["a"] * 50 + ["b"] * 50
    budget = Budget(Drop(0.05), worst_slice=Drop(0.05))
    truth = Evaluation(1.0, 100, (1.0,) * 100)
    few = Evaluation(0.96, 100, (1.0,) * 96 + (0.0,) * 4)
    assert Pairing([rate()], slices).scores([few], [truth], "search", budget).inside
    many = Evaluation(0.6, 100, (1.0,) * 60 + (0.0,) * 40)
    assert not Pairing([rate()], slices).scores([many], [truth], "search", budget).inside


def test_slices_need_a_metric_that_goes_sample_by_sample() -> None:
    whole = Evaluation(0.9, 100)
    with pytest.raises(MetricError, match="rate is not a mean over samples"):
        Pairing([rate()], ["a"] * 100).scores([whole], [whole], "holdout", Budget(Drop(0.1), worst_slice=Drop(0.1)))


def test_a_corpus_metric_is_resampled_in_pairs() -> None:
    (metric,) = resolve_metrics("f1")
    generator = np.random.default_rng(0)
    true = generator.integers(0, 3, 300)
    floats, mine = (np.where(generator.random(300) < share, true, (true + 1) % 3) for share in (0.9, 0.89))
    evaluations = []
    for found in (mine, floats):
        items = [(np.array([one]), np.array([two])) for one, two in zip(found, true, strict=True)]
        score = lambda places, items=items: metric.plugin.aggregate([items[place] for place in places])  # noqa: E731
        replicates = tuple(resampler(300)(score))
        evaluations.append(Evaluation(metric.plugin.aggregate(items), 300, replicates=replicates))
    score = Pairing([metric], level=0.025).scores(*[[one] for one in evaluations], "holdout", Budget(Drop(0.2)))
    assert score.main.method == "bootstrap"
    assert score.low is not None
    assert score.high is not None
    assert score.low < score.drop < score.high
    assert score.holds
    # A bootstrap is right only in the limit.
    assert not score.certified


def test_resamples_of_groups_keep_them_whole() -> None:
    groups = [str(place // 4) for place in range(40)]
    seen: list[list[int]] = []

    def score(places: Any) -> float:
        seen.append(list(places))
        return 0.0

    resampler(40, groups=groups)(score)
    assert len(seen) > 50
    for places in seen:
        assert all(places.count(place) == places.count(place - place % 4) for place in set(places))


def test_a_metric_that_takes_long_is_not_resampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ovquant.measure.paired.MOST_SECONDS", 0.01)
    calls: list[Any] = []
    assert resampler(40)(lambda places: time.sleep(0.001) or calls.append(places) or 0.0) == ()
    assert len(calls) == 1


def test_without_replicates_a_corpus_metric_proves_nothing() -> None:
    whole = Evaluation(0.9, 100)
    score = Pairing([rate()], level=0.05).scores([whole], [whole], "holdout", Budget(Drop(0.1)))
    assert (score.holds, score.low) == (False, None)


def test_the_deviation_of_a_corpus_metric_is_that_of_one_sample() -> None:
    truth, mine = np.random.default_rng(1).normal([[0.9], [0.8]], [[0.1], [0.3]], (2, 80))
    evaluations = [
        Evaluation(
            float(items.mean()), 80, replicates=tuple(resampler(80)(lambda places, items=items: items[places].mean()))
        )
        for items in (mine, truth)
    ]
    score = Pairing([rate()]).scores([evaluations[0]], [evaluations[1]], "search", Budget(Drop(0.2))).main
    assert score.method == "bootstrap"
    assert score.deviation == pytest.approx((truth - mine).std(), rel=0.1)
