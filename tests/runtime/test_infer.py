"""Inference keeps the order of samples, batch or none."""

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.domain.sample import Sample
from ovquant.runtime import Deployment, compile_model, infer, interleave, interleave_throughput, requests_of
from tests.runtime.conftest import doubler


@pytest.mark.parametrize("shape", [[-1, 2], [1, 2], [4, 2]], ids=["dynamic", "one", "four"])
@pytest.mark.parametrize("count", [1, 5, 70])
def test_outputs_come_in_order_and_once(shape: list[int], count: int) -> None:
    data = [Sample(np.array([index, -index]), index) for index in range(count)]
    blocks = list(infer(compile_model(doubler(shape), Deployment()), data))
    rows = np.concatenate([np.asarray(block.stacked()) for block in blocks])
    assert rows[:, 0].tolist() == [2 * index for index in range(count)]
    assert [target for block in blocks for target in block.targets] == list(range(count))


def test_outputs_of_differing_shapes_stay_a_list() -> None:
    data = [Sample(np.zeros(size)) for size in (2, 3, 2)]
    (block,) = infer(compile_model(doubler([-1, -1]), Deployment()), data)
    assert [array.shape for array in block.stacked()] == [(1, 2), (1, 3), (1, 2)]


def test_times_are_a_row_per_round() -> None:
    contenders = [compile_model(doubler([1, 2]), Deployment()) for _ in range(3)]
    requests = requests_of(contenders[0], [Sample(np.zeros(2))] * 4, 16)
    assert len(requests) == 4
    assert interleave(contenders, requests, seconds=0, least=7).shape == (7, 3)
    assert interleave_throughput(contenders, requests, seconds=0, least=3).shape == (3, 3)


def test_few_outputs_are_held_at_once_where_they_are_large() -> None:
    row = ops.parameter([-1, 4], np.float32, name="row")
    large = ops.broadcast(
        ops.reduce_sum(row, ops.constant(np.array([1])), keep_dims=True),
        ops.constant(np.array([1, 2**22])),
        broadcast_spec="BIDIRECTIONAL",
    )
    compiled = compile_model(openvino.Model([large, row], [row], "large"), Deployment())
    samples = [Sample(np.full(4, number, np.float32)) for number in range(10)]
    blocks = [block.indices for block in infer(compiled, samples)]
    assert blocks == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]


def test_an_open_axis_counts_as_the_longest_of_the_inputs() -> None:
    ids = ops.parameter([-1, -1], np.int64, name="ids")
    table = ops.constant(np.zeros((8, 2**18), np.float32))
    compiled = compile_model(
        openvino.Model([ops.gather(table, ids, ops.constant(np.int64(0)))], [ids], "wide"), Deployment()
    )
    samples = [Sample(np.zeros(8, np.int64))] * 20
    assert [len(block.indices) for block in infer(compiled, samples)] == [8, 8, 4]
