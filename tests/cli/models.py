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


def _named(model: openvino.Model, inputs: list[str]) -> openvino.Model:
    for port, name in zip(model.inputs, inputs, strict=True):
        port.get_tensor().set_names({name})
    model.outputs[0].get_tensor().set_names({"scores"})
    return model


def image_net(width: int = 32, *, dynamic: bool = False) -> openvino.Model:
    """image[1,3,16,16] → four convolutions → features; `dynamic` leaves batch, height and width open."""
    shape = [-1, 3, -1, -1] if dynamic else [1, 3, 16, 16]
    image = ops.parameter(shape, np.float32, name="image")
    node = _convolution(image, (3, width), 0, "stem")
    for number in range(1, 4):
        node = _convolution(node, (width, width), number, f"block{number}")
    pooled = ops.adaptive_avg_pool(node, ops.constant(np.array([4, 4])))
    features = ops.reshape(pooled, ops.constant(np.array([0, width * 16])), special_zero=True)
    return _named(openvino.Model([features], [image], "dynamic" if dynamic else "net"), ["image"])


def pair_net(width: int = 64) -> openvino.Model:
    """left[1,4,48] and right[1,4,48], two signals → convolutions along time → features."""
    left, right = (ops.parameter([1, 4, 48], np.float32, name=name) for name in ("left", "right"))
    node = ops.concat([left, right], 1)
    for number, channels in enumerate((8, width, width)):
        kernel = ops.constant(weights((width, channels, 5), number, 0.6 / channels**0.5))
        node = ops.relu(ops.convolution(node, kernel, [2], [2], [2], [1]))
        node.input_value(0).get_node().set_friendly_name(f"filter{number}")
    features = ops.reshape(node, ops.constant(np.array([0, width * 6])), special_zero=True)
    return _named(openvino.Model([features], [left, right], "pair"), ["left", "right"])


def samples(shape: tuple[int, ...], count: int, seed: int) -> np.ndarray:
    """Return samples around one centre per class, the classes in turn."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((CLASSES, *shape))
    noise = random.standard_normal((count, *shape)) * 0.5
    return (centres[np.arange(count) % CLASSES] + noise).astype(np.float32)


def outputs(model: openvino.Model, rows: list[list[np.ndarray]]) -> np.ndarray:
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.concatenate([compiled(row)[0] for row in rows])


def classifier(model: openvino.Model, rows: list[list[np.ndarray]]) -> openvino.Model:
    """Put a head behind the features that picks the nearest class centre."""
    features = outputs(model, rows)
    centres = np.stack([features[number::CLASSES].mean(axis=0) for number in range(CLASSES)])
    middle = centres.mean(axis=0)
    directions = ((centres - middle) / np.linalg.norm(centres - middle, axis=1, keepdims=True)).astype(np.float32)
    centred = ops.subtract(model.get_results()[0].input_value(0), ops.constant(middle[None].astype(np.float32)))
    scores = ops.matmul(centred, ops.constant(directions), transpose_a=False, transpose_b=True)
    scores.set_friendly_name("head")
    names = [port.get_any_name() for port in model.inputs]
    return _named(openvino.Model([scores], model.get_parameters(), model.get_friendly_name()), names)


def write(folder: Path, features: openvino.Model, arrays: dict[str, np.ndarray]) -> tuple[Path, Path]:
    """Write a classifier and its data, whose labels are the classifier's own answers, and return both paths."""
    rows = [[values[index][None] for values in arrays.values()] for index in range(len(next(iter(arrays.values()))))]
    model = classifier(features, rows)
    path, data = (folder / f"{model.get_friendly_name()}{suffix}" for suffix in (".xml", ".npz"))
    openvino.save_model(model, path, compress_to_fp16=False)
    np.savez(data, **arrays, targets=outputs(model, rows).argmax(axis=1))
    return path, data
