"""INT8 of a net as an exporter leaves it is slower than float, and INT8 of its normal form is faster."""

from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

import ovquant

CHANNELS, SIDE = 32, 56


def net(blocks: int) -> openvino.Model:
    """Return depthwise and pointwise convolutions with batch norms that are not fused, and depthwise weights behind a reshape."""
    random = np.random.default_rng(0)
    wide = [1, CHANNELS, 1, 1]

    def normed(found: openvino.Node) -> openvino.Node:
        scale = ops.constant(random.uniform(0.5, 1.5, wide).astype(np.float32))
        shift = ops.constant(random.normal(0, 0.1, wide).astype(np.float32))
        return ops.hswish(ops.add(ops.multiply(found, scale), shift))

    found = image = ops.parameter([-1, CHANNELS, SIDE, SIDE], np.float32, name="image")
    image.output(0).set_names({"image"})
    for place in range(blocks):
        kernels = ops.constant((0.2 * random.standard_normal((CHANNELS, 1, 5, 5))).astype(np.float32))
        weights = ops.reshape(kernels, ops.constant(np.array([CHANNELS, 1, 1, 5, 5])), False)
        apart = ops.group_convolution(found, weights, [1, 1], [2, 2], [2, 2], [1, 1], name=f"depthwise {place}")
        mixing = random.standard_normal((CHANNELS, CHANNELS, 1, 1)) * (2 / CHANNELS) ** 0.5
        together = ops.convolution(
            normed(apart),
            ops.constant(mixing.astype(np.float32)),
            [1, 1],
            [0, 0],
            [0, 0],
            [1, 1],
            name=f"pointwise {place}",
        )
        found = normed(together)
    pooled = ops.reduce_mean(found, ops.constant(np.array([2, 3])), keep_dims=False)
    pooled.output(0).set_names({"features"})
    return openvino.Model([pooled], [image], f"exported, {blocks} blocks")


def test_normalising_makes_int8_faster_than_float(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    data = [ovquant.Sample(random.standard_normal((CHANNELS, SIDE, SIDE)).astype(np.float32)) for _ in range(64)]
    seen = []
    for attempt, blocks in enumerate((4, 2, 4)):
        result = ovquant.quantize(
            net(blocks),
            data=data,
            metric="fidelity",
            max_drop="50pt",
            recipes=["as-read", "default"],
            properties={"INFERENCE_PRECISION_HINT": "f32"},
            output=tmp_path / str(attempt),
        )
        as_read, normal, *_ = (trial.timing for trial in result.trials)
        seen.append([(timing.ratio_low, timing.ratio_high) for timing in (as_read, normal)])
        assert normal.ratio_low < min(1, as_read.ratio_high), seen
        if as_read.ratio_low > 1 > normal.ratio_high:
            return
    pytest.skip(
        f"as read INT8 is not surely slower than float here, or the noise is larger than the difference: {seen}"
    )
