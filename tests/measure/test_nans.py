"""Outputs of NaN are found, and told by the sample as it was given."""

import numpy as np

from ovquant.domain.split import Subset
from ovquant.measure.nans import Nans, added, told_nan
from ovquant.runtime import Block

DATA = Subset([], (7, 3, 5), "", "")


def block(*values: float, name: str = "scores") -> Block:
    outputs = [{"boxes": np.ones((1, 4)), name: np.array([[value, 1.0]], np.float32)} for value in values]
    return Block(list(range(len(values))), outputs, [None] * len(values))


def test_samples_are_those_of_the_data_that_were_given() -> None:
    nans = Nans(DATA, "the model")
    nans.look(block(0.0, np.nan, np.nan))
    assert nans.found == [(3, "scores"), (5, "scores")]
    assert nans.text == "The output 'scores' of the model is NaN for sample 3 of the data."
    assert told_nan(nans.found, "it") == "The output 'scores' of it is NaN for 2 samples, sample 3 of the data first."
    assert (
        told_nan(nans.found[1:], "it") == "The output 'scores' of it is NaN for 1 sample, sample 5 of the data first."
    )


def test_infinities_and_integers_are_numbers() -> None:
    nans = Nans([], "the model")
    infinite = np.array([[np.inf, -np.inf]], np.float32)
    nans.look(Block([0], [{"scores": infinite, "ids": np.array([1])}], [None]))
    assert (nans.found, nans.text) == ([], "")


def test_what_float_has_too_is_not_added() -> None:
    assert added([(3, "a"), (5, "a")], [(3, "b")]) == [(5, "a")]
