"""Drops and budgets: how they are written, and what is inside."""

import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ovquant.domain.budget import Budget, Drop, Limit, read_budget
from ovquant.errors import MetricError, UsageError

drops = st.builds(Drop, st.floats(0, 1), st.booleans())
scores = st.floats(-1e6, 1e6)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1%", Drop(0.01, relative=True)),
        (" 0.5 % ", Drop(0.005, relative=True)),
        ("100%", Drop(1.0, relative=True)),
        ("1pt", Drop(0.01)),
        ("2 pt", Drop(0.02)),
        ("0.01", Drop(0.01)),
        (".5", Drop(0.5)),
        ("3", Drop(3.0)),
        ("1e-3", Drop(0.001)),
        (0, Drop(0.0)),
        (0.25, Drop(0.25)),
        (Drop(0.1), Drop(0.1)),
    ],
)
def test_parsing(text: str | float | Drop, expected: Drop) -> None:
    assert Drop.parse(text) == expected


@pytest.mark.parametrize(
    "text", ["", "%", "one", "-1%", "1%%", "1 percent", "nan", "inf", "1,5%", "0x1", "1%pt", "1e999"]
)
def test_what_is_no_drop_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="drop"):
        Drop.parse(text)


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_numbers_that_are_no_drop_are_refused(value: float) -> None:
    with pytest.raises(UsageError, match="zero or more"):
        Drop.parse(value)


def test_more_than_everything_is_refused() -> None:
    with pytest.raises(UsageError, match="at most 100%"):
        Drop.parse("101%")


@given(st.text())
def test_any_text_is_a_drop_or_a_usage_error(text: str) -> None:
    with suppress(UsageError):
        assert 0 <= Drop.parse(text).value < math.inf


@given(st.integers(0, 100))
def test_written_and_read_again(percent: int) -> None:
    drop = Drop.parse(f"{percent}%")
    assert Drop.parse(str(drop)) == drop


@pytest.mark.parametrize(
    ("drop", "score", "allowed"),
    [("1%", 0.8, 0.008), ("1%", -2.0, 0.02), ("2pt", 0.8, 0.02), ("2pt", 0.0, 0.02), ("0.5", 30.0, 0.5)],
)
def test_what_a_drop_allows(drop: str, score: float, allowed: float) -> None:
    assert Drop.parse(drop).allowed(score) == pytest.approx(allowed)


def test_a_share_of_zero_means_nothing() -> None:
    with pytest.raises(MetricError, match="scores 0"):
        Drop.parse("1%").allowed(0.0)


@pytest.mark.parametrize(
    ("score", "float_score", "higher", "excess"),
    [
        (0.795, 0.8, True, -0.005),
        (0.79, 0.8, True, 0.0),
        (0.78, 0.8, True, 0.01),
        (0.9, 0.8, True, -0.11),
        (0.22, 0.2, False, 0.01),
        (0.1, 0.2, False, -0.11),
    ],
)
def test_excess_in_either_direction(score: float, float_score: float, higher: bool, excess: float) -> None:
    limit = Limit(max_drop=Drop(0.01))
    measured = limit.excess(score, float_score=float_score, higher_is_better=higher)
    assert measured == pytest.approx(excess)


def test_exactly_the_allowed_drop_is_inside_whatever_floats_make_of_it() -> None:
    assert Limit(max_drop=Drop(0.1)).excess(0.2, float_score=0.3, higher_is_better=True) == 0.0
    assert 0.3 - 0.2 - 0.1 != 0


@pytest.mark.parametrize(("score", "higher", "inside"), [(0.74, True, False), (0.76, True, True), (0.76, False, False)])
def test_a_floor_holds_beside_the_drop(score: float, higher: bool, inside: bool) -> None:
    limit = Limit(max_drop=Drop(0.1), floor=0.75)
    assert (limit.excess(score, float_score=0.76, higher_is_better=higher) <= 0) == inside


def test_float_itself_may_be_under_the_floor() -> None:
    assert Limit(max_drop=Drop(0.1), floor=0.9).excess(0.8, float_score=0.8, higher_is_better=True) > 0


@given(drops, scores, scores, st.booleans())
def test_direction_only_turns_the_sign(drop: Drop, score: float, float_score: float, higher: bool) -> None:
    assume(float_score != 0 or not drop.relative)
    limit = Limit(max_drop=drop)
    here = limit.excess(score, float_score=float_score, higher_is_better=higher)
    turned = limit.excess(-score, float_score=-float_score, higher_is_better=not higher)
    assert here == turned


