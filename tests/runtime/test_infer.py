"""Inference keeps the order of samples, batch or none."""

import numpy as np
import pytest

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
