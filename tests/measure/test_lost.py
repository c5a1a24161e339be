"""The samples that a plan loses, as a report can show them."""

import base64
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ovquant.domain.sample import Array
from ovquant.measure.evaluate import Evaluation
from ovquant.measure.lost import MOST, _answer, _picture, lost_samples
from ovquant.measure.score import Scorer
from tests.measure.made import instruments, plan


def scorer_with(tmp_path: Path, mine: list[float], truth: list[float]) -> Scorer:
    """Return a scorer whose scores of the samples of the holdout are given."""
    scorer = instruments(tmp_path).scorer
    float_key = scorer.models.reference_plan.key

    def known(one: object, split: str) -> list[Evaluation]:
        items = truth if one.key == float_key else mine  # type: ignore[attr-defined]
        whole = [*items, *[1.0] * (len(scorer.models.splits.holdout) - len(items))]
        return [Evaluation(float(np.mean(whole)), len(whole), tuple(whole))]

    scorer.evaluation = known  # type: ignore[method-assign, assignment]
    return scorer


def test_they_are_those_that_lose_most_first(tmp_path: Path) -> None:
    scorer = scorer_with(tmp_path, [0.0, 1.0, 0.5, 1.0], [1.0, 1.0, 1.0, 0.0])
    found = lost_samples(scorer, plan())
    holdout = scorer.models.splits.holdout
    assert [(item.index, item.float_score, item.score) for item in found] == [
        (holdout.indices[0], 1.0, 0.0),
        (holdout.indices[2], 1.0, 0.5),
    ]
    assert found[0].target == str(holdout[0].target)
    # It is a net for classes: what float answers is the target, where float is right.
    assert found[0].float_answer.isdigit()
    assert found[0].answer.isdigit()
    assert not found[0].picture
    assert found[0].values.endswith(str(list(np.shape(holdout[0].inputs))))


def test_no_more_than_can_be_looked_at(tmp_path: Path) -> None:
    scorer = scorer_with(tmp_path, [0.0] * (MOST + 5), [1.0] * (MOST + 5))
    assert len(lost_samples(scorer, plan())) == MOST


def test_float_loses_nothing_and_a_metric_over_all_samples_names_none(tmp_path: Path) -> None:
    scorer = scorer_with(tmp_path, [0.0], [1.0])
    assert lost_samples(scorer, scorer.models.float_plan) == ()
    known = scorer.evaluation
    scorer.evaluation = lambda *about: [replace(known(*about)[0], items=None)]  # type: ignore[method-assign]
    assert lost_samples(scorer, plan()) == ()


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((1, 28, 28), (28, 28)),
        ((28, 28, 1), (28, 28)),
        ((1, 3, 48, 320), (160, 24)),
        ((48, 64, 3), (64, 48)),
        ((43844, 1), None),
        ((128,), None),
        ((5, 32, 32), None),
        ((4096, 16), None),
    ],
)
def test_what_has_the_shape_of_a_picture_is_shown_as_one(shape: tuple[int, ...], size: tuple[int, int] | None) -> None:
    made = _picture(np.random.default_rng(0).standard_normal(shape))
    if size is None:
        assert made == ""
        return
    head, _, content = made.partition(",")
    assert head == "data:image/png;base64"
    assert Image.open(io.BytesIO(base64.b64decode(content))).size == size


def test_a_picture_of_nothing_but_nan_is_none() -> None:
    assert _picture(np.full((28, 28), np.nan)) == ""
    assert _picture(np.zeros((28, 28))) != ""


@pytest.mark.parametrize(
    ("outputs", "answer"),
    [
        ({"y": np.array([0.1, 0.7, 0.2])}, "1"),
        ({"y": np.array([[0.1, 0.7, 0.2]])}, "1"),
        ({"y": np.array([0.3])}, ""),
        ({"y": np.zeros((4, 5))}, ""),
        ({"y": np.zeros((1, 4, 5))}, ""),
        ({"y": np.zeros(3), "z": np.zeros(3)}, ""),
    ],
)
def test_an_answer_is_a_class_where_outputs_are_scores_of_classes(outputs: dict[str, Array], answer: str) -> None:
    assert _answer(outputs) == answer
