"""Rows of batches are samples where the model says that they are independent."""

from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.domain.sample import Dataset, Sample
from ovquant.errors import DataError
from ovquant.measure.rows import Rows, divided, rows_of
from ovquant.plugins.datasets import open_dataset
from ovquant.runtime import Deployment

X = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)
Y = np.arange(20)
PAIRS = [(X[start : start + 8], Y[start : start + 8]) for start in range(0, 20, 8)]


def model(size: int = -1, *, mixing: bool = False) -> openvino.Model:
    port = ops.parameter([size, 3], np.float32)
    node = ops.cum_sum(port, ops.constant(0)) if mixing else ops.relu(port)
    return openvino.Model([node], [port], "net")


def rows(data: Any, made: openvino.Model | None = None) -> tuple[Dataset, tuple[str, ...]]:
    return rows_of(open_dataset(data), made or model(), Deployment())


def test_rows_of_batches_are_samples() -> None:
    found, notes = rows(PAIRS)
    assert notes == ("The data came in 3 batches; each of their 20 rows counts as a sample.",)
    assert isinstance(found, Rows)
    assert len(found) == 20
    order = [19, 0, 8, 7, 15, 16]
    assert [found[index].target for index in order] == order
    assert all(np.array_equal(found[index].inputs, X[index]) for index in order)
    with pytest.raises(IndexError):
        found[20]


@pytest.mark.parametrize(
    "data",
    [
        list(zip(X, Y, strict=True)),
        [(X[:1], 3)],
        [(X[:8], 3)],
        [Sample(*pair) for pair in PAIRS],
        (X, Y),
    ],
)
def test_samples_are_left_alone(data: Any) -> None:
    found, notes = rows(data)
    assert (isinstance(found, Rows), notes) == (False, ())


def test_rows_that_depend_on_each_other_or_fill_a_fixed_batch_are_left_alone() -> None:
    assert rows(PAIRS, model(mixing=True))[1] == ()
    assert rows([PAIRS[0]], model(8))[1] == ()


def test_batches_without_targets_are_divided_too() -> None:
    found, _ = rows([inputs for inputs, _ in PAIRS])
    assert (len(found), found[9].target) == (20, None)


def test_a_batch_that_differs_is_named() -> None:
    with pytest.raises(DataError, match="Item 1 of the data cannot be divided into samples"):
        rows([PAIRS[0], (X[:4], [1, 2])])
    with pytest.raises(DataError, match="Item 2"):
        divided(Sample([X[:4], X[:3]], Y[:4]), 2)
