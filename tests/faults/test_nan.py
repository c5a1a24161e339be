"""Outputs of NaN are told with whose they are and of which sample."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

import ovquant
from ovquant.domain.sample import Sample
from ovquant.errors import MetricError
from tests.api.models import QUICK, WIDTH, directions, linear, samples

HERE: dict[str, Any] = {**QUICK, "max_drop": "10%", "isolate": False}


def rooted(least: float) -> openvino.Model:
    """Return the classifier, its outputs NaN where the first number of a sample is under a limit."""
    model = linear()
    port, head = model.inputs[0].get_node(), model.get_results()[0].input_value(0)
    root = ops.sqrt(ops.subtract(ops.slice(port, [0], [1], [1], [1]), ops.constant(np.float32(least))))
    made = openvino.Model([ops.add(head, ops.subtract(root, root))], [port], "rooted")
    made.outputs[0].get_tensor().set_names({"scores"})
    return made


def tolerant(outputs: Any, targets: Sequence[Any]) -> list[float]:
    return [float(row.argmax() == target) for row, target in zip(outputs, targets, strict=True)]


def below(data: Sequence[Sample], least: float) -> list[int]:
    return [index for index, sample in enumerate(data) if np.ravel(sample.inputs)[0] < least]


def test_float_that_is_nan_for_a_sample_is_an_error_where_the_metric_needs_numbers() -> None:
    data = samples(120)
    (first, *_) = below(data, -0.5)
    with pytest.raises(MetricError, match=f"'scores' of the model is NaN for sample {first} of the data"):
        ovquant.evaluate(rooted(-0.5), data=data, metric="accuracy")
    with pytest.raises(
        MetricError, match=r"'scores' of the float model \(float-f32\) is NaN for sample \d+ of the data"
    ):
        ovquant.quantize(rooted(-0.5), data=data, metric="accuracy", **HERE)


def test_float_that_is_nan_for_a_sample_is_a_note_where_the_metric_goes_on() -> None:
    data = samples(120)
    first, *others = below(data, -0.5)
    found = ovquant.evaluate(rooted(-0.5), data=data, metric=tolerant, reference=linear())
    assert found.notes == (
        f"The output 'scores' of the model is NaN for {1 + len(others)} samples, sample {first} of the data first.",
    )
    (note,) = (
        note for note in ovquant.quantize(rooted(-0.5), data=data, metric=tolerant, **HERE).notes if "NaN" in note
    )
    assert note.startswith("The output 'scores' of the float model itself is NaN for ")


def fragile() -> openvino.Model:
    """Return the classifier, its outputs NaN where a product is less than the same one made of two by more than a little."""
    model, weights, far = linear(), directions()[:, :1], np.zeros((WIDTH, 1), np.float32)
    far[0] = 50
    port, head = model.inputs[0].get_node(), model.get_results()[0].input_value(0)
    product, near, rest = (ops.matmul(port, ops.constant(each), False, False) for each in (weights, weights + far, far))
    same = ops.subtract(near, rest)
    root = ops.sqrt(ops.add(ops.subtract(product, same), ops.constant(np.float32(0.01))))
    made = openvino.Model([ops.add(head, ops.subtract(root, root))], [port], "fragile")
    made.outputs[0].get_tensor().set_names({"scores"})
    return made


def test_a_plan_that_is_nan_where_float_is_not_has_failed() -> None:
    how = {**HERE, "properties": {"INFERENCE_PRECISION_HINT": "f32"}, "keep_float": ["Add", "Sqrt", "Subtract"]}
    found = ovquant.quantize(fragile(), data=samples(120), metric=tolerant, **how)
    (trial,) = found.trials
    assert (found.verdict, trial.search) == ("float", None)
    assert "'scores' of the plan int8, Sqrt and elementwise in float is NaN for " in trial.problem
    assert trial.problem.endswith("Float's outputs are not NaN there.")
    assert not any("NaN" in note for note in found.notes)
