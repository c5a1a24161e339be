"""Heats: everything is compiled anew, in an order of its own, and told apart all the same."""

from functools import partial
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.domain.trial import Timing
from ovquant.runtime import Deployment, compile_model, heat, interleave, interleave_throughput


def model(layers: int) -> openvino.Model:
    port = ops.parameter([1, 256], np.float32, name="x")
    port.output(0).set_names({"x"})
    weights = np.random.default_rng(0).standard_normal((256, 256)).astype(np.float32) / 16
    node: openvino.Node = port
    for _ in range(layers):
        node = ops.relu(ops.matmul(node, ops.constant(weights), False, False))
    return openvino.Model([ops.result(node)], [port], f"{layers} layers")


ROWS = [np.zeros((1, 256), np.float32)]


def test_columns_are_those_of_the_contenders_whatever_the_order() -> None:
    made: list[int] = []

    def make(layers: int) -> openvino.CompiledModel:
        made.append(layers)
        return compile_model(model(layers), Deployment())

    orders = set()
    for seed in range(6):
        made.clear()
        makers = [partial(make, layers) for layers in (1, 40, 4)]
        times = heat(makers, lambda _: [ROWS], seconds=0.0, most=40, seed=seed)
        orders.add(tuple(made))
        assert times.shape == (20, 3)
        small, large, middle = np.median(times, axis=0)
        assert large > middle
        assert large > small
    # All are compiled in each heat, and not always in one order.
    assert all(sorted(order) == [1, 4, 40] for order in orders)
    assert len(orders) > 1


@pytest.mark.parametrize("timed", [interleave, interleave_throughput])
def test_rounds_go_on_while_there_is_time_but_there_is_a_least_and_a_most(timed: Any) -> None:
    contenders = [compile_model(model(1), Deployment()) for _ in range(2)]
    assert timed(contenders, [ROWS], seconds=0.0, least=3).shape == (3, 2)
    assert timed(contenders, [ROWS], seconds=60.0, most=4).shape == (4, 2)
    assert len(timed(contenders, [ROWS], seconds=0.2, least=1)) > 1


def simulated(random: np.random.Generator, heats: int) -> Timing:
    """Return what is said of a model and its copy: compilations differ by 2 %, and the second place costs 4 %."""
    found = []
    for _ in range(heats):
        luck, places = random.normal(0, 0.02, 2), random.permutation([0.0, 0.04])
        times = np.exp(luck + places + random.normal(0, 0.05, (100, 2)))
        found.append(Timing.of(times[:, 1], times[:, 0]))
    return Timing.joined(found)


def test_a_model_and_its_copy_are_seldom_told_apart() -> None:
    """Within one heat, as intervals were made before, nearly all would be."""
    random = np.random.default_rng(0)
    decided = [simulated(random, heats=8).decided for _ in range(400)]
    assert np.mean(decided) <= 0.08
