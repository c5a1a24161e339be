"""How far outputs are from float's, on the samples that fit in memory."""

from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.measure.divergence import divergence, outputs_of
from ovquant.runtime import Deployment, compile_model
from tests.measure.test_evaluate import DATA, scaled


def test_divergence_is_relative_squared_error() -> None:
    def found(factor: float) -> list[dict[str, Any]]:
        return outputs_of(scaled(factor), DATA, count=50, most_bytes=10**6)

    expected = found(1)
    assert len(expected) == 50
    assert divergence(found(1), expected) == 0
    assert divergence(found(1.1), expected) == pytest.approx(0.01, rel=1e-3)
    assert divergence(found(0), expected) == 1


def outputs(**arrays: Any) -> list[dict[str, np.ndarray]]:
    return [{name: np.asarray(array) for name, array in arrays.items()}]


@pytest.mark.parametrize(
    ("mine", "truth", "error"),
    [
        ([1.0, 3.0], [1.0, 2.0], 0.2),
        ([1.0, 2.0, 0.0], [1.0, 2.0], 1.0),
        ([0.0, 0.0], [0.0, 0.0], 0.0),
        ([0.1, 0.0], [0.0, 0.0], 1.0),
        ([np.nan, 1.0], [1.0, 1.0], 1e6),
        ([np.inf, 1.0], [1.0, 1.0], 1e6),
        ([1, 2, 3, 4], [1, 2, 3, 5], 0.25),
        ([True, False], [True, True], 0.5),
        (np.zeros(0, np.int64), np.zeros(0, np.int64), 0.0),
        (np.float16([450.0]), np.float16([300.0]), 0.25),
    ],
)
def test_each_output_counts_by_what_it_is(mine: Any, truth: Any, error: float) -> None:
    assert divergence(outputs(a=mine), outputs(a=truth)) == pytest.approx(error, rel=1e-9)


def test_logits_count_by_how_likely_they_make_what_float_makes_likely() -> None:
    truth = np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]))
    mine = np.log(np.array([[0.25, 0.5, 0.25], [0.1, 0.1, 0.8]]))
    nats = (0.5 * np.log(2) - 0.25 * np.log(2)) / 2
    assert divergence(outputs(logits=mine), outputs(logits=truth)) == pytest.approx(nats)
    # What is added to all of a position changes no likelihood, and a class that is masked out none of the others.
    assert divergence(outputs(logits=truth + 100), outputs(logits=truth)) == pytest.approx(0, abs=1e-6)
    masked = np.array([[0.0, -np.inf, 1.0]])
    assert divergence(outputs(logits=masked), outputs(logits=masked)) == 0
    assert divergence(outputs(logits=[[np.nan, 1.0]]), outputs(logits=[[1.0, 1.0]])) == 1e6
    assert divergence(outputs(logits=mine[:1]), outputs(logits=truth)) == 1
    # Of another name, or without an axis of positions, it is an output like others.
    assert divergence(outputs(scores=truth * 0), outputs(scores=truth)) == 1
    assert divergence(outputs(logits=truth[0] * 0), outputs(logits=truth[0])) == 1


def test_samples_and_outputs_count_alike_and_by_their_place() -> None:
    found = outputs(a=[1.0], b=[0.0]) + outputs(a=[2.0], b=[2.0])
    truth = outputs(c=[1.0], d=[1.0]) + outputs(c=[2.0], d=[2.0])
    assert divergence(found, truth) == 0.25
    with pytest.raises(ValueError, match="argument"):
        divergence(found, truth[:1])
    with pytest.raises(ValueError, match="argument"):
        divergence(outputs(a=[1.0]), outputs(a=[1.0], b=[1.0]))


def test_outputs_kept_stay_under_a_size() -> None:
    assert len(outputs_of(scaled(1), DATA, count=50, most_bytes=10)) == 4
    # Three floats a sample.
    assert len(outputs_of(scaled(1), DATA, count=50, most_bytes=120)) == 10
    assert len(outputs_of(scaled(1), DATA, count=3, most_bytes=10)) == 3


def test_without_a_size_all_that_were_asked_for_are_kept() -> None:
    port = ops.parameter([-1, 3], np.float32)
    port.output(0).get_tensor().set_names({"x"})
    model = openvino.Model([ops.relu(port), ops.negative(port)], [port], "two outputs")
    found = outputs_of(compile_model(model, Deployment()), DATA, count=1000)
    assert len(found) == len(DATA)
    for sample, kept in zip(DATA, found, strict=True):
        rectified, negative = kept.values()
        assert np.array_equal(rectified[0], np.maximum(sample.inputs, 0))
        assert np.array_equal(negative[0], -np.asarray(sample.inputs))
