"""Scores come from real inference; a metric that misbehaves is named."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.domain.sample import Sample
from ovquant.errors import MetricError
from ovquant.measure.evaluate import Store, checkpoints, evaluate
from ovquant.measure.reference import Reference
from ovquant.plugins.metrics import resolve_metrics
from ovquant.runtime import Block, Deployment, compile_model


def scaled(factor: float) -> openvino.CompiledModel:
    port = ops.parameter([-1, 3], np.float32)
    port.output(0).get_tensor().set_names({"x"})
    model = openvino.Model([ops.multiply(port, ops.constant(np.float32(factor)))], [port], "scaled")
    return compile_model(model, Deployment(properties={"INFERENCE_PRECISION_HINT": "f32"}))


def against(compiled: openvino.CompiledModel) -> Reference:
    return Reference(lambda: compiled)


DATA = [Sample(row, int(row.argmax())) for row in np.random.default_rng(0).standard_normal((90, 3)).astype(np.float32)]


def test_a_registered_metric_scores_with_items() -> None:
    result = evaluate(scaled(1), DATA, metric=resolve_metrics("accuracy")[0])
    assert (result.score, result.samples) == (1.0, 90)
    assert result.items == (1.0,) * 90
    assert evaluate(scaled(-1), DATA, metric=resolve_metrics("accuracy")[0]).score == 0


def test_a_function_gets_all_samples_at_once_from_disk() -> None:
    seen: list[Any] = []

    def score(outputs: np.ndarray, targets: Any) -> float:
        seen.append((type(outputs), outputs.shape, len(targets)))
        return float((outputs.argmax(1) == np.asarray(targets)).mean())

    assert evaluate(scaled(1), DATA, metric=resolve_metrics(score)[0]).score == 1
    assert seen == [(np.memmap, (90, 3), 90)]


def test_fidelity_compares_with_the_float_model() -> None:
    unlabelled = [Sample(sample.inputs) for sample in DATA]
    metric = resolve_metrics("fidelity")[0]
    assert evaluate(scaled(2), unlabelled, metric=metric, reference=against(scaled(1))).score == 1
    assert evaluate(scaled(-1), unlabelled, metric=metric, reference=against(scaled(1))).score < 0.5


def test_targets_that_are_missing_are_named() -> None:
    with pytest.raises(MetricError, match="sample 1 has none"):
        evaluate(scaled(1), [DATA[0], Sample(DATA[1].inputs)], metric=resolve_metrics("accuracy")[0])


def raising(outputs: np.ndarray, targets: Any) -> float:
    raise KeyError("label")


def nan(outputs: np.ndarray, targets: Any) -> float:
    return float("nan")


@pytest.mark.parametrize(("function", "cause"), [(raising, "KeyError"), (nan, "NaN")])
def test_a_metric_that_misbehaves_is_named(function: Callable[..., float], cause: str) -> None:
    with pytest.raises(MetricError, match=rf"{function.__name__}.*{cause}"):
        evaluate(scaled(1), DATA, metric=resolve_metrics(function)[0])


def test_a_store_gives_lists_when_shapes_differ(tmp_path: Any) -> None:
    store = Store(tmp_path / "values.bin")
    arrays = [np.arange(size, dtype=np.float32)[None] for size in (2, 3)]
    for array in arrays:
        store.append(array)
    read = store.read()
    assert [array.tolist() for array in read] == [array.tolist() for array in arrays]


def test_looks_double_and_end_after_all() -> None:
    assert list(checkpoints(1000)) == [64, 128, 256, 512, 1000]
    assert list(checkpoints(90)) == [90]


def test_all_that_is_scored_is_shown() -> None:
    seen: list[Block] = []
    evaluate(scaled(1), DATA, metric=resolve_metrics("accuracy")[0], seen=seen.append)
    assert [index for block in seen for index in block.indices] == list(range(len(DATA)))


def with_nan() -> openvino.CompiledModel:
    """Return a model whose outputs are NaN where the first number is negative."""
    port = ops.parameter([-1, 3], np.float32)
    root = ops.sqrt(ops.slice(port, [0], [1], [1], [1]))
    model = openvino.Model([ops.add(port, ops.subtract(root, root))], [port], "broken")
    model.outputs[0].get_tensor().set_names({"scores"})
    return compile_model(model, Deployment(properties={"INFERENCE_PRECISION_HINT": "f32"}))


NEGATIVE = [index for index, sample in enumerate(DATA) if sample.inputs[0] < 0]


def test_nan_that_a_metric_stumbles_over_is_told_with_model_sample_and_output() -> None:
    with pytest.raises(MetricError, match=f"'scores' of the model is NaN for sample {NEGATIVE[0]} of the data"):
        evaluate(with_nan(), DATA, metric=resolve_metrics("accuracy")[0])
    with pytest.raises(MetricError, match=f"'scores' of the reference is NaN for sample {NEGATIVE[0]}"):
        evaluate(scaled(1), DATA, metric=resolve_metrics("fidelity:by=cosine")[0], reference=against(with_nan()))


def test_nan_that_a_metric_does_not_mind_is_kept() -> None:
    def right(outputs: Any, targets: Any) -> list[float]:
        return [float(row.argmax() == target) for row, target in zip(outputs, targets, strict=True)]

    metric = resolve_metrics(right)[0]
    assert [sample for sample, _ in evaluate(with_nan(), DATA, metric=metric).nan] == NEGATIVE
    assert evaluate(scaled(1), DATA, metric=metric).nan == ()
