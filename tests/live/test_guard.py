"""The guard: what it compares, when it acts and how, and that no request waits for it or is lost."""

import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

import ovquant
from ovquant import DriftError, DriftWarning, GuardedModel
from ovquant.errors import UsageError
from ovquant.live.disagreement import disagreement, disagreement_bound
from ovquant.live.guard import WAITING
from ovquant.plugins.metrics import resolve_metric
from ovquant.stats.betting import mean_bound

F32 = {"INFERENCE_PRECISION_HINT": "f32"}


def classifier(bias: float) -> openvino.CompiledModel:
    """Return a model that says 1 where a number is above a bias."""
    port = ops.parameter([-1, 1], np.float32)
    port.output(0).get_tensor().set_names({"x"})
    signs = ops.multiply(
        ops.subtract(port, ops.constant(np.float32(bias))), ops.constant(np.array([[-1.0, 1.0]], np.float32))
    )
    return openvino.Core().compile_model(openvino.Model([signs], [port], "classifier"), "CPU", F32)


def watched(**how: Any) -> GuardedModel:
    """Guard a model that is wrong between 0 and 0.1."""
    return ovquant.guard(classifier(0.1), classifier(0.0), **{"share": 1.0, "limit": 0.05, **how})


def serve(model: GuardedModel, low: float, high: float, count: int, *, seed: int = 0) -> None:
    for value in np.random.default_rng(seed).uniform(low, high, count):
        model(np.array([[value]], np.float32))
        while model.guard.waiting > WAITING // 2:
            time.sleep(0.001)


def test_requests_are_answered_by_the_quantized_model_and_compared() -> None:
    model = watched()
    assert model(np.array([[0.05]], np.float32))[0].argmax() == 0
    assert model.infer_new_request({"x": np.array([[0.5]], np.float32)})[0].argmax() == 1
    request = model.create_infer_request()
    request.start_async(np.array([[0.06]], np.float32))
    request.wait()
    request.set_input_tensor(openvino.Tensor(np.array([[-1.0]], np.float32)))
    request.infer()
    model.guard.close()
    assert (model.guard.requests, model.guard.drift.count, model.guard.drift.total) == (4, 4, 2.0)


def test_without_drift_nothing_happens() -> None:
    model = watched(action="raise")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        serve(model, -1, 1.5, 400)
        model.guard.close()
    assert not model.guard.fired
    # Four hundredths are wrong; the limit is five.
    assert 0.02 < model.guard.drift.mean < 0.06


def test_drift_warns_once() -> None:
    model = watched()
    serve(model, -1, 1.5, 200)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        serve(model, -0.1, 0.2, 200)
        model.guard.close()
    assert [item.category for item in caught] == [DriftWarning]
    assert "disagrees with its float model on" in str(caught[0].message)
    assert "the limit is 0.05" in str(caught[0].message)


def test_drift_raises_at_the_next_request() -> None:
    model = watched(action="raise")
    with pytest.raises(DriftError, match="ovquant refresh"):
        serve(model, -0.1, 0.2, 500)
    with pytest.raises(DriftError):
        model.create_infer_request().start_async(np.array([[0.0]], np.float32))
    queue = ovquant.AsyncInferQueue(model, 2)
    with pytest.raises(DriftError):
        queue.start_async(np.array([[0.0]], np.float32))


def test_drift_falls_back_to_float() -> None:
    model, wrong = watched(action="float"), np.array([[0.05]], np.float32)
    assert model(wrong)[0].argmax() == 0
    serve(model, -0.1, 0.2, 500)
    model.guard.close()
    assert model(wrong)[0].argmax() == 1
    assert model.create_infer_request().infer({"x": wrong})[0].argmax() == 1
    assert list(fallen_back(model, wrong)) == [1, 1, 1, 1, 1, 1]


def fallen_back(model: GuardedModel, array: np.ndarray) -> Iterator[int]:
    """Yield the answers in all ways in which one can ask without a call."""
    request, called = model.create_infer_request(), list[str]()
    request.start_async({"x": array})
    request.wait()
    yield int(request.get_output_tensor().data.argmax())
    request.set_input_tensor(openvino.Tensor(array))
    request.set_callback(called.append, "called")
    request.start_async()
    while not request.wait_for(1000):
        pass
    yield int(request.results[0].argmax())
    request.start_async({"x": array}, "given")
    request.wait()
    request.infer()
    yield int(request.output_tensors[0].data.argmax())
    assert called[:2] == ["called", "given"]
    answers = list[int]()
    queue = ovquant.AsyncInferQueue(model, 2)
    queue.set_callback(lambda done, _: answers.append(int(done.get_output_tensor().data.argmax())))
    for _ in range(3):
        queue.start_async({"x": array})
    queue.wait_all()
    assert queue.is_ready()
    yield from answers


