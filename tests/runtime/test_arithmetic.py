"""How a device adds int8 products is found by trying, and travels with a model; both kinds of processors are right here."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.graph.precision import is_quantized
from ovquant.runtime import arithmetic as arithmetic_module
from ovquant.runtime import int8_arithmetic
from ovquant.runtime.arithmetic import Arithmetic, mark, marked
from tests.runtime.conftest import F32, doubler

PROGRAM = "from ovquant.runtime import int8_arithmetic; print(int8_arithmetic('CPU'))"
CHANNELS = 256


def extreme(left: float, right: int) -> openvino.CompiledModel:
    """Return a product of unsigned by signed int8 values, all of them the same, over many channels."""
    port = ops.parameter([8, CHANNELS], np.float32)
    limits = [ops.constant(np.float32(value)) for value in (0, 255, 0, 255)]
    codes = ops.convert(ops.constant(np.full((CHANNELS, CHANNELS), right, np.int8)), np.float32)
    weights = ops.multiply(codes, ops.constant(np.ones((CHANNELS, 1), np.float32)))
    product = ops.matmul(ops.fake_quantize(port, *limits, 256), weights, False, True)
    model = openvino.Model([product], [port], "product")
    return openvino.Core().compile_model(model, "CPU", F32)


def test_it_is_what_the_largest_products_come_to() -> None:
    found = extreme(255, 127)(np.full((8, CHANNELS), 255, np.float32))[0]
    assert np.allclose(found, 255 * 127 * CHANNELS, rtol=1e-3) == (int8_arithmetic("CPU") == "exact")


def sums(first: float, second: float) -> openvino.Model:
    """Return a model in float that makes, of the largest value, what two sums of a device's products come to."""
    image = ops.parameter([1, 64, 4, 4], np.float32)
    found = [ops.multiply(image, ops.constant(np.float32(value / 255))) for value in (first, second)]
    return openvino.Model(found, [image], "sums")


LARGEST = 255 * 127 * 64


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (LARGEST, LARGEST, "exact"),
        (LARGEST * 1.0005, LARGEST, "exact"),
        (LARGEST / 2, LARGEST / 2, "saturating"),
        (LARGEST, LARGEST * 0.99, "saturating"),
        (LARGEST * 0.99, LARGEST, "saturating"),
    ],
)
def test_it_is_exact_where_both_kinds_of_products_are(
    monkeypatch: pytest.MonkeyPatch, first: float, second: float, expected: str
) -> None:
    monkeypatch.setattr(arithmetic_module, "_extreme_model", lambda: sums(first, second))
    assert int8_arithmetic.__wrapped__("CPU") == expected


def test_what_is_tried_are_two_kinds_of_products_over_all_channels() -> None:
    """Of values that are small enough their sums are exact everywhere."""
    model = arithmetic_module._extreme_model()
    assert is_quantized(model)
    compiled = openvino.Core().compile_model(model, "CPU", F32)
    found = list(compiled(np.full((1, 64, 4, 4), 100, np.float32)).values())
    assert [array.shape for array in found] == [(1, 64, 4, 4), (16, 64)]
    assert [np.unique(array).tolist() for array in found] == [[100 * 127 * 64]] * 2


def test_small_products_are_exact_everywhere() -> None:
    found = extreme(100, 100)(np.full((8, CHANNELS), 100, np.float32))[0]
    np.testing.assert_allclose(found, 100 * 100 * CHANNELS, rtol=1e-6)


def test_without_instructions_for_it_sums_saturate() -> None:
    """On any x86 processor, once openvino may not use what it has; elsewhere there is nothing to turn off."""
    command = [sys.executable, "-c", PROGRAM]
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    on_x86 = platform.machine() in ("x86_64", "AMD64")
    assert done.stdout.split() == ["saturating" if on_x86 else int8_arithmetic("CPU")]


@pytest.mark.parametrize("arithmetic", ["exact", "saturating"])
def test_a_model_says_with_which_it_was_measured(arithmetic: Arithmetic, tmp_path: Path) -> None:
    model = doubler([1, 4])
    assert mark(model, arithmetic) is model
    assert model.get_friendly_name() == f"doubler [int8: {arithmetic}]"
    openvino.save_model(model, tmp_path / "model.xml")
    read = openvino.Core().read_model(tmp_path / "model.xml")
    assert read.get_rt_info(["ovquant", "int8"]).astype(str) == arithmetic
    assert marked(openvino.Core().compile_model(read, "CPU")) == arithmetic


def test_marked_again_it_says_the_last_one_alone() -> None:
    model = mark(mark(doubler([1, 4]), "exact"), "saturating")
    assert model.get_friendly_name() == "doubler [int8: saturating]"
    assert marked(openvino.Core().compile_model(model, "CPU")) == "saturating"


@pytest.mark.parametrize("name", ["doubler", "doubler int8: exact", "doubler [int8: other]"])
def test_a_model_that_was_not_marked_says_nothing(name: str) -> None:
    model = doubler([1, 4])
    model.set_friendly_name(name)
    assert marked(openvino.Core().compile_model(model, "CPU")) == ""
