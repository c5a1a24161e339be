"""Which number stands for which label is said in one line, and must be the same in all data."""

import pytest

from ovquant.domain.labels import check_same, label_note, labels_of
from ovquant.errors import DataError


class Labelled:
    def __init__(self) -> None:
        self.labels = {"cat": 0, "dog": 1}


def test_only_data_that_made_numbers_of_labels_have_some() -> None:
    assert labels_of(Labelled()) == {"cat": 0, "dog": 1}
    assert labels_of([]) == {}
    assert label_note({}) == ()


def test_the_note_is_one_line_and_says_how_to_give_another_order() -> None:
    (note,) = label_note({"bird": 0, "cat": 1, "dog": 2})
    assert note == (
        "Labels, in sorted order: bird 0, cat 1, dog 2. If the model's order is another one, give it with classes=a;b;c."
    )
    assert label_note({"dog": 0, "cat": 1}) == ("Labels: dog 0, cat 1.",)


def test_many_labels_are_cut() -> None:
    (note,) = label_note({f"n{number:03}": number for number in range(100)})
    assert "n011 11 … n099 99 (100 in all)." in note


def test_a_label_with_two_numbers_is_refused() -> None:
    check_same({"cat": 0, "dog": 1}, {"dog": 1}, "--data", "--holdout")
    check_same({}, {"dog": 1}, "--data", "--holdout")
    with pytest.raises(DataError, match="'dog' is 1 in --data and 0 in --holdout.*classes=a;b;c"):
        check_same({"cat": 0, "dog": 1}, {"dog": 0}, "--data", "--holdout")