def test_a_queue_that_runs_falls_back_with_the_guard() -> None:
    model, answers = watched(action="float"), list[tuple[int, int]]()
    queue = ovquant.AsyncInferQueue(model, 2)
    queue.set_callback(lambda done, place: answers.append((place, int(done.get_output_tensor().data.argmax()))))
    for place in range(300):
        queue.start_async({"x": np.array([[0.05]], np.float32)}, place)
        while model.guard.waiting > WAITING // 2:
            time.sleep(0.001)
    queue.wait_all()
    model.guard.close()
    assert sorted(place for place, _ in answers) == list(range(300))
    found = dict(answers)
    assert (found[0], found[299]) == (0, 1)


def test_drift_calls_a_function() -> None:
    called = []
    model = watched(action=called.append)
    serve(model, -0.1, 0.2, 300)
    model.guard.close()
    assert called == [model.guard]


def test_a_queue_is_watched_too() -> None:
    model, answers = watched(), list[int]()
    queue = ovquant.AsyncInferQueue(model, 2)
    queue.set_callback(lambda request, place: answers.append(int(request.get_output_tensor().data.argmax())))
    for place in range(30):
        queue.start_async({"x": np.array([[0.05]], np.float32)}, place)
    queue.wait_all()
    model.guard.close()
    assert answers == [0] * 30
    assert model.guard.drift.count + model.guard.skipped == 30
    assert model.guard.drift.mean == 1.0


def test_a_share_of_requests_is_compared() -> None:
    model = watched(share=0.1)
    serve(model, -1, 1, 1000)
    model.guard.close()
    assert model.guard.requests == 1000
    assert 60 <= model.guard.drift.count <= 140


def test_eight_threads_lose_nothing_and_wait_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = watched()
    slow = disagreement
    monkeypatch.setattr(
        sys.modules["ovquant.live.guard"], "disagreement", lambda *both, **how: time.sleep(0.01) or slow(*both, **how)
    )

    def work() -> None:
        for _ in range(100):
            assert model(np.array([[0.5]], np.float32))[0].argmax() == 1

    begin = time.monotonic()
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # To compare all of them takes eight seconds.
    assert time.monotonic() - begin < 5
    model.guard.close()
    assert model.guard.requests == 800
    assert model.guard.drift.count + model.guard.skipped == 800
    assert model.guard.skipped > 0


def test_the_limit_is_by_default_what_is_certain_on_the_data_and_a_margin() -> None:
    data = [ovquant.Sample(np.array([value], np.float32)) for value in np.linspace(-1, 1.5, 500)]
    bound = disagreement_bound(classifier(0.1), classifier(0.0), data, confidence=0.95, metric="fidelity")
    assert 0.04 < bound < 0.1
    model = ovquant.guard(classifier(0.1), classifier(0.0), data=data)
    model.guard.close()
    assert model.guard.drift.limit == pytest.approx(bound + 0.01)


def centred(bias: float) -> openvino.CompiledModel:
    """Return a model of clouds of four points, which says which of their two sums is larger."""
    port = ops.parameter([4, 2], np.float32)
    port.output(0).get_tensor().set_names({"points"})
    total = ops.reduce_sum(port, ops.constant(np.array([0])), True)
    sums = ops.add(total, ops.constant(np.array([[bias, 0]], np.float32)))
    return openvino.Core().compile_model(openvino.Model([sums], [port], "centred"), "CPU", F32)


def test_a_cloud_of_points_is_one_request_of_what_is_compared() -> None:
    """Four points were taken for four samples, so that three of four clouds were not compared."""
    random = np.random.default_rng(0)
    data = [ovquant.Sample(random.standard_normal((4, 2)).astype(np.float32)) for _ in range(400)]
    bound = disagreement_bound(centred(0), centred(0), data, confidence=0.95, metric="fidelity")
    assert bound == mean_bound([0.0] * 400, confidence=0.95)


SCORES, OTHER = np.eye(3, dtype=np.float32)[[[0, 1, 2], [2, 2, 0]]], np.eye(3, dtype=np.float32)[[[0, 1, 2], [2, 1, 0]]]


def share_of_ones(outputs: np.ndarray, targets: list[np.ndarray]) -> float:
    """Say 1 where the sums are alike."""
    return float(np.mean([row.sum() == target.sum() for row, target in zip(outputs, targets, strict=True)]))


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("fidelity", 1 / 6),
        ("fidelity:by=identical", 1 / 2),
        ("exact:characters={characters}", 1 / 2),
        ("cer:characters={characters}", 1 / 4),
        (share_of_ones, 0.0),
    ],
)
def test_disagreement_is_by_what_matters(metric: Any, expected: float, tmp_path: Path) -> None:
    """Two words of three positions, read as [blank, a, b] and [b, b, blank], and with [b, a, blank] in place of the last."""
    (tmp_path / "characters.txt").write_text("a\nb")
    scorer = resolve_metric(
        metric.format(characters=tmp_path / "characters.txt") if isinstance(metric, str) else metric
    )
    assert disagreement(scorer, [SCORES], [SCORES], samples=2) == 0.0
    assert disagreement(scorer, [OTHER], [SCORES], samples=2) == pytest.approx(expected, abs=0.09)
    assert disagreement(scorer, [SCORES * np.nan], [SCORES], samples=2) == 1.0


