"""A net that loses its accuracy where float is computed in bf16: float in f32 is the bar, and layers are kept in f32."""

from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

import ovquant
from ovquant.runtime.devices import executed

SHIFT, CHANNELS = 1000.0, 64
BF16, F32 = {"INFERENCE_PRECISION_HINT": "bf16"}, {"INFERENCE_PRECISION_HINT": "f32"}


def net() -> openvino.Model:
    """Add a constant to small signals and subtract it again behind a mean: bf16 rounds the signals away in between."""
    random = np.random.default_rng(0)

    def convolution(source: openvino.Node, name: str, inputs: int = CHANNELS) -> openvino.Node:
        kernel = random.standard_normal((CHANNELS, inputs, 3, 3)) * (2 / (9 * inputs)) ** 0.5
        return ops.convolution(
            source, ops.constant(kernel.astype(np.float32)), [1, 1], [1, 1], [1, 1], [1, 1], name=name
        )

    signal = ops.parameter([-1, 3, 32, 32], np.float32, name="signal")
    signal.output(0).set_names({"signal"})
    shift = ops.constant(np.full((1, CHANNELS, 1, 1), SHIFT, np.float32))
    shifted = ops.relu(ops.add(convolution(signal, "first", 3), shift))
    smooth = ops.avg_pool(shifted, [1, 1], [1, 1], [1, 1], [3, 3], exclude_pad=True)
    value = ops.subtract(smooth, shift, name="centred")
    for place in range(4):
        value = ops.relu(convolution(value, f"convolution {place}"))
    pooled = ops.reduce_mean(value, ops.constant(np.array([2, 3])), keep_dims=False, name="pooled")
    head = ops.constant(random.standard_normal((CHANNELS, 10)).astype(np.float32))
    scores = ops.matmul(pooled, head, False, False, name="head")
    # Without what is common to all signals one class would be the largest for each.
    common = openvino.Core().compile_model(openvino.Model([scores], [signal], "raw"), "CPU", F32)(signals(100))[0]
    centred = ops.subtract(scores, ops.constant(common.mean(axis=0)))
    centred.output(0).set_names({"scores"})
    return openvino.Model([centred], [signal], "sensor")


def signals(count: int) -> np.ndarray:
    random = np.random.default_rng(1)
    patterns = random.standard_normal((10, 3, 32, 32))
    rows = patterns[random.integers(0, 10, count)] + 0.5 * random.standard_normal((count, 3, 32, 32))
    return rows.astype(np.float32)


def test_a_layer_in_f32_brings_bf16_inside_the_budget(tmp_path: Path) -> None:
    model, core = net(), openvino.Core()
    if not any(item.precision == "bf16" for item in executed(core.compile_model(model, "CPU", BF16))):
        pytest.skip("a processor that computes nothing in bf16")
    data = [ovquant.Sample(row) for row in signals(400)]
    asked = {"metric": "fidelity", "max_drop": "5pt", "properties": BF16, "output": tmp_path / "out"}
    result = ovquant.quantize(model, data=data, recipes=["bf16"], **asked)
    # Float as it is served is outside, so the bar is float in f32.
    assert any("outside the budget" in note for note in result.notes)
    assert F32.items() <= result.baseline.plan.properties.items()
    whole, *_ = result.trials
    assert (whole.plan.title, whole.search.inside) == ("bf16", False)
    assert result.verdict == "met"
    assert result.plan.title.startswith("bf16, ")
    assert set(result.plan.layers.values()) == {"f32"}
    # What is returned runs as it is planned.
    runs = executed(core.compile_model(result.folder / "model.xml", "CPU", result.plan.properties))
    primitives = {name: item.primitive for item in runs for name in (item.name, *item.operations)}
    kept = [name for name in result.plan.layers if name in primitives]
    assert kept
    assert all(primitives[name].endswith("_f32") for name in kept)
    assert any(primitive.endswith("_bf16") for primitive in primitives.values())
