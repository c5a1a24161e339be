"""Operations with what they are planned and executed in, and the time that each takes beside float."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.measure.operations import _primitive_of, timed_operations
from ovquant.runtime import Executed
from tests.measure.made import instruments, plan


def test_each_operation_is_timed_in_the_model_and_in_float(tmp_path: Path) -> None:
    made = instruments(tmp_path)
    found = timed_operations(made.models, plan())
    assert found
    for operation in found:
        assert (operation.type, operation.planned) == ("MatMul", "int8")
        assert operation.executed in ("i8", "u8")
        assert {grid.of for grid in operation.quantizers} == {"activations", "weights"}
        assert operation.micros is not None
        assert operation.float_micros is not None
        assert operation.gain is None


def test_the_float_model_is_as_fast_as_itself_operation_by_operation(tmp_path: Path) -> None:
    made = instruments(tmp_path)
    for operation in timed_operations(made.models, made.models.float_plan):
        assert operation.planned == operation.executed
        assert operation.quantizers == ()
        assert operation.micros is not None


def ran(kind: str, precision: str = "f32", primitive: str = "brgemm_avx512_f32") -> Executed:
    return Executed("made", kind, precision, primitive, ())


def product(*behind: str, twice: bool = False) -> openvino.Node:
    """Return a product named `product`, in a model where these operations follow it, each named after its type."""
    port = ops.parameter([-1, 4], np.float32, name="x")
    made = node = ops.matmul(port, ops.constant(np.ones((4, 4), np.float32)), False, False)
    made.set_friendly_name("product")
    for kind in behind:
        other = ops.constant(np.ones((1, 4), np.float32))
        node = ops.relu(node) if kind == "relu" else getattr(ops, kind)(node, other)
        node.set_friendly_name(kind)
    results = [node, ops.shape_of(made), *([ops.relu(made)] if twice else [])]
    KEPT.append(openvino.Model(results, [port], "product"))
    return made


KEPT: list[openvino.Model] = []
"""The models of the nodes that are looked at."""


@pytest.mark.parametrize(
    ("node", "runs", "kind"),
    [
        (product("add"), {"product": ran("MatMul"), "add": ran("Eltwise")}, "MatMul"),
        (product("add"), {"add": ran("FullyConnected")}, "FullyConnected"),
        (product("multiply", "subtract", "add"), {"add": ran("Convolution")}, "Convolution"),
        (product("multiply", "add"), {"multiply": ran("Eltwise"), "add": ran("FullyConnected")}, None),
        (product("relu"), {"relu": ran("FullyConnected")}, None),
        (product("add", twice=True), {"add": ran("FullyConnected")}, None),
        (product(), {}, None),
    ],
)
def test_a_product_is_known_by_its_name_or_by_what_is_fused_with_it(
    node: openvino.Node, runs: Mapping[str, Executed], kind: str | None
) -> None:
    found = _primitive_of(node, runs)
    assert (None if found is None else found.kind) == kind
