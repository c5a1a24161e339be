"""Which rows of an output are whose is known of the model, proven by running it, or refused; never read off the data."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

import ovquant
from ovquant import Sample
from ovquant.errors import ModelError
from ovquant.runtime import Deployment, compile_model, run, samples_in
from ovquant.runtime.batches import lengths_of

F32 = {"INFERENCE_PRECISION_HINT": "f32"}
BATCH, STEPS, WIDTH, CLASSES = 4, 6, 8, 5
Build = Callable[[openvino.Node], openvino.Node]


def weights(seed: int) -> openvino.Node:
    return ops.constant(np.random.default_rng(seed).standard_normal((WIDTH, CLASSES)).astype(np.float32))


def model(build: Build, *, shape: Sequence[int] = (BATCH, STEPS, WIDTH)) -> openvino.Model:
    port = ops.parameter(list(shape), np.float32)
    port.output(0).get_tensor().set_names({"x"})
    made = openvino.Model([build(port)], [port], "net")
    made.outputs[0].get_tensor().set_names({"scores"})
    return made


def merged(seed: int) -> Build:
    """[4, 6, 8] → [24, 5], a sample's steps one after the other."""
    rows = np.array([BATCH * STEPS, WIDTH])
    return lambda x: ops.matmul(ops.reshape(x, ops.constant(rows), False), weights(seed), False, False)


def time_first(x: openvino.Node) -> openvino.Node:
    """[4, 6, 8] → [6, 4, 5]."""
    return ops.transpose(ops.matmul(x, weights(0), False, False), ops.constant(np.array([1, 0, 2])))


def time_major(x: openvino.Node) -> openvino.Node:
    """[4, 6, 8] → [24, 5], the samples' first steps one after the other."""
    return ops.reshape(time_first(x), ops.constant(np.array([BATCH * STEPS, CLASSES])), False)


def detections(x: openvino.Node) -> openvino.Node:
    """[4, 6, 8] → [1, 1, 24, 8], rows of all samples in one list."""
    return ops.reshape(x, ops.constant(np.array([1, 1, BATCH * STEPS, WIDTH])), False)


def positions(x: openvino.Node) -> openvino.Node:
    """[1, 6] → [k, 2], a row per positive number, as a list of boxes."""
    found = ops.non_zero(ops.relu(x), output_type="i64")
    return ops.convert(ops.transpose(found, ops.constant(np.array([1, 0]))), "f32")


def frames(count: int = 20) -> list[Sample]:
    values = np.random.default_rng(3).standard_normal((count, STEPS, WIDTH)).astype(np.float32)
    return [Sample(value) for value in values]


def plainly(net: openvino.Model, data: Sequence[Sample]) -> np.ndarray:
    """Return the outputs of whole batches by plain openvino."""
    compiled = openvino.Core().compile_model(net, "CPU", F32)
    inputs = np.stack([sample.inputs for sample in data])
    return np.stack([compiled(inputs[begin : begin + BATCH])[0] for begin in range(0, len(data), BATCH)])


def test_fidelity_compares_every_row_of_a_merged_output() -> None:
    data, mine, truth = frames(), model(merged(1)), model(merged(0))
    expected = np.mean(plainly(mine, data).argmax(-1) == plainly(truth, data).argmax(-1))
    found = ovquant.evaluate(mine, data=data, metric="fidelity", reference=truth, properties=F32)
    assert found.evaluation.score == pytest.approx(expected)


@pytest.mark.parametrize("count", [20, 18, 3])
def test_each_sample_gets_its_rows_of_a_merged_output(count: int) -> None:
    data, net = frames(20), model(merged(0))
    rows = plainly(net, data).reshape(20, STEPS, CLASSES)[:count]

    def same(outputs: Sequence[np.ndarray], targets: Sequence[Any]) -> list[float]:
        return [
            float(np.allclose(mine, rows[target], atol=1e-5)) for mine, target in zip(outputs, targets, strict=True)
        ]

    labelled = [Sample(sample.inputs, place) for place, sample in enumerate(data[:count])]
    assert ovquant.evaluate(net, data=labelled, metric=same, properties=F32).evaluation.score == 1


@pytest.mark.parametrize(
    ("build", "shape"),
    [(detections, r"\[1,1,24,8\]"), (time_first, r"\[6,4,5\]"), (time_major, r"\[24,5\]")],
)
def test_an_output_that_no_sample_has_rows_of_is_refused(build: Build, shape: str) -> None:
    net = model(build)
    with pytest.raises(ModelError, match=rf"output 'scores' has the shape {shape}.* 4 samples.*--batch 1"):
        ovquant.evaluate(net, data=frames(), metric="fidelity", reference=net)


