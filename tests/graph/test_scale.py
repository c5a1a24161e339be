"""Whether a model scales what comes in."""

from collections.abc import Callable

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.graph.scale import scales

HALF = ops.constant(np.float32(0.5))
Step = Callable[[openvino.Node], openvino.Node]


def turned(port: openvino.Node) -> openvino.Node:
    return ops.transpose(port, ops.constant([0, 3, 1, 2]))


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (lambda port: ops.subtract(port, HALF), True),
        (lambda port: ops.multiply(turned(port), HALF), True),
        (lambda port: ops.divide(ops.convert(port, np.float16), ops.constant(np.float16(2))), True),
        (ops.relu, False),
        (lambda port: ops.subtract(ops.relu(turned(port)), HALF), False),
        (lambda port: ops.add(port, ops.relu(port)), False),
    ],
)
def test_the_first_computation_decides(step: Step, expected: bool) -> None:
    port = ops.parameter([1, 8, 8, 3], np.float32)
    model = openvino.Model([step(port)], [port], "net")
    assert scales(model.inputs[0]) is expected