def test_disagreement_over_several_outputs() -> None:
    scorer = resolve_metric("fidelity:by=identical")
    assert disagreement(scorer, [SCORES, SCORES], [SCORES, OTHER], samples=2) == 0.5
    assert disagreement(scorer, [SCORES, SCORES[0, 0]], [SCORES, SCORES[0, 0]]) == 0.0


def test_a_request_is_cut_by_what_is_known_of_its_outputs_alone() -> None:
    """Two outputs of two rows are two samples only where that is said."""
    scorer = resolve_metric("fidelity:by=identical")
    assert disagreement(scorer, [OTHER], [SCORES]) == 1.0
    assert disagreement(scorer, [OTHER], [SCORES], samples=2) == 0.5
    seen: list[Any] = []

    def shapes(outputs: Any, targets: Any) -> float:
        seen.append([type(outputs), np.shape(outputs[0])])
        return 1.0

    disagreement(resolve_metric(shapes), [np.zeros((1, 5))], [np.zeros((1, 5))])
    disagreement(resolve_metric(shapes), [np.zeros((1, 5))], [np.zeros((1, 5))], batched=[True])
    assert seen == [[list, (1, 5)], [np.ndarray, (5,)]]


def turning(*, time_first: bool, seed: int, batch: int = 4) -> openvino.CompiledModel:
    """Return a model [4, 4, 8] → [4, 4, 3], its first axis that of the samples, or of time."""
    port = ops.parameter([batch, 4, 8], np.float32)
    port.output(0).get_tensor().set_names({"x"})
    kernel = (
        np.random.default_rng(0).standard_normal((8, 3)) + seed * np.random.default_rng(seed).normal(size=(8, 3)) / 3
    )
    made = ops.matmul(port, ops.constant(kernel.astype(np.float32)), False, False)
    if time_first:
        made = ops.transpose(made, ops.constant(np.array([1, 0, 2])))
    return openvino.Core().compile_model(openvino.Model([made], [port], "turning"), "CPU", F32)


@pytest.mark.parametrize("time_first", [False, True])
def test_samples_of_a_fixed_batch_are_proven_before_they_are_compared(time_first: bool) -> None:
    mine, truth = (turning(time_first=time_first, seed=seed) for seed in (1, 0))
    model = ovquant.guard(mine, truth, limit=0.9, share=1.0, metric="fidelity:by=identical")
    expected = []
    for values in np.random.default_rng(5).standard_normal((10, 4, 4, 8)).astype(np.float32):
        same = mine([values])[0].argmax(-1) == truth([values])[0].argmax(-1)
        # Where it cannot be told which rows are whose, the request counts as one.
        expected.append(1.0 - float(same.all()) if time_first else 1.0 - same.all(axis=1).mean())
        model([values])
    model.guard.close()
    assert model.guard.problem is None
    assert model.guard.drift.total == pytest.approx(sum(expected))
    assert sum(expected) > 0


def test_metrics_are_prometheus_text() -> None:
    model = watched()
    serve(model, -1, 1, 20)
    model.guard.close()
    lines = model.guard.metrics().splitlines()
    assert "ovquant_guard_requests_total 20" in lines
    assert "# TYPE ovquant_guard_requests_total counter" in lines
    assert "ovquant_guard_drift 0" in lines
    assert all(line.startswith(("# HELP ", "# TYPE ", "ovquant_guard_")) for line in lines)


def test_a_comparison_that_fails_is_said_and_serving_goes_on() -> None:
    port = ops.parameter([-1, 3], np.float32)
    other = openvino.Core().compile_model(openvino.Model([ops.relu(port)], [port], "other"), "CPU")
    model = ovquant.guard(classifier(0.1), other, limit=0.05, share=1.0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert model(np.array([[0.5]], np.float32))[0].argmax() == 1
        model.guard.close()
    assert "cannot compare" in str(caught[0].message)
    assert model.guard.problem is not None


@pytest.mark.parametrize(
    ("how", "message"),
    [({"limit": 0.0}, "limit is 0"), ({"share": 2.0}, "share is 2"), ({"limit": None}, "or data to find one")],
)
def test_wrong_use_is_named(how: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        watched(**how)


LEAVES = """
import numpy as np, openvino
from openvino import opset13 as ops
import ovquant
x = ops.parameter([1, 32, 32, 32], np.float32, name="x")
weights = np.random.default_rng(0).standard_normal((32, 32, 3, 3)).astype(np.float32)
y = x
for _ in range(8):
    y = ops.convolution(y, ops.constant(weights), [1, 1], [1, 1], [1, 1], [1, 1])
compiled = openvino.Core().compile_model(openvino.Model([y], [x]), "CPU")
guarded = ovquant.guard(compiled, compiled, limit=0.5, share=1.0, metric="fidelity")
for _ in range(60):
    guarded(np.zeros((1, 32, 32, 32), np.float32))
"""


def test_an_application_that_never_closes_its_guard_ends_as_any_other() -> None:
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", LEAVES], capture_output=True, text=True, timeout=120, check=False)
        assert (done.returncode, done.stderr) == (0, "")