@given(drops, scores, st.floats(0.001, 1e6), st.booleans())
def test_a_worse_score_is_never_more_inside(drop: Drop, float_score: float, step: float, higher: bool) -> None:
    assume(float_score != 0 or not drop.relative)
    worse = float_score - step if higher else float_score + step
    excess = [
        Limit(max_drop=drop).excess(score, float_score=float_score, higher_is_better=higher)
        for score in (float_score, worse)
    ]
    assert excess[0] < excess[1]


@given(drops, st.none() | st.floats(-10, 10))
def test_json_round_trip(drop: Drop, floor: float | None) -> None:
    budget = Budget(drop, floor)
    assert Budget.from_json(json.loads(json.dumps(budget.to_json()))) == budget


def test_says_what_it_is() -> None:
    assert str(Budget(Drop.parse("1%"), floor=0.7)) == "a drop of at most 1%, never past 0.7"
    assert str(Budget(Drop.parse("2pt"))) == "a drop of at most 0.02"


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_a_limit_that_is_no_number_above_zero_is_refused(value: float) -> None:
    with pytest.raises(UsageError, match="--max-latency is .*; give a number above zero, such as 5ms"):
        Budget(max_latency_ms=value)
    with pytest.raises(UsageError, match="--max-size is .*; give a number above zero, such as 10MB"):
        Budget(max_size_bytes=value)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="--max-memory is .*; give a number above zero, such as 500MB"):
        Budget(Drop(0.1), max_memory_bytes=value)  # type: ignore[arg-type]


def test_memory_is_limited_beside_a_drop_and_holds_where_it_is_not_known() -> None:
    with pytest.raises(UsageError, match="--max-memory needs --max-drop"):
        Budget(max_memory_bytes=100)
    budget = Budget(Drop(0.1), max_size_bytes=50, max_memory_bytes=100)
    assert budget.over(latency_ms=1, size_bytes=50) == 0
    assert budget.over(latency_ms=1, size_bytes=50, memory_bytes=120) == pytest.approx(0.2)
    assert Budget.from_json(budget.to_json()) == budget
    assert str(budget).endswith("at most 0.0001 MB of memory")


TWO = ("accuracy", "f1")


@pytest.mark.parametrize(
    "drops",
    [
        {"accuracy": "1%", "f1": 0.02},
        {"f1": Drop(0.02), "Accuracy": "1%"},
        ["accuracy=1%", "f1 = 2pt"],
    ],
)
def test_each_metric_has_the_drop_that_was_given_for_it(drops: Any) -> None:
    found = read_budget(drops, "f1=0.8", 5.0, metrics=TWO, worst_slice=Drop(0.1), confidence=0.95)
    others = (Limit("f1", Drop(0.02), 0.8),)
    assert found == Budget(Drop(0.01, relative=True), None, 5.0, None, others, Drop(0.1), 0.95, "accuracy")


def test_one_drop_is_for_every_metric_and_limits_need_none() -> None:
    assert read_budget("2pt", metrics=TWO).limits == (Limit("accuracy", Drop(0.02)), Limit("f1", Drop(0.02)))
    assert read_budget(max_size=100, floor=0.5, metrics=TWO[:1]).limits == (Limit("accuracy", None, 0.5),)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"max_drop": {"accuracy": "1%"}}, "metric f1 has no --max-drop"),
        ({"max_drop": {"accuracy": "1%", "wer": "1%"}}, "--max-drop names the metric 'wer'"),
        ({"max_drop": ["1%", "2%"]}, "which metric each --max-drop is for"),
        ({"max_drop": "1%", "floor": 0.8}, "which metric --floor is for"),
        ({"max_drop": "1%", "floor": "f1=high"}, "--floor: could not convert .*. Write a number"),
        ({"max_drop": "1%", "budget": Budget(Drop(0.1))}, "but not both"),
        ({"budget": Budget(Drop(0.1), metric="accuracy")}, "is for accuracy, and the metrics here are accuracy, f1"),
    ],
)
def test_a_budget_that_does_not_fit_the_metrics_says_why(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_budget(**given, metrics=TWO)


def test_a_budget_that_was_made_is_for_the_metric_that_is_there() -> None:
    assert read_budget(metrics=["accuracy"], budget=Budget(Drop(0.1))) == Budget(Drop(0.1), metric="accuracy")
