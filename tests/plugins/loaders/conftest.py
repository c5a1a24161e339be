"""Real small model files, written by the tests themselves."""

from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13


@pytest.fixture
def small_model() -> openvino.Model:
    """x[?,3,8,8] → global mean → [?,3] times a matrix → y[?,2]."""
    x = opset13.parameter([-1, 3, 8, 8], np.float32, name="x")
    x.output(0).set_names({"x"})
    mean = opset13.reduce_mean(x, opset13.constant(np.array([2, 3], np.int64)), keep_dims=False)
    y = opset13.matmul(mean, opset13.constant(np.arange(6, dtype=np.float32).reshape(3, 2)), False, False)
    y.output(0).set_names({"y"})
    return openvino.Model([opset13.result(y)], [x], "small")


@pytest.fixture
def two_inputs() -> openvino.Model:
    """a[1,4] + b[1,4] → [1,4]."""
    a, b = (opset13.parameter([1, 4], np.float32, name=name) for name in ("a", "b"))
    a.output(0).set_names({"a"})
    b.output(0).set_names({"b"})
    return openvino.Model([opset13.result(opset13.add(a, b))], [a, b], "sum")


@pytest.fixture
def ir(tmp_path: Path, small_model: openvino.Model) -> Path:
    """Path of the small model as an .xml with its .bin."""
    path = tmp_path / "small.xml"
    openvino.save_model(small_model, path)
    return path
