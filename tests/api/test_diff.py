"""The operation that is to blame is found where a fault was planted, and where a device computes less exactly."""

from collections.abc import Callable
from typing import Any

import nncf
import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

import ovquant
from ovquant.domain.sample import Sample
from ovquant.errors import ModelError, UsageError
from tests.decoders import SMALL, decoder

RANDOM = np.random.default_rng(0)
F32 = {"INFERENCE_PRECISION_HINT": "f32"}


def weights(*shape: int) -> openvino.Node:
    return ops.constant((RANDOM.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32))


def named(node: openvino.Node, name: str) -> openvino.Node:
    node.set_friendly_name(name)
    return node


def convolutions() -> openvino.Model:
    """A residual net of convolutions, one of them depthwise."""
    image = ops.parameter([1, 3, 16, 16], np.float32, name="image")
    image.output(0).get_tensor().set_names({"image"})
    value: Any = named(ops.convolution(image, weights(8, 3, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1]), "stem")
    for place in range(3):
        grouped = ops.group_convolution(ops.relu(value), weights(8, 1, 1, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1])
        widened = named(grouped, f"depthwise.{place}")
        pointwise = ops.convolution(widened, weights(8, 8, 1, 1), [1, 1], [0, 0], [0, 0], [1, 1])
        value = ops.add(value, named(pointwise, f"pointwise.{place}"))
    pooled = ops.reduce_mean(value, ops.constant(np.int64([2, 3])))
    return openvino.Model([ops.result(named(ops.matmul(pooled, weights(8, 5), False, False), "head"))], [image], "net")


def recurrent() -> openvino.Model:
    """Two layers of products around an LSTM."""
    steps = ops.parameter([1, 7, 6], np.float32, name="steps")
    steps.output(0).get_tensor().set_names({"steps"})
    first = named(ops.matmul(steps, weights(6, 8), False, False), "first")
    zeros = ops.constant(np.zeros((1, 1, 8), np.float32))
    cell = ops.lstm_sequence(
        ops.tanh(first),
        zeros,
        zeros,
        ops.constant(np.int64([7])),
        ops.constant(RANDOM.standard_normal((1, 32, 8)).astype(np.float32) / 3),
        ops.constant(RANDOM.standard_normal((1, 32, 8)).astype(np.float32) / 3),
        ops.constant(np.zeros((1, 32), np.float32)),
        8,
        "forward",
    )
    last = ops.squeeze(cell.output(0), ops.constant(np.int64([1])))
    return openvino.Model([ops.result(named(ops.matmul(last, weights(8, 4), False, False), "last"))], [steps], "rnn")


def language() -> openvino.Model:
    return decoder(stateful=False)


def rounded(model: openvino.Model, name: str, bits: int = 3) -> openvino.Model:
    """Return a copy in which the weights of one layer are rounded to few bits."""
    copy = model.clone()
    layer = next(item for item in copy.get_ordered_ops() if item.get_friendly_name() == name)
    constant = layer.input_value(1).get_node()
    values = np.array(constant.data, np.float32)
    step = 2 * np.abs(values).max() / (2**bits - 1)
    other = ops.constant((np.round(values / step) * step).astype(np.float32))
    layer.input(1).replace_source_output(other.output(0))
    return copy


def images() -> list[Sample]:
    return [Sample({"image": row}) for row in RANDOM.standard_normal((6, 3, 16, 16)).astype(np.float32)]


def sequences() -> list[Sample]:
    return [Sample({"steps": row}) for row in RANDOM.standard_normal((6, 7, 6)).astype(np.float32)]


def texts() -> list[Sample]:
    return [Sample({"input_ids": row}) for row in RANDOM.integers(0, SMALL.vocab_size, (6, 9))]


@pytest.mark.parametrize(
    ("build", "data", "layer"),
    [
        (convolutions, images, "depthwise.1"),
        (convolutions, images, "pointwise.0"),
        (recurrent, sequences, "last"),
        (language, texts, "model.layers.1.mlp.up_proj"),
    ],
)
def test_a_planted_fault_is_found(build: Callable[[], Any], data: Callable[[], list[Sample]], layer: str) -> None:
    model = build()
    # In bf16 the others were off too.
    found = ovquant.diff(model, rounded(model, layer), data=data(), samples=4, properties=F32)
    first, *others = found.blamed
    assert first.name == layer
    assert first.share == pytest.approx(1, abs=1e-3)
    assert all(fault.own < first.own / 100 for fault in others)
    # What comes before it is right, and what comes behind is off by what came to it.
    place = [fault.name for fault in found.operations].index(layer)
    assert max((fault.so_far for fault in found.operations[:place]), default=0.0) < first.own / 100
    assert found.outputs > 0
    assert found.samples == 4


def test_the_errors_of_a_quantized_model_are_shared_out() -> None:
    model, data = convolutions(), images()
    rows = nncf.Dataset([{"image": sample.inputs["image"][None]} for sample in data])  # type: ignore[call-overload, index]
    found = ovquant.diff(model, nncf.quantize(model, rows), data=data)
    names = {fault.name for fault in found.operations}
    assert {"stem", "depthwise.0", "pointwise.2", "head"} <= names
    assert sum(fault.share or 0.0 for fault in found.operations) == pytest.approx(1)
    assert 0 < found.outputs < 0.2


def test_a_model_is_the_same_as_itself() -> None:
    model = recurrent()
    found = ovquant.diff(model, model, data=sequences(), other_properties=F32)
    assert found.outputs == 0
    assert {fault.own for fault in found.operations} == {0.0}
    assert {fault.effect for fault in found.operations} == {None}


def test_what_cannot_be_compared_is_refused() -> None:
    other = ops.parameter([1, 4], np.float32, name="x")
    strange = openvino.Model([ops.result(named(ops.relu(other), "elsewhere"))], [other], "strange")
    with pytest.raises(UsageError, match="share no operations by name"):
        ovquant.diff(convolutions(), strange, data=images())
    with pytest.raises(ModelError, match="keep state are not taken apart"):
        ovquant.diff(decoder(), decoder(), data=texts())
    with pytest.raises(UsageError, match="samples is 0"):
        ovquant.diff(convolutions(), convolutions(), data=images(), samples=0)
