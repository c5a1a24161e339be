"""Small float models with the shapes that make quantization hard: biases, branches, recurrence, control flow."""

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops


def weights(shape: tuple[int, ...], seed: int, scale: float = 0.3) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def convolution(source: openvino.Node, channels: tuple[int, int], seed: int, name: str) -> openvino.Node:
    kernel = ops.constant(weights((*channels[::-1], 3, 3), seed))
    made = ops.convolution(source, kernel, [1, 1], [1, 1], [1, 1], [1, 1])
    made.set_friendly_name(name)
    return made


@pytest.fixture(scope="session")
def branched() -> openvino.Model:
    """Two convolutions with biases, one without, a residual addition and a matrix product at the end."""
    image = ops.parameter([-1, 3, 16, 16], np.float32, name="image")
    first = ops.relu(ops.add(convolution(image, (3, 8), 0, "first"), ops.constant(weights((1, 8, 1, 1), 1))))
    second = ops.add(convolution(first, (8, 8), 2, "second"), ops.constant(weights((1, 8, 1, 1), 3)))
    joined = ops.relu(ops.add(first, second))
    third = ops.relu(convolution(joined, (8, 8), 4, "third"))
    pooled = ops.reduce_mean(third, ops.constant(np.array([2, 3])), keep_dims=False)
    scores = ops.matmul(pooled, ops.constant(weights((8, 5), 5)), transpose_a=False, transpose_b=False)
    scores.set_friendly_name("scores")
    return named(openvino.Model([scores], [image], "branched"), "image")


@pytest.fixture(scope="session")
def recurrent() -> openvino.Model:
    """An LSTM over a sequence, and a matrix product."""
    hidden, width = 16, 8
    sequence = ops.parameter([1, 12, width], np.float32, name="sequence")
    zeros = ops.constant(np.zeros((1, 1, hidden), np.float32))
    lstm = ops.lstm_sequence(
        sequence,
        zeros,
        zeros,
        ops.constant(np.array([12], np.int32)),
        ops.constant(weights((1, 4 * hidden, width), 6)),
        ops.constant(weights((1, 4 * hidden, hidden), 7)),
        ops.constant(weights((1, 4 * hidden), 8)),
        hidden,
        "forward",
    )
    flat = ops.reshape(lstm.output(0), ops.constant(np.array([1, -1])), special_zero=False)
    scores = ops.matmul(flat, ops.constant(weights((12 * hidden, 4), 9)), transpose_a=False, transpose_b=False)
    return named(openvino.Model([scores], [sequence], "recurrent"), "sequence")


@pytest.fixture(scope="session")
def conditional() -> openvino.Model:
    """A convolution, then one of two convolutions, chosen by the input's mean."""
    image = ops.parameter([1, 3, 8, 8], np.float32, name="image")
    features = ops.relu(convolution(image, (3, 4), 10, "stem"))
    bright = ops.greater(
        ops.reduce_mean(image, ops.constant(np.array([0, 1, 2, 3])), keep_dims=False), ops.constant(np.float32(0))
    )
    bodies = []
    for seed in (11, 12):
        inner = ops.parameter([1, 4, 8, 8], np.float32)
        bodies.append(
            (inner, openvino.Model([ops.result(convolution(inner, (4, 4), seed, f"body{seed}"))], [inner], f"b{seed}"))
        )
    choice = ops.if_op(bright.output(0))
    choice.set_then_body(bodies[0][1])
    choice.set_else_body(bodies[1][1])
    choice.set_input(features.output(0), bodies[0][0], bodies[1][0])
    result = choice.set_output(bodies[0][1].get_results()[0], bodies[1][1].get_results()[0])
    return named(openvino.Model([result], [image], "conditional"), "image")


@pytest.fixture(scope="session")
def language() -> openvino.Model:
    """An embedding whose weight the last matrix product shares, and three gated blocks between them."""
    ids = ops.parameter([-1, -1], np.int64, name="ids")
    table = ops.constant(weights((100, 64), 20, 1.0))
    state = ops.gather(table, ids, ops.constant(np.int64(0)))
    state.set_friendly_name("embedding")
    for block in range(3):
        up, gate = (
            product(state, (64, 128), 30 + 10 * block + place, f"{name}{block}")
            for place, name in enumerate(("up", "gate"))
        )
        down = product(ops.multiply(ops.swish(gate), up), (128, 64), 32 + 10 * block, f"down{block}")
        state = ops.add(state, down)
    scores = ops.matmul(state, table, transpose_a=False, transpose_b=True)
    scores.set_friendly_name("head")
    return named(openvino.Model([scores], [ids], "language"), "ids")


def product(source: openvino.Node, channels: tuple[int, int], seed: int, name: str) -> openvino.Node:
    matrix = ops.constant(weights(channels[::-1], seed, 0.1))
    made = ops.matmul(source, matrix, transpose_a=False, transpose_b=True)
    made.set_friendly_name(name)
    return made


def texts(count: int = 12) -> list[list[np.ndarray]]:
    """Requests of `language`."""
    random = np.random.default_rng(0)
    return [[random.integers(0, 100, (1, 10))] for _ in range(count)]


def named(model: openvino.Model, name: str) -> openvino.Model:
    model.inputs[0].get_tensor().set_names({name})
    model.outputs[0].get_tensor().set_names({"scores"})
    return model


def requests(model: openvino.Model, count: int = 20) -> list[list[np.ndarray]]:
    shape = [1 if axis.is_dynamic else axis.get_length() for axis in model.inputs[0].get_partial_shape()]
    return [[weights(tuple(shape), 100 + index, 1.0)] for index in range(count)]


def outputs(model: openvino.Model, inputs: list[list[np.ndarray]]) -> np.ndarray:
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.stack([compiled(item)[0] for item in inputs])
