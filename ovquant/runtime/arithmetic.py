"""How a device adds products of int8: exactly, or in sixteen bits that saturate, as processors without VNNI do."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

import numpy as np
import openvino
from openvino import opset13 as ops

from ovquant.runtime.compile import REFERENCE, core
from ovquant.runtime.processor import instructions

Arithmetic = Literal["exact", "saturating"]
"""Models of int8 activations answer one thing where sums are exact, and another where they saturate."""
ARITHMETIC = ["ovquant", "int8"]
"""Where a saved model says in its rt_info which of the two it was measured with."""
_TAG = re.compile(r" \[int8: (exact|saturating|both)\]")
"""How its name says the same: the name is all that a compiled model still knows of it."""
WIDTH = 64
"""Channels of the model that is tried: enough for the kernels that real models run."""


@cache
def int8_arithmetic(device: str) -> Arithmetic:
    """Return how a device adds int8 products, found by a convolution and a matrix product of the largest values.

    Two products of 255 and 127 sum to 64,770, which sixteen bits do not hold. Processors with VNNI or AMX add in 32 bits.
    The answer is that of this process: ONEDNN_MAX_CPU_ISA, which was read when openvino was imported, is in it.
    """
    return _found(device, {})


def _found(device: str, properties: Mapping[str, str]) -> Arithmetic:
    compiled = core().compile_model(_extreme_model(), device, {**REFERENCE, **properties})
    outputs = compiled(np.full((1, WIDTH, 4, 4), 255, np.float32))
    expected = 255.0 * 127.0 * WIDTH
    exact = all(np.allclose(outputs[place], expected, rtol=1e-3) for place in range(2))
    return "exact" if exact else "saturating"


@dataclass(frozen=True)
class Simulation:
    """How the arithmetic that a processor has not is brought about on it: for what models answer, and not for how fast.

    `environment` is to be set before openvino is imported, and `properties` are to compile with. It is a path of the library's code:
    another processor may differ in more than this.
    """

    arithmetic: Arithmetic
    environment: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)

    def works(self, device: str) -> bool:
        """Tell whether a device adds as it is meant to, in this process."""
        return _found(device, self.properties) == self.arithmetic


def simulation(device: str) -> Simulation | None:
    """Return how the other arithmetic is simulated on a device; None for other devices than the CPU.

    Where sums saturate, quantizers are computed in f32, which adds exactly. Where they are exact, oneDNN is told to do without
    VNNI, and float is computed in f32: processors without VNNI have no bf16 either.
    """
    if device != "CPU":
        return None
    if int8_arithmetic(device) == "saturating":
        return Simulation("exact", properties={"LP_TRANSFORMS_MODE": "NO", **REFERENCE})
    without = "AVX512_CORE" if "avx512f" in instructions() else "AVX2"
    return Simulation("saturating", {"ONEDNN_MAX_CPU_ISA": without}, REFERENCE)


def mark(model: openvino.Model, arithmetic: str) -> openvino.Model:
    """Have a model say, in its rt_info and its name, which arithmetic it was measured with, or BOTH; return it."""
    model.set_rt_info(arithmetic, ARITHMETIC)
    name = _TAG.sub("", model.get_friendly_name())
    model.set_friendly_name(f"{name} [int8: {arithmetic}]")
    return model


def marked(compiled: openvino.CompiledModel) -> str:
    """Return which arithmetic a compiled model was measured with, or BOTH, by its name; "" where that does not say."""
    found = _TAG.search(str(compiled.get_property("NETWORK_NAME")))
    return "" if found is None else found[1]


def _extreme_model() -> openvino.Model:
    image = ops.parameter([1, WIDTH, 4, 4], np.float32)
    codes = ops.fake_quantize(image, *_limits(0, 255), *_limits(0, 255), 256)
    spread = ops.convolution(codes, _weights((WIDTH, WIDTH, 1, 1)), [1, 1], [0, 0], [0, 0], [1, 1])
    rows = ops.reshape(codes, ops.constant(np.array([16, WIDTH])), False)
    # The reshape moves equal values about, so that each row is a whole row of channels.
    product = ops.matmul(rows, _weights((WIDTH, WIDTH)), False, True)
    return openvino.Model([spread, product], [image], "extremes of int8")


def _weights(shape: tuple[int, ...]) -> openvino.Node:
    scale = ops.constant(np.ones((WIDTH, *[1] * (len(shape) - 1)), np.float32))
    codes = ops.convert(ops.constant(np.full(shape, 127, np.int8)), np.float32)
    return ops.multiply(codes, scale)


def _limits(low: float, high: float) -> tuple[openvino.Node, openvino.Node]:
    return ops.constant(np.float32(low)), ops.constant(np.float32(high))
