"""A score that guessing would reach is told, where right answers are counted among known classes."""

from typing import Any

import pytest

from ovquant.measure.chance import chance_notes
from ovquant.measure.evaluate import Evaluation
from ovquant.plugins.metrics import resolve_metrics


def notes(right: int, classes: int = 5, metric: Any = "accuracy", **how: Any) -> list[str]:
    items = (1.0,) * right + (0.0,) * (100 - right)
    return chance_notes(resolve_metrics(metric), [Evaluation(right / 100, 100, items)], classes, "the model", **how)


@pytest.mark.parametrize(("right", "told"), [(0, True), (20, True), (27, True), (35, False), (90, False)])
def test_a_score_must_be_surely_above_guessing(right: int, told: bool) -> None:
    assert bool(notes(right)) is told


def test_the_note_names_causes_and_remedies() -> None:
    (note,) = notes(18, doubts=("The images are odd.",))
    assert note.startswith("The model scores 0.18 in Accuracy on 100 samples, which cannot be told from guessing")
    assert "among the 5 classes of the data (0.2)" in note
    assert "classes=a;b;c" in note
    assert note.endswith("The images are odd.")


def test_more_guesses_are_right_more_often() -> None:
    assert notes(45, metric="accuracy:k=2")
    assert not notes(45)
    assert not notes(50, metric="accuracy:k=5")


def test_what_does_not_count_classes_has_no_chance() -> None:
    assert notes(18, classes=0) == []
    assert notes(0, classes=1) == []
    assert notes(18, metric="fidelity") == []
    share = Evaluation(0.1, 2, (0.05, 0.15))
    assert chance_notes(resolve_metrics("accuracy"), [share], 5, "the model") == []
    assert chance_notes(resolve_metrics("f1"), [Evaluation(0.1, 100)], 5, "the model") == []
