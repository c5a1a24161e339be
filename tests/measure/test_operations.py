"""Operations with what they are planned and executed in, and the time that each takes beside float."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.domain.recipe import Recipe
from ovquant.domain.sample import Sample
from ovquant.domain.split import split_data
from ovquant.measure.operations import _faster, _primitive_of, saving, timed_operations
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


def test_weights_that_run_as_float_save_nothing_and_fast_operations_do(tmp_path: Path) -> None:
    made = instruments(tmp_path, model=rectangles(), splits=split_data(images()))
    bar = made.models.float_plan
    assert saving(made.models, bar, bar) == 0
    # Those of convolutions are unpacked when the model is compiled.
    stored = plan(recipe=Recipe(algorithm="weights"))
    assert made.traits(stored, beside=bar)["saving"] == 0
    assert 0 < saving(made.models, plan(), made.models.reference_plan) <= 1
    assert [key["beside"] for key, _ in made.models.profile.entries("saving")].count(bar.key) == 2


def rectangles() -> openvino.Model:
    """Return a net of convolutions alone."""
    random = np.random.default_rng(0)
    port = ops.parameter([1, 3, 64, 64], np.float32, name="x")
    port.output(0).get_tensor().set_names({"x"})
    node: openvino.Node = port
    for inputs, outputs in ((3, 32), (32, 64), (64, 64)):
        kernel = ops.constant(random.standard_normal((outputs, inputs, 3, 3)).astype(np.float32) / 10)
        node = ops.relu(ops.convolution(node, kernel, [1, 1], [1, 1], [1, 1], [1, 1]))
    scores = ops.reduce_mean(node, np.array([2, 3]), False)
    scores.output(0).get_tensor().set_names({"scores"})
    return openvino.Model([scores], [port], "rectangles")


def images() -> list[Sample]:
    random = np.random.default_rng(1)
    return [Sample(random.standard_normal((3, 64, 64)).astype(np.float32), place % 64) for place in range(120)]


@pytest.mark.parametrize(
    ("plans", "share"),
    [
        ({"a": 5.0, "b": 40.0, "c": 10.0}, 0.35),
        # One model runs as one what the other runs as two.
        ({"a,b": 40.0, "c": 30.0}, 0.6),
        # What runs as part of nothing is saved.
        ({"a": 20.0, "b": 20.0}, 0.3),
        ({"renamed": 10.0, "b": 90.0, "c": 70.0}, 1.0),
    ],
)
def test_the_faster_of_each_operation_is_what_a_mixture_takes_at_least(plans: dict[str, float], share: float) -> None:
    bars = {"a": 10.0, "b": 20.0, "c": 70.0}
    one, other = (
        [Executed(names, "Convolution", "f32", "", tuple(names.split(",")), micros) for names, micros in side.items()]
        for side in (bars, plans)
    )
    assert _faster(one, other, {"a": "renamed"} if "renamed" in plans else {}) == pytest.approx(share)


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
