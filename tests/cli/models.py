"""Small real models and data whose labels are the float model's own answers, so that accuracy means something."""

from pathlib import Path

import numpy as np
import openvino
from openvino import opset13 as ops

CLASSES = 5


def weights(shape: tuple[int, ...], seed: int, scale: float) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def _convolution(source: openvino.Node, channels: tuple[int, int], seed: int, name: str) -> openvino.Node:
    kernel = ops.constant(weights((*channels[::-1], 3, 3), seed, 1.4 / (3 * channels[0] ** 0.5)))
    made = ops.convolution(source, kernel, [1, 1], [1, 1], [1, 1], [1, 1])
    made.set_friendly_name(name)
    return ops.relu(made)


def _named(model: openvino.Model, *names: str) -> openvino.Model:
    for port, name in zip(model.inputs, names, strict=True):
        port.get_tensor().set_names({name})
    model.outputs[0].get_tensor().set_names({"scores"})
    return model


def image_net(width: int = 64, size: int = 28, *, dynamic: bool = False) -> openvino.Model:
    """image[1,3,size,size] → four convolutions → scores[1,5]; wide enough for int8 to pay."""
    side = -1 if dynamic else size
    image = ops.parameter([-1 if dynamic else 1, 3, side, side], np.float32, name="image")
    node = _convolution(image, (3, width), 0, "stem")
    for number in range(1, 4):
        node = _convolution(node, (width, width), number, f"block{number}")
    pooled = ops.reduce_mean(node, ops.constant(np.array([2, 3])), keep_dims=False)
    scores = ops.matmul(pooled, ops.constant(weights((width, CLASSES), 9, 1.0)), transpose_a=False, transpose_b=False)
    scores.set_friendly_name("scores")
    return _named(openvino.Model([scores], [image], "net"), "image")


def pair_net(width: int = 512) -> openvino.Model:
    """left[1,64] and right[1,64] → two matrix products → scores[1,5]; nothing about it is an image."""
    left, right = (ops.parameter([1, 64], np.float32, name=name) for name in ("left", "right"))
    joined = ops.concat([left, right], 1)
    hidden = ops.relu(ops.matmul(joined, ops.constant(weights((128, width), 1, 0.1)), False, False))
    hidden = ops.relu(ops.matmul(hidden, ops.constant(weights((width, width), 2, 0.06)), False, False))
    scores = ops.matmul(hidden, ops.constant(weights((width, CLASSES), 3, 0.1)), False, False)
    return _named(openvino.Model([scores], [left, right], "pair"), "left", "right")


def answers(model: openvino.Model, rows: list[list[np.ndarray]]) -> np.ndarray:
    """Return the class that a model picks for each row of inputs."""
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.array([int(np.argmax(compiled(row)[0])) for row in rows])


def centred(model: openvino.Model, rows: list[list[np.ndarray]]) -> openvino.Model:
    """Subtract the mean scores, so that the classes are about equally frequent."""
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    mean = np.mean([compiled(row)[0] for row in rows], axis=0)
    scores = ops.subtract(model.output(0).get_node().input_value(0), ops.constant(mean.astype(np.float32)))
    return _named(openvino.Model([scores], model.get_parameters(), model.get_friendly_name()), *[
        port.get_any_name() for port in model.inputs
    ])


def write(folder: Path, model: openvino.Model, arrays: dict[str, np.ndarray]) -> tuple[Path, Path]:
    """Write a model and its data with labels, and return both paths."""
    rows = [[values[index][None] for values in arrays.values()] for index in range(len(next(iter(arrays.values()))))]
    model = centred(model, rows[:100])
    path, data = folder / f"{model.get_friendly_name()}.xml", folder / f"{model.get_friendly_name()}.npz"
    openvino.save_model(model, path, compress_to_fp16=False)
    np.savez(data, **arrays, targets=answers(model, rows))
    return path, data
