"""The models of the fault catalogue: each has one thing that quantizers, compilers or readers have stumbled over."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino
from openvino import opset13 as ops

from ovquant.domain.sample import Sample
from ovquant.errors import CompileError, ModelError

WIDTH, CLASSES, COUNT = 512, 16, 120
Made = tuple[openvino.Model, list[Sample]]


def directions(seed: int = 0, rows: int = WIDTH, columns: int = CLASSES) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)


def rows(count: int = COUNT) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((count, WIDTH)).astype(np.float32)


def head(source: Any, name: str = "scores") -> Any:
    """Return the scores of classes, by one matrix product."""
    found = ops.matmul(source, ops.constant(directions()), False, False)
    found.set_friendly_name(name)
    return found


def port(shape: list[int], dtype: Any = np.float32, name: str = "x") -> Any:
    made = ops.parameter(shape, dtype, name=name)
    made.output(0).get_tensor().set_names({name})
    return made


def model(outputs: list[Any], inputs: list[Any]) -> openvino.Model:
    return openvino.Model([ops.result(output) for output in outputs], inputs, "case")


def right(*extra: np.ndarray) -> list[Sample]:
    """Return samples that `head` of the first input is right about, each with the same further inputs."""
    return [Sample([row, *extra] if extra else row, int((row @ directions()).argmax())) for row in rows()]


def if_body() -> Made:
    """Return a model that runs one of two bodies by a flag, and data that enter both."""
    x, flag = port([-1, WIDTH]), port([], bool, "flag")
    bodies = []
    for factor in (1.0, 2.0):
        inner = ops.parameter([-1, WIDTH], np.float32)
        scaled = ops.multiply(head(inner), np.float32(factor))
        bodies.append((openvino.Model([ops.result(scaled)], [inner], "body"), inner))
    made = ops.if_op(flag)
    for place, (body, _) in enumerate(bodies):
        (made.set_then_body if place == 0 else made.set_else_body)(body)
    then, other = (body for body, _ in bodies)
    made.set_input(x.output(0), bodies[0][1], bodies[1][1])
    chosen = made.set_output(then.results[0], other.results[0])
    data = [Sample([sample.inputs, np.array(bool(place % 2))], sample.target) for place, sample in enumerate(right())]
    return model([chosen], [x, flag]), data


def if_never_entered() -> Made:
    """Return the same with data that enter one of the bodies alone."""
    made, data = if_body()
    return made, [Sample([sample.inputs[0], np.array(True)], sample.target) for sample in data]


def loop_body() -> Made:
    """Return a model that adds its input up three times in a Loop."""
    x = port([1, WIDTH])
    carried = ops.parameter([1, WIDTH], np.float32)
    more = ops.constant(np.array(True))
    total = ops.add(carried, ops.multiply(carried, np.float32(0.5)))
    body = openvino.Model([ops.result(more), ops.result(total)], [carried], "body")
    made = ops.loop(ops.constant(np.int64(3)), ops.constant(np.array(True)))
    made.set_function(body)
    made.set_special_body_ports([-1, 0])
    made.set_merged_input(carried, x.output(0), body.results[1].output(0))
    return model([head(made.get_iter_value(body.results[1].output(0), -1))], [x]), right()


def stateful() -> Made:
    """Return a model that adds to what it was given before."""
    x = port([1, WIDTH])
    read = ops.read_value(ops.constant(np.zeros((1, WIDTH), np.float32)), "memory", np.float32, [1, WIDTH])
    total = ops.add(x, read)
    assign = ops.assign(total, "memory")
    return openvino.Model([ops.result(head(total))], [assign], [x], "case"), right()


def duplicate_names() -> Made:
    """Return a model all of whose operations have one name."""
    x = port([-1, WIDTH])
    made, data = model([head(ops.multiply(ops.multiply(x, np.float32(2)), np.float32(3)))], [x]), right()
    for operation in made.get_ops():
        operation.set_friendly_name("same")
    return made, data


def nothing_to_quantize() -> Made:
    x = port([-1, WIDTH])
    found = ops.softmax(ops.slice(x, [0], [CLASSES], [1], [1]), 1)
    data = [Sample(row, int(row[:CLASSES].argmax())) for row in rows()]
    return model([found], [x]), data


def scalar_input() -> Made:
    x, factor = port([-1, WIDTH]), port([], np.float32, "factor")
    return model([head(ops.multiply(x, factor))], [x, factor]), right(np.float32(2))


def empty_output() -> Made:
    """Return a model one of whose outputs has no elements."""
    x = port([-1, WIDTH])
    return model([head(x), ops.slice(x, [0], [0], [1], [1])], [x]), right()


def dynamic_rank() -> Made:
    x = ops.parameter(openvino.PartialShape.dynamic(), np.float32, name="x")
    x.output(0).get_tensor().set_names({"x"})
    data = [Sample(row[None], int((row @ directions()).argmax())) for row in rows()]
    return model([head(ops.reshape(x, [-1, WIDTH], False))], [x]), data


def string_input() -> Made:
    x, text = port([-1, WIDTH]), ops.parameter([-1], openvino.Type.string, name="text")
    text.output(0).get_tensor().set_names({"text"})
    length = ops.convert(ops.shape_of(text), "f32")
    return model([ops.add(head(x), ops.multiply(length, np.float32(0)))], [x, text]), right(np.array(["words"]))


def whole_numbers() -> Made:
    """Return a model of int64 and bool inputs."""
    ids, mask = port([-1, 8], np.int64, "ids"), port([-1, 8], bool, "mask")
    table = directions(2, 500, 32)
    found = ops.multiply(
        ops.gather(ops.constant(table), ids, 0), ops.unsqueeze(ops.convert(mask, "f32"), np.array([2]))
    )
    found = ops.matmul(ops.reduce_sum(found, np.array([1]), False), ops.constant(directions(3, 32)), False, False)
    random, data = np.random.default_rng(4), []
    for _ in range(COUNT):
        words, kept = random.integers(0, 500, 8), random.random(8) < 0.8
        truth = (table[words] * kept[:, None]).sum(0) @ directions(3, 32)
        data.append(Sample({"ids": words, "mask": kept}, int(truth.argmax())))
    return model([found], [ids, mask]), data


def shared_constant() -> Made:
    """Return a model of two products by the same matrix."""
    x, weights = port([-1, WIDTH]), ops.constant(directions(5, WIDTH, WIDTH) / np.float32(16))
    found = ops.relu(ops.matmul(x, weights, False, False))
    found = head(ops.add(x, ops.multiply(ops.matmul(found, weights, False, False), np.float32(0.001))))
    return model([found], [x]), right()


def further_outputs() -> Made:
    """Return a model of three outputs, of which the second is scored."""
    x = port([-1, WIDTH])
    scores = head(x)
    scores.output(0).get_tensor().set_names({"scores"})
    return model([ops.relu(x), scores, ops.reduce_sum(x, np.array([1]), False)], [x]), right()


def of_first(outputs: Any, targets: Any) -> Any:
    """Score the first output."""
    found = next(iter(outputs.values())) if isinstance(outputs, dict) else outputs[0]
    return float((np.asarray(found).argmax(1) == np.asarray(targets)).mean())


def of_second(outputs: Any, targets: Any) -> Any:
    """Score the second output."""
    found = list(outputs.values())[1] if isinstance(outputs, dict) else outputs[1]
    return float((np.asarray(found).argmax(1) == np.asarray(targets)).mean())


BOTH = "a body of one of its If operations is entered by no calibration sample"
Outcome = str | tuple[type[Exception], str]
MODELS: dict[str, tuple[Callable[[], Made], Any, Outcome, str]] = {
    "If": (if_body, "accuracy", "met", ""),
    "If with a body that no sample enters": (if_never_entered, "accuracy", "float", BOTH),
    "Loop": (loop_body, "accuracy", "met", ""),
    "stateful": (stateful, "accuracy", "met", ""),
    "duplicate names": (duplicate_names, "accuracy", "met", ""),
    "nothing to quantize": (nothing_to_quantize, "accuracy", "float", ""),
    "0-d input": (scalar_input, "accuracy", "met", ""),
    "empty output": (empty_output, of_first, "met", ""),
    "dynamic rank": (
        dynamic_rank,
        "accuracy",
        (CompileError, r"Fix the shape of its input with --input-shape x\["),
        "",
    ),
    "string input": (string_input, "accuracy", (ModelError, "'text' is of the type string"), ""),
    "int64 and bool inputs": (whole_numbers, "accuracy", "met", ""),
    "shared constant": (shared_constant, "accuracy", "met", ""),
    "several outputs": (further_outputs, of_second, "met", ""),
}
"""By what is odd: model and data, the metric, the verdict or the error, and what the problem of the only trial says."""