def test_an_axis_as_long_as_the_batch_need_not_be_it() -> None:
    def turned(x: openvino.Node) -> openvino.Node:
        return ops.transpose(ops.matmul(x, weights(0), False, False), ops.constant(np.array([1, 0, 2])))

    net = model(turned, shape=(BATCH, BATCH, WIDTH))
    data = [Sample(np.asarray(sample.inputs)[:BATCH]) for sample in frames()]
    with pytest.raises(ModelError, match=r"\[4,4,5\]"):
        ovquant.evaluate(net, data=data, metric="fidelity", reference=net)


def test_outputs_that_hardly_tell_are_proven_later() -> None:
    """The first requests are of copies, whose outputs are alike however they are cut."""
    data = [frames(1)[0]] * 32 + frames()
    with pytest.raises(ModelError, match=r"\[24,5\]"):
        ovquant.evaluate(model(time_major), data=data, metric="fidelity", reference=model(time_major))


def test_a_list_of_one_for_every_sample_stays_a_list() -> None:
    rows = -np.ones((12, 6), np.float32)
    rows[np.arange(12), np.arange(12) % 6] = 1
    seen: list[Any] = []

    def right(outputs: Sequence[np.ndarray], targets: Sequence[int]) -> list[float]:
        seen.append([type(outputs), *{np.shape(output) for output in outputs}])
        return [float(found[0][1] == target) for found, target in zip(outputs, targets, strict=True)]

    data = [Sample(row, place % 6) for place, row in enumerate(rows)]
    net = model(positions, shape=(1, 6))
    assert ovquant.evaluate(net, data=data, metric=right).evaluation.score == 1
    assert seen == [[list, (1, 2)]]
    right.per_sample = True  # type: ignore[attr-defined]
    assert ovquant.evaluate(net, data=data, metric=right).evaluation.score == 1
    assert seen[1:] == [[list, (1, 2)]]


def test_no_detection_in_any_sample_is_scored() -> None:
    def counted(outputs: Sequence[np.ndarray], targets: Sequence[int]) -> list[float]:
        return [float(len(found)) for found in outputs]

    data = [Sample(-np.ones(6, np.float32), 0) for _ in range(12)]
    net = model(positions, shape=(1, 6))
    assert ovquant.evaluate(net, data=data, metric=counted).evaluation.score == 0
    assert ovquant.evaluate(net, data=data, metric="fidelity", reference=net).evaluation.score == 1


@pytest.mark.parametrize("batch", [-1, 1, BATCH])
def test_outputs_with_a_row_per_sample_are_stacked(batch: int) -> None:
    seen: list[Any] = []

    def shape(outputs: np.ndarray, targets: Sequence[int]) -> float:
        seen.append(outputs.shape)
        return 1.0

    net = model(lambda x: ops.matmul(x, weights(0), False, False), shape=(batch, STEPS, WIDTH))
    ovquant.evaluate(net, data=[Sample(sample.inputs, 0) for sample in frames()], metric=shape)
    assert seen == [(20, STEPS, CLASSES)]


def test_a_layout_says_where_the_batch_is() -> None:
    def seen_by(net: openvino.Model) -> type:
        found: list[type] = []

        def kind(outputs: Any, targets: Sequence[int]) -> float:
            found.append(type(outputs))
            return 1.0

        data = [Sample(2 * np.eye(6, dtype=np.float32)[place] - 1, 0) for place in range(6)]
        ovquant.evaluate(net, data=data, metric=kind)
        return found[0]

    plain, told = model(positions, shape=(1, 6)), model(positions, shape=(1, 6))
    told.get_results()[0].layout = openvino.Layout("NC")
    assert seen_by(plain) is list
    assert issubclass(seen_by(told), np.ndarray)


class Lost(Sequence[Sample]):
    """Data that are lost once while a quantized model is scored, and found again."""

    def __init__(self) -> None:
        self.samples = [Sample(sample.inputs, 0) for sample in frames(200)]
        self.lost = self.found = False

    def column(self, name: str) -> Any:
        raise KeyError(name)

    path = Path("lost")

    @staticmethod
    def accepts(path: Path) -> bool:
        return False

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    def __getitem__(self, index: Any) -> Any:
        if self.lost and not self.found:
            self.found = True
            raise ValueError("the camera is lost")
        return self.samples[index]


def test_what_nobody_foresaw_is_the_problem_of_its_trial() -> None:
    data = Lost()

    def progress(what: str, done: int, total: int) -> None:
        data.lost = what.startswith("evaluating int8")

    net = model(lambda x: ops.matmul(x, weights(0), False, False), shape=(-1, STEPS, WIDTH))
    how = {"strategy": "first", "recipes": ["default"], "optimize": "size"}
    found = ovquant.quantize(net, data=data, metric="fidelity", max_drop=0.5, progress=progress, **how)
    assert "ValueError: the camera is lost" in found.trials[-1].problem
    assert found.verdict != "met"


