"""What a recipe needs in memory is estimated near enough to what it takes, and in the right order."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.domain.recipe import Recipe
from ovquant.domain.sample import Array
from ovquant.quantization import activation_bytes, needed_bytes

SIDE, CHANNELS, LAYERS = 256, 16, 6


def stack(*, side: int = SIDE) -> openvino.Model:
    """Return convolutions whose activations are much larger than their weights."""
    random = np.random.default_rng(0)
    image = ops.parameter([1, 3, side, side], np.float32)
    found, before = image, 3
    for _ in range(LAYERS):
        weights = random.standard_normal((CHANNELS, before, 3, 3)).astype(np.float32)
        found, before = ops.relu(ops.convolution(found, weights, [1, 1], [1, 1], [1, 1], [1, 1])), CHANNELS
    return openvino.Model([ops.result(found)], [image])


def request(side: int = SIDE) -> list[Array]:
    return [np.zeros((1, 3, side, side), np.float32)]


def test_recipes_that_hold_more_values_need_more() -> None:
    model, plain = stack(), Recipe()
    needs = [
        needed_bytes(model, replace(plain, **changes), request(), 100)
        for changes in (
            {"algorithm": "weights"},
            {},
            {"activation_range": "histogram"},
            {"activation_range": "mean-quantile"},
            {"bias_correction": "accurate"},
        )
    ]
    assert needs == sorted(needs)
    assert len(set(needs)) == len(needs)


def test_a_dynamic_model_is_taken_at_the_request_s_shape() -> None:
    model = stack()
    dynamic = model.clone()
    dynamic.reshape([-1, 3, -1, -1])
    assert needed_bytes(dynamic, Recipe(), request(), 1) == needed_bytes(model, Recipe(), request(), 1)


def test_values_between_operations_are_counted_and_unknown_where_shapes_are() -> None:
    model = stack()
    dynamic = model.clone()
    dynamic.reshape([-1, 3, -1, -1])
    found = activation_bytes(model, request())
    assert found == activation_bytes(dynamic, request())
    assert found > request()[0].nbytes
    assert activation_bytes(dynamic, [np.zeros((1, 7, 4, 4), np.float32)]) == 0


def test_weights_count_as_f32_and_more_often_where_they_are_changed() -> None:
    weights = np.zeros((1024, 1024), np.float16)
    x = ops.parameter([1, 1024], np.float32)
    product = ops.matmul(x, ops.convert(ops.constant(weights), "f32"), False, False)
    model, sample = openvino.Model([ops.result(product)], [x]), [np.zeros((1, 1024), np.float32)]
    plain = needed_bytes(model, Recipe(), sample, 1)
    assert 2 * 4 * 2**20 < plain < 3.5 * 4 * 2**20 < needed_bytes(model, Recipe(model_type="transformer"), sample, 1)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc")
@pytest.mark.parametrize("estimator", ["default", "histogram"])
def test_the_estimate_is_within_a_factor_of_two_and_a_half(estimator: str) -> None:
    program = f"""
import re, sys
from pathlib import Path
from dataclasses import replace
from ovquant.domain.recipe import Recipe
from ovquant.quantization import needed_bytes, quantize
from tests.quantization.test_needs import request, stack
import nncf

def held(name):
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

recipe, small = Recipe(activation_range="{estimator}"), stack(side=8)
quantize(small, recipe, calibration=[request(8)] * 2)
Path("/proc/self/clear_refs").write_text("5")
before = held("VmRSS")
model = stack(side=512)
quantize(model, recipe, calibration=[request(512)] * 2)
print((held("VmHWM") - before) / needed_bytes(model, recipe, request(512), 2))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert 0.4 < float(done.stdout.split()[-1]) < 1.5
