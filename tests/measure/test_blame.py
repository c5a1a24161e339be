"""Errors are told apart: what an operation adds, what came to it, and what it does to the outputs."""

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.measure.blame import MOST_TRACED, faults
from ovquant.runtime import REFERENCE, Deployment

HERE = Deployment(properties=dict(REFERENCE))
SAMPLES = [[row] for row in np.random.default_rng(0).uniform(0.5, 1.0, (5, 1, 4)).astype(np.float32)]


def scaled(*factors: float) -> openvino.Model:
    """Return a chain of products with a factor each, all of which come to the outputs in the same proportion."""
    x = ops.parameter([1, 4], np.float32, name="x")
    value = x
    for place, factor in enumerate(factors):
        value = ops.matmul(value, ops.constant(factor * np.eye(4, dtype=np.float32)), False, False)
        value.set_friendly_name(f"product.{place}")
    return openvino.Model([ops.result(value)], [x], "scaled")


def test_own_errors_and_those_that_came_are_told_apart() -> None:
    names = ["product.0", "product.1", "product.2"]
    found, outputs = faults(scaled(1, 1, 1), scaled(1.1, 1, 0.8), names, SAMPLES, deployments=(HERE, HERE))
    assert [fault.own for fault in found] == [pytest.approx(0.01, rel=1e-3), 0.0, pytest.approx(0.04, rel=1e-3)]
    assert [fault.so_far for fault in found] == pytest.approx([0.01, 0.01, 0.0144], rel=1e-3)
    assert outputs == pytest.approx(0.0144, rel=1e-3)
    assert [fault.effect for fault in found] == [pytest.approx(0.01, rel=1e-3), None, pytest.approx(0.04, rel=1e-3)]
    assert [fault.share for fault in found] == [pytest.approx(0.2, rel=1e-2), None, pytest.approx(0.8, rel=1e-2)]
    assert [fault.kind for fault in found] == ["MatMul"] * 3


def test_the_furthest_off_are_traced_to_the_outputs() -> None:
    count = MOST_TRACED + 3
    other = [1 + 0.01 * place for place in range(count)]
    names = [f"product.{place}" for place in range(count)]
    found, _ = faults(scaled(*[1.0] * count), scaled(*other), names, SAMPLES[:1], deployments=(HERE, HERE))
    traced = [fault.name for fault in found if fault.effect is not None]
    assert traced == names[-MOST_TRACED:]
