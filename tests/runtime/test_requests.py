"""How many samples a request holds is told by the shape of a sample: its axes are not taken for a batch because inputs share them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

import ovquant
from ovquant import Sample
from ovquant.errors import DataError
from ovquant.runtime import Deployment, Requests, batched_names, compile_model, filling_of, infer, request, requests_of
from tests.runtime.test_fit import model

F32 = {"INFERENCE_PRECISION_HINT": "f32"}
POINTS, STEPS = 256, 20


def weights(*shape: int) -> openvino.Node:
    return ops.constant(np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32) / 4)


def port(name: str, *shape: int) -> openvino.Node:
    made = ops.parameter(list(shape), np.float32, name=name)
    made.output(0).get_tensor().set_names({name})
    return made


def cloud(kind: str) -> openvino.Model:
    """[256, 3] and [256, 1] → a row for each point, one row, or scores without a batch axis."""
    points, features = port("points", POINTS, 3), port("features", POINTS, 1)
    hidden = ops.relu(ops.matmul(ops.concat([points, features], 1), weights(4, 32), False, False))
    if kind != "points":
        hidden = ops.reduce_max(hidden, ops.constant(np.array([0])), kind == "row")
    scores = ops.matmul(hidden, weights(32, 10), False, False)
    return openvino.Model([scores], [points, features], "cloud")


def clouds(count: int) -> list[Sample]:
    random = np.random.default_rng(1)
    shapes = {"points": (POINTS, 3), "features": (POINTS, 1)}
    return [
        Sample({name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}, place % 10)
        for place in range(count)
    ]


def steps() -> openvino.Model:
    """[20, 1, 8] and [20, 1, 16], a step after the other → [1, 10] and [20, 1, 16]."""
    x, gates = port("x", STEPS, 1, 8), port("gates", STEPS, 1, 16)
    hidden = ops.multiply(ops.relu(ops.matmul(x, weights(8, 16), False, False)), gates)
    last = ops.reduce_mean(hidden, ops.constant(np.array([0])), False)
    made = openvino.Model([ops.matmul(last, weights(16, 10), False, False), hidden], [x, gates], "steps")
    for output, name in zip(made.outputs, ("scores", "hidden"), strict=True):
        output.get_tensor().set_names({name})
    return made


def sequences(count: int) -> list[Sample]:
    random = np.random.default_rng(1)
    shapes = {"x": (STEPS, 1, 8), "gates": (STEPS, 1, 16)}
    return [
        Sample({name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}, place % 10)
        for place in range(count)
    ]


def image(batch: int) -> openvino.Model:
    """[batch, 3, 8, 8], [5] and a scalar → [batch, 10]."""
    x, gains, scale = port("x", batch, 3, 8, 8), port("gains", 5), port("scale")
    hidden = ops.relu(ops.convolution(x, weights(5, 3, 3, 3), [1, 1], [0, 0], [0, 0], [1, 1]))
    gained = ops.multiply(hidden, ops.reshape(gains, ops.constant(np.array([1, 5, 1, 1])), False))
    pooled = ops.reduce_mean(ops.multiply(gained, scale), ops.constant(np.array([2, 3])), False)
    return openvino.Model([ops.matmul(pooled, weights(5, 10), False, False)], [x, gains, scale], "image")


def images(count: int, *, scales: Sequence[float] = (1.0,)) -> list[Sample]:
    random = np.random.default_rng(1)
    return [
        Sample(
            {
                "x": random.standard_normal((3, 8, 8)).astype(np.float32),
                "gains": np.arange(5, dtype=np.float32),
                "scale": np.float32(scales[place % len(scales)]),  # type: ignore[dict-item]
            },
            place % 10,
        )
        for place in range(count)
    ]


def calibrated(net: openvino.Model, data: Sequence[Sample], **options: Any) -> tuple[Any, int]:
    """Quantize by one recipe, and return the result and how many requests calibrated it."""
    seen = dict[str, int]()
    how = {"strategy": "first", "recipes": ["default"], "optimize": "size", "properties": F32, "isolate": False}
    found = ovquant.quantize(
        net,
        data=data,
        metric="fidelity",
        max_drop=0.5,
        progress=lambda what, done, total: seen.update({what: total}),
        **{**how, **options},
    )
    return found, seen["calibrating"]


def outputs_seen(net: openvino.Model, data: Sequence[Sample], **options: Any) -> Any:
    """Return the outputs that a metric of all samples is given."""
    seen = list[Any]()

    def right(outputs: Any, targets: Sequence[Any]) -> float:
        assert targets == [sample.target for sample in data]
        seen.append(
            {name: np.array(column) for name, column in outputs.items()} if isinstance(outputs, dict) else outputs
        )
        return float(len(targets))

    assert ovquant.evaluate(net, data=data, metric=right, properties=F32, **options).evaluation.score == len(data)
    return seen[0]


def plainly(net: openvino.Model, sample: Sample) -> list[np.ndarray]:
    assert isinstance(sample.inputs, dict)
    compiled = openvino.Core().compile_model(net, "CPU", F32)
    return [np.array(value) for value in compiled(sample.inputs).values()]


@pytest.mark.parametrize(("net", "data"), [(cloud("row"), clouds(120)), (steps(), sequences(120))])
def test_a_sample_of_the_whole_shape_is_a_request_of_its_own(net: openvino.Model, data: list[Sample]) -> None:
    """Clouds of 256 points each made one request of 60 samples."""
    found, count = calibrated(net, data)
    assert found.trials[0].problem == ""
    assert count == 60


@pytest.mark.parametrize(("kind", "one"), [("points", (POINTS, 10)), ("flat", (10,))])
def test_a_cloud_has_its_own_output(kind: str, one: tuple[int, ...]) -> None:
    data, net = clouds(5), cloud(kind)
    found = outputs_seen(net, data)
    assert isinstance(found, list)
    assert [array.shape for array in found] == [one] * 5
    for sample, array in zip(data, found, strict=True):
        np.testing.assert_allclose(array, plainly(net, sample)[0], rtol=1e-5, atol=1e-6)


def test_an_output_of_one_row_is_stacked_as_that_of_a_batch_of_one() -> None:
    data, net = clouds(5), cloud("row")
    found = outputs_seen(net, data)
    assert found.shape == (5, 10)
    np.testing.assert_allclose(found[3], plainly(net, data[3])[0][0], rtol=1e-5, atol=1e-6)
    several = outputs_seen(steps(), sequences(5))
    assert several["scores"].shape == (5, 10)
    assert several["hidden"].shape == (5, STEPS, 1, 16)


def test_clouds_are_scored_by_their_targets() -> None:
    data, net = clouds(30), cloud("row")
    labels = [int(plainly(net, sample)[0].argmax()) for sample in data]
    labelled = [Sample(sample.inputs, label) for sample, label in zip(data, labels, strict=True)]
    assert ovquant.evaluate(net, data=labelled, metric="accuracy", properties=F32).evaluation.items == (1.0,) * 30


@pytest.mark.parametrize("batch", [1, -1])
def test_a_scalar_and_an_input_without_a_batch_lie_beside_an_image(batch: int) -> None:
    data, net = images(120, scales=(1, 2)), image(batch)
    found, count = calibrated(net, data)
    assert found.trials[0].problem == ""
    assert count == 60
    assert outputs_seen(net, data).shape == (120, 10)


@pytest.mark.parametrize("options", [{}, {"batch": 4}])
def test_samples_share_the_inputs_that_have_no_row_for_each(options: dict[str, int]) -> None:
    data, net = images(102), image(-1 if options else 4)
    found, count = calibrated(net, data, **options)
    assert found.trials[0].problem == ""
    assert count == 12
    expected = outputs_seen(image(1), data)
    np.testing.assert_allclose(outputs_seen(net, data, **options), expected, rtol=1e-5, atol=1e-6)


def test_samples_that_cannot_share_an_input_are_named() -> None:
    with pytest.raises(DataError, match=r"4 samples, which share the input 'scale'.*sample 1 .* sample 0.*--batch 1"):
        ovquant.evaluate(image(4), data=images(8, scales=(1, 2)), metric="fidelity", reference=image(4))


def test_samples_of_two_kinds_are_told_apart() -> None:
    ports, rows = model([4, 2]).inputs, [Sample(np.zeros(2)), Sample(np.zeros((4, 2)))]
    assert filling_of(ports, rows).size == 4
    assert filling_of(ports, rows[::-1]).size == 1
    with pytest.raises(DataError, match="Of sample 1 a request holds 1, and 4 of the first sample"):
        request(ports, rows, 0, filling_of(ports, rows))
    with pytest.raises(DataError, match="Of sample 1 a request holds 4, and 1 of the first sample"):
        request(ports, rows[::-1], 1, filling_of(ports, rows[::-1]))


def test_inputs_that_take_different_numbers_of_samples_are_named() -> None:
    with pytest.raises(DataError, match="takes 4 of 'in0', 8 of 'in1'"):
        filling_of(model([4, 2], [8, 3]).inputs, [Sample([np.zeros(2), np.zeros(3)])])
    assert filling_of(model([4, 2], [8, 3]).inputs, [Sample([np.zeros((4, 2)), np.zeros((8, 3))])]).size == 1


def test_sizes_that_one_request_cannot_hold_are_named() -> None:
    net = model([4, -1])
    data = [Sample(np.zeros(2)), Sample(np.zeros(3))]
    with pytest.raises(
        DataError, match=r"4 samples.*'in0' sample 0 has the shape \[1, 2\] and sample 1 \[1, 3\].*--batch 1"
    ):
        list(infer(compile_model(net, Deployment()), data))


def test_a_dynamic_first_axis_is_filled_with_the_others() -> None:
    ports = model([4, 2], [-1, 3], [1, 5], [-1, 6]).inputs
    data = [Sample([np.full(size, place) for size in (2, 3)] + [np.zeros(5), np.zeros((7, 6))]) for place in range(4)]
    filling = filling_of(ports, data)
    assert filling.joined == (True, True, False, False)
    assert [array.shape for array in request(ports, data, 0, filling)] == [(4, 2), (4, 3), (1, 5), (7, 6)]


def test_a_static_batch_is_filled_going_round() -> None:
    ports, data = model([4, 2]).inputs, [Sample(np.full(2, index)) for index in range(3)]
    (array,) = request(ports, data, 0, filling_of(ports, data))
    assert array[:, 0].tolist() == [0, 1, 2, 0]


def test_a_dataset_is_read_as_whole_requests_of_a_static_batch() -> None:
    ports, told = model([4, 2]).inputs, list[tuple[int, int]]()
    data = [Sample(np.full(2, index)) for index in range(10)]
    requests = Requests(ports, data, lambda done, total: told.append((done, total)))
    assert [array[:, 0].tolist() for (array,) in requests] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert told == [(1, 2), (2, 2)]
    assert [array[:, 0].tolist() for (array,) in Requests(ports, data[:3], lambda *_: None)] == [[0, 1, 2, 0]]


def test_a_few_requests_are_taken_for_timing() -> None:
    compiled = compile_model(model([4, 2]), Deployment())
    rows, whole = [Sample(np.full(2, index)) for index in range(10)], [Sample(np.zeros((4, 2)))] * 10
    assert [len(requests_of(compiled, data, count)) for data in (rows, whole) for count in (2, 16)] == [2, 3, 2, 10]


def test_outputs_of_a_full_request_are_named_by_its_size() -> None:
    compiled = compile_model(cloud("points"), Deployment())
    arrays = [np.zeros((POINTS, 3)), np.zeros((POINTS, 1))]
    name = compiled.outputs[0].node.get_friendly_name()
    assert batched_names(compiled, [arrays]) == frozenset()
    assert len(batched_names(compiled, [arrays], size=POINTS)) == 1, name


def test_batches_of_a_loader_are_counted_as_samples() -> None:
    torch = pytest.importorskip("torch")
    from torch.utils.data import DataLoader, TensorDataset

    x = port("x", 8, 6)
    net = openvino.Model([ops.matmul(x, weights(6, 10), False, False)], [x], "rows")
    rows = torch.randn(120, 6, generator=torch.Generator().manual_seed(0))
    expected = openvino.Core().compile_model(net, "CPU", F32)
    targets = torch.cat([torch.tensor(expected(rows[at : at + 8].numpy())[0].argmax(1)) for at in range(0, 120, 8)])
    loader = DataLoader(TensorDataset(rows, targets), batch_size=8)
    assert ovquant.evaluate(net, data=loader, metric="accuracy", properties=F32).evaluation.items == (1.0,) * 120
    assert calibrated(net, loader)[1] == 7  # type: ignore[arg-type]