def windows(x: openvino.Node) -> openvino.Node:
    """[?, ?] → [?, 5], a row per window of eight numbers: what is a batch depends on how long the samples are."""
    return ops.matmul(ops.reshape(x, ops.constant(np.array([-1, WIDTH])), False), weights(0), False, False)


@pytest.mark.parametrize("saved", [False, True])
def test_the_shapes_of_samples_decide_where_the_model_leaves_them_open(tmp_path: Path, saved: bool) -> None:
    net: Any = model(windows, shape=(-1, -1))
    if saved:
        openvino.save_model(net, tmp_path / "net.xml", compress_to_fp16=False)
        net = tmp_path / "net.xml"
    seen = list[Any]()

    def rows(outputs: Any, targets: Sequence[Any]) -> float:
        seen.append(outputs)
        return float(len(outputs) == len(targets))

    for width, kind in ((WIDTH, np.ndarray), (2 * WIDTH, list)):
        data = [Sample(np.full(width, place, np.float32), place) for place in range(5)]
        assert ovquant.evaluate(net, data=data, metric=rows).evaluation.score == 1
        assert isinstance(seen.pop(), kind)
    mixed = [Sample(np.full(WIDTH * (1 + place % 2), place, np.float32), place) for place in range(5)]
    ovquant.evaluate(net, data=mixed, metric=rows)
    assert isinstance(seen.pop(), list)


def whole(x: openvino.Node) -> openvino.Node:
    """[?, 6, 8] → [5, 8], of all samples together."""
    return ops.reduce_sum(ops.matmul(weights(0), x, True, True), ops.constant(np.array([0, 2])), False)


@pytest.mark.parametrize(
    ("build", "shape", "rows", "count"),
    [
        (ops.relu, (-1, STEPS, WIDTH), 3, 3),
        (ops.relu, (-1, STEPS, WIDTH), 1, 1),
        (whole, (-1, STEPS, WIDTH), 5, 1),
        (merged(0), (BATCH, STEPS, WIDTH), BATCH, BATCH),
        (time_major, (BATCH, STEPS, WIDTH), BATCH, 1),
    ],
)
def test_a_request_holds_the_samples_that_its_outputs_are_known_to_be_cut_into(
    build: Build, shape: Sequence[int], rows: int, count: int
) -> None:
    compiled = compile_model(model(build, shape=shape), Deployment(properties=F32))
    ask = partial(run, compiled.create_infer_request())
    inputs = [np.stack([sample.inputs for sample in frames(rows)])]
    assert samples_in(compiled, ask, inputs, ask(inputs)) == count


def named_rows(width: int, *, count: int = 120) -> list[Sample]:
    random = np.random.default_rng(5)
    return [Sample(random.standard_normal((width, WIDTH)).astype(np.float32), place) for place in range(count)]


@pytest.mark.parametrize("saved", [False, True])
def test_a_batch_that_is_fixed_leaves_the_other_axes_open(tmp_path: Path, saved: bool) -> None:
    """A merged output has no fixed length, and was refused; shapes of a request tell how long it is."""
    net: Any = model(merged_open, shape=(-1, -1, WIDTH))
    data, seen = [*named_rows(6, count=8), *named_rows(3, count=8)], list[Any]()
    expected = [openvino.Core().compile_model(net, "CPU", F32)(np.asarray(sample.inputs)[None])[0] for sample in data]
    if saved:
        openvino.save_model(net, tmp_path / "net.xml", compress_to_fp16=False)
        net = tmp_path / "net.xml"

    def rows(outputs: Any, targets: Sequence[Any]) -> float:
        seen.append(outputs)
        return 1.0

    ovquant.evaluate(net, data=data, metric=rows, properties=F32, batch=BATCH)
    for found, truth in zip(seen[0], expected, strict=True):
        np.testing.assert_allclose(found, truth, rtol=1e-4, atol=1e-5)
    assert {array.shape for array in seen[0]} == {(6, CLASSES), (3, CLASSES)}


def merged_open(x: openvino.Node) -> openvino.Node:
    """[?, ?, 8] → [?, 5], a sample's steps one after the other."""
    return ops.matmul(ops.reshape(x, ops.constant(np.array([-1, WIDTH])), False), weights(0), False, False)


def test_an_output_whose_length_values_decide_is_refused() -> None:
    """Every sample can happen to have one box."""
    net = model(positions, shape=(BATCH, -1))
    data = [Sample(2 * np.eye(6, dtype=np.float32)[place % 6] - 1, 0) for place in range(8)]
    with pytest.raises(ModelError, match=r"output 'scores' has the shape \[.*4 samples"):
        ovquant.evaluate(net, data=data, metric="fidelity", reference=net)


def test_shapes_that_the_model_cannot_take_tell_no_lengths() -> None:
    net = model(merged_open, shape=(-1, -1, WIDTH))
    assert lengths_of(net, ((4, 3, WIDTH),)) == (12,)
    assert lengths_of(net, ((4, 3, WIDTH + 1),)) == (None,)
