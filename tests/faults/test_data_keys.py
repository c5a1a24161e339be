"""Arrays under a wrong name are told by that name, with the near one."""

from typing import Any

import pytest

import ovquant
from ovquant.errors import DataError, MetricError
from tests.api.models import linear, samples

ROWS = samples(8)


def named(inputs: str, targets: str, **more: Any) -> list[Any]:
    return [{inputs: sample.inputs, targets: sample.target, **more} for sample in ROWS]


def test_targets_of_items_by_name_are_taken() -> None:
    assert ovquant.evaluate(linear(), data=named("x", "targets"), metric="accuracy").evaluation.score == 1


def test_targets_under_another_name_are_told() -> None:
    with pytest.raises(
        MetricError, match="takes 'tragets', which they have: if these are the targets, call them 'targets'"
    ):
        ovquant.evaluate(linear(), data=named("x", "tragets"), metric="accuracy")


def test_a_wrong_name_of_an_input_is_told() -> None:
    wrong = named("xx", "targets", mask=ROWS[0].inputs)
    for call in (
        lambda: ovquant.evaluate(linear(), data=wrong, metric="accuracy"),
        lambda: ovquant.benchmark([linear()], data=wrong, seconds=0.1),
        lambda: ovquant.quantize(
            linear(), data=wrong * 20, metric="accuracy", max_drop="1%", isolate=False, holdout=samples(60)
        ),
    ):
        with pytest.raises(DataError, match="no input of the model is called 'xx': did you mean 'x'"):
            call()


def test_the_only_array_is_taken_and_noted() -> None:
    data = [({"xs": sample.inputs}, sample.target) for sample in ROWS]
    found = ovquant.evaluate(linear(), data=data, metric="accuracy")
    assert found.notes == ("The data's 'xs' was taken for the model's only input, 'x'.",)
