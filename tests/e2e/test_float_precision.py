"""A net that loses its accuracy where float is computed in bf16: layers of it are kept in f32, and the rest is not."""

from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

import ovquant
from ovquant.runtime.devices import executed

SHIFT, CHANNELS = 1000.0, 64
BF16 = {"INFERENCE_PRECISION_HINT": "bf16"}


def net() -> openvino.Model:
    """Read small signals on a large constant, as of a sensor: what bf16 rounds away before it is subtracted."""
    random = np.random.default_rng(0)

    def kernel(inputs: int) -> openvino.Node:
        values = random.standard_normal((CHANNELS, inputs, 3, 3)) * (2 / (9 * inputs)) ** 0.5
        return ops.constant(values.astype(np.float32))

    signal = ops.parameter([-1, 3, 32, 32], np.float32, name="signal")
    signal.output(0).set_names({"signal"})
    value = ops.subtract(signal, ops.constant(np.full((1, 3, 1, 1), SHIFT, np.float32)), name="centred")
    for place, inputs in enumerate((3, CHANNELS, CHANNELS, CHANNELS)):
        made = ops.convolution(value, kernel(inputs), [1, 1], [1, 1], [1, 1], [1, 1], name=f"convolution {place}")
        value = ops.relu(made)
    pooled = ops.reduce_mean(value, ops.constant(np.array([2, 3])), keep_dims=False, name="pooled")
    head = ops.constant(random.standard_normal((CHANNELS, 10)).astype(np.float32))
    centre = ops.constant(np.zeros(10, np.float32))
    model = openvino.Model([ops.add(ops.matmul(pooled, head, False, False, name="head"), centre)], [signal], "sensor")
    model.outputs[0].get_tensor().set_names({"scores"})
    return model


def signals(count: int) -> np.ndarray:
    random = np.random.default_rng(1)
    patterns = random.standard_normal((10, 3, 32, 32))
    rows = patterns[random.integers(0, 10, count)] + 0.5 * random.standard_normal((count, 3, 32, 32))
    return (SHIFT + rows).astype(np.float32)


def test_one_operation_in_f32_is_enough(tmp_path: Path) -> None:
    model, core = net(), openvino.Core()
    if not any(item.precision == "bf16" for item in executed(core.compile_model(model, "CPU", BF16))):
        pytest.skip("a processor that computes nothing in bf16")
    data = [ovquant.Sample(row) for row in signals(400)]
    asked = {"metric": "fidelity", "max_drop": "2pt", "properties": BF16, "output": tmp_path / "out"}
    result = ovquant.quantize(model, data=data, recipes=["bf16"], **asked)
    print(result.verdict, result.plan.title, result.trial.timing, result.notes)
    assert result.verdict == "met", result.notes
    assert "bf16" in result.plan.title
    assert "in f32" in result.plan.title
    runs = executed(core.compile_model(result.folder / "model.xml", "CPU", BF16))
    primitives = {name: item.primitive for item in runs for name in (item.name, *item.operations)}
    assert primitives["centred"].endswith("f32")
    assert primitives["convolution 2"].endswith("bf16")
    assert any("outside the budget" in note for note in result.notes)
