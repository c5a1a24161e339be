"""What a reference answers is kept where there is room, and asked for again where there is none."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.domain.sample import Sample
from ovquant.domain.split import whole
from ovquant.measure.evaluate import Evaluation, evaluate_all
from ovquant.measure.reference import Reference
from ovquant.plugins.metrics import resolve_metrics
from ovquant.runtime import Deployment, compile_model

ROWS = np.random.default_rng(0).standard_normal((90, 3)).astype(np.float32)


def scaled(factor: float) -> openvino.CompiledModel:
    port = ops.parameter([-1, 3], np.float32)
    made = openvino.Model([ops.multiply(port, ops.constant(np.float32(factor)))], [port], "scaled")
    return compile_model(made, Deployment(properties={"INFERENCE_PRECISION_HINT": "f32"}))


class Opened:
    """Counts how often a model was asked for."""

    def __init__(self, model: openvino.CompiledModel) -> None:
        self.model, self.times = model, 0

    def __call__(self) -> openvino.CompiledModel:
        self.times += 1
        return self.model


def scored(reference: Reference, data: Any, model: Callable[[], openvino.CompiledModel], *metrics: str) -> Evaluation:
    return evaluate_all(
        model(), data, metrics=resolve_metrics(list(metrics) or "fidelity:by=cosine"), reference=reference
    )[0]


@pytest.fixture
def truth() -> Opened:
    return Opened(scaled(1))


def test_it_answers_a_sample_once_whatever_subset_it_comes_in(truth: Opened) -> None:
    reference, data = Reference(truth), whole([Sample(row) for row in ROWS])
    assert scored(reference, data, lambda: scaled(2)).score == pytest.approx(1)
    asked = truth.times
    assert asked
    assert scored(reference, data.only(range(7, 60)), lambda: scaled(-1)).score == pytest.approx(-1)
    assert truth.times == asked


def test_what_there_is_no_room_for_is_inferred_again(truth: Opened) -> None:
    room = 40 * ROWS[0].nbytes
    reference, data = Reference(truth, room=room), [Sample(row) for row in ROWS]
    for _ in range(2):
        before = truth.times
        assert scored(reference, data, lambda: scaled(2)).score == pytest.approx(1)
        assert truth.times > before
    assert reference.room == 0


def test_a_metric_that_reads_little_has_little_kept() -> None:
    logits = np.random.default_rng(1).standard_normal((8, 5, 1000)).astype(np.float32)
    port = ops.parameter([-1, 5, 1000], np.float32)
    model = compile_model(openvino.Model([ops.multiply(port, ops.constant(np.float32(1)))], [port], "m"), Deployment())
    reference = Reference(lambda: model)
    before, data = reference.room, [Sample(row) for row in logits]
    for _ in range(2):
        assert scored(reference, data, lambda: model, "agreement").score == 1
    assert before - reference.room == 8 * 5 * 4


def test_each_metric_reads_its_own(truth: Opened) -> None:
    reference, data = Reference(truth), [Sample(row[None]) for row in ROWS]
    metrics = resolve_metrics(["agreement", "fidelity:by=cosine"])
    for _ in range(2):
        agreement, cosine = evaluate_all(scaled(-1), data, metrics=metrics, reference=reference)
        assert agreement.score == 0
        assert cosine.score == pytest.approx(-1)


def test_a_metric_that_changes_what_it_is_given_changes_nothing_that_is_kept(truth: Opened) -> None:
    class Greedy:
        higher_is_better, is_mean, against = False, True, "float"

        def measure(self, outputs: Any, targets: Any) -> list[float]:
            found = [float(np.abs(output - target).sum()) for output, target in zip(outputs, targets, strict=True)]
            for target in targets:
                target *= 0
            return found

        def aggregate(self, items: Any) -> float:
            return float(np.mean(items))

    reference, data, metrics = Reference(truth), [Sample(row) for row in ROWS], resolve_metrics(Greedy())
    scores = [evaluate_all(scaled(2), data, metrics=metrics, reference=reference)[0].score for _ in range(3)]
    assert scores == [pytest.approx(np.abs(ROWS).sum(axis=1).mean())] * 3


def test_what_is_nan_is_told_each_time() -> None:
    rows = ROWS.copy()
    rows[5] = np.nan
    reference, data = Reference(Opened(scaled(1))), [Sample(row) for row in rows]
    for _ in range(2):
        found = scored(reference, data, lambda: scaled(1), "agreement")
        assert [sample for sample, _ in found.nan] == [5]
