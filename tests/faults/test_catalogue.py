"""The catalogue of faults: whatever is wrong with a metric or the data, no budget is ever said to hold in silence."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

import ovquant
from ovquant.domain.sample import Sample
from ovquant.errors import DataError, MetricError, UsageError

CLASSES, WIDTH = 6, 1024


def model() -> openvino.Model:
    generator = np.random.default_rng(0)
    weights = generator.standard_normal((WIDTH, CLASSES)).astype(np.float32)
    port = ops.parameter([-1, WIDTH], np.float32)
    port.output(0).get_tensor().set_names({"x"})
    made = openvino.Model([ops.matmul(port, ops.constant(weights), False, False)], [port], "linear")
    made.outputs[0].get_tensor().set_names({"scores"})
    return made


def samples(count: int = 400, *, classes: int = CLASSES) -> list[Sample]:
    weights = np.random.default_rng(0).standard_normal((WIDTH, CLASSES)).astype(np.float32)
    rows = np.random.default_rng(1).standard_normal((count, WIDTH)).astype(np.float32)
    found = [Sample(row, int((row @ weights).argmax())) for row in rows]
    return [sample for sample in found if sample.target < classes]


def result(metric: Any, data: Sequence[Sample] | None = None, **budget: Any) -> ovquant.Result:
    budget = budget or {"max_drop": "1%"}
    how = {"strategy": "first", "recipes": ["default"], "optimize": "size"}
    return ovquant.quantize(model(), data=data or samples(), metric=metric, **budget, **how)


def by_sample(function: Callable[[Any, Sequence[Any]], Any], **attributes: Any) -> Any:
    """Return a per-sample metric that goes through every door: batch by batch, item by item."""
    function.per_sample = True  # type: ignore[attr-defined]
    for name, value in attributes.items():
        setattr(function, name, value)
    return function


def right(outputs: Any, targets: Sequence[Any]) -> Any:
    return (np.asarray(outputs).reshape(len(targets), -1).argmax(1) == np.asarray(targets)).astype(float)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("per_sample", [True, False])
def test_scores_that_are_no_numbers(value: float, per_sample: bool) -> None:
    def metric(outputs: Any, targets: Sequence[Any]) -> Any:
        scores = right(outputs, targets)
        scores[-1] = value
        return scores if per_sample else float(scores.mean())

    metric.per_sample = per_sample  # type: ignore[attr-defined]
    with pytest.raises(MetricError, match="NaN|infinity|nan|inf"):
        result(metric)


def test_a_metric_that_fails_for_the_quantized_model_alone_rejects_it() -> None:
    def metric(outputs: Any, targets: Any) -> float:
        # In f32 float is equal to what it is compared with.
        found = np.asarray(outputs)
        return 1.0 if np.array_equal(found, np.asarray(targets).reshape(found.shape)) else float("nan")

    metric.against = "float"  # type: ignore[attr-defined]
    found = result(metric, max_drop="1%", properties={"INFERENCE_PRECISION_HINT": "f32"})
    assert found.verdict != "met"
    assert "NaN" in found.trials[-1].problem


def test_a_float_score_of_zero_has_no_relative_drop() -> None:
    with pytest.raises(MetricError, match="scores 0, so a drop relative to it has no meaning"):
        result(lambda outputs, targets: 0.0)


def score_of(found: ovquant.Result) -> ovquant.Score:
    assert found.walked[0].holdout is not None
    return found.walked[0].holdout


def test_negative_scores_are_judged_by_their_size() -> None:
    """Such as log-likelihoods: -1.0 may become -1.1 within 10 %."""

    def metric(outputs: Any, targets: Sequence[Any]) -> Any:
        return right(outputs, targets) - 2.0

    found = result(by_sample(metric, bounds=(-2.0, -1.0)), max_drop="10%")
    score = score_of(found)
    assert score.float_value < 0
    assert score.main.allowed == pytest.approx(0.1 * abs(score.float_value))


@pytest.mark.parametrize("confidence", [None, 0.9])
def test_lower_is_better_the_whole_way(confidence: float | None) -> None:
    def metric(outputs: Any, targets: Sequence[Any]) -> Any:
        return 1.0 - right(outputs, targets)

    found = result(by_sample(metric, higher_is_better=False), max_drop=0.1, confidence=confidence)
    assert found.verdict == "met"
    score = score_of(found)
    assert score.drop == pytest.approx(score.value - score.float_value)

    def spoilt(outputs: Any, targets: Sequence[Any]) -> Any:
        spread = np.asarray(outputs).reshape(len(targets), -1)
        rounded = np.abs(spread - np.round(spread, 2)).max(1) > 0.0049
        return rounded.astype(float)

    # An error rate that rises may not pass for a gain.
    worse = result(by_sample(spoilt, higher_is_better=False), max_drop=0.0)
    for trial in worse.trials:
        if trial.search is not None and trial.search.value > trial.search.float_value:
            assert trial.search.drop > 0


@pytest.mark.parametrize("value", [0.5, 1.0])
def test_a_constant_metric_is_never_better_than_its_samples_prove(value: float) -> None:
    def metric(outputs: Any, targets: Sequence[Any]) -> Any:
        return np.full(len(targets), value)

    bounded = by_sample(metric, bounds=(0.0, 1.0))
    found = result(bounded, max_drop=0.05, confidence=0.95)
    # 200 held-out samples without a difference do prove that fewer than one in twenty differ.
    assert score_of(found).main.p_value is not None
    assert result(bounded, max_drop=0.001, confidence=0.95).verdict == "inconclusive"


def test_a_float_score_that_is_the_worst_there_is_leaves_nothing_to_lose() -> None:
    def metric(outputs: Any, targets: Sequence[Any]) -> Any:
        return np.zeros(len(targets))

    with pytest.raises(UsageError, match="check the data and the metric"):
        result(by_sample(metric, bounds=(0.0, 1.0)), max_drop=0.05)


@pytest.mark.parametrize("per_sample", [True, False])
def test_a_metric_that_raises_on_one_sample_is_named(per_sample: bool) -> None:
    def metric(outputs: Any, targets: Sequence[Any]) -> Any:
        if any(target == 3 for target in targets):
            raise ZeroDivisionError("no threes")
        return right(outputs, targets)

    metric.per_sample = per_sample  # type: ignore[attr-defined]
    with pytest.raises(MetricError, match=r"metric.*ZeroDivisionError: no threes"):
        result(metric)


def test_one_class_only() -> None:
    found = result("accuracy", samples(3000, classes=1), max_drop=0.2)
    assert found.verdict == "met"
    assert score_of(found).samples == found.provenance.data["holdout"].samples
    certain = result("accuracy", samples(3000, classes=1), max_drop=0.01, confidence=0.95)
    assert certain.verdict == "inconclusive"


def test_copies_prove_nothing() -> None:
    few = samples(120)
    once = result("accuracy", few, max_drop=0.03, confidence=0.95)
    copied = result("accuracy", few * 10, max_drop=0.03, confidence=0.95)
    assert (once.verdict, copied.verdict) == ("inconclusive", "inconclusive")
    assert copied.provenance.data["holdout"].samples == once.provenance.data["holdout"].samples
    assert any("copies" in note for note in copied.notes)


def test_scores_outside_their_bounds_are_refused() -> None:
    def metric(outputs: Any, targets: Sequence[Any]) -> Any:
        return right(outputs, targets) * 3

    with pytest.raises(MetricError, match="outside its bounds 0 and 1"):
        result(by_sample(metric, bounds=(0.0, 1.0)))


def test_an_overlap_is_an_error_with_its_count() -> None:
    everything = samples(200)
    with pytest.raises(DataError, match="5 of the 105 samples"):
        ovquant.quantize(
            model(), data=everything[:105], holdout=everything[100:], metric="accuracy", max_drop="1%", strategy="first"
        )
