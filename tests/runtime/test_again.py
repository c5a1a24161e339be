"""A model is compiled over and over, from what the device made of it where that runs the same."""

from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.runtime import Again, Compiled, Deployment, Repeats, compile_model
from ovquant.runtime import again as module
from tests.runtime.conftest import F32

ROW = np.random.default_rng(1).standard_normal((2, 64)).astype(np.float32)


def network() -> openvino.Model:
    port = ops.parameter([-1, 64], np.float32, name="x")
    weights = np.random.default_rng(0).standard_normal((64, 8)).astype(np.float32)
    return openvino.Model([ops.relu(ops.matmul(port, ops.constant(weights), False, False))], [port], "network")


def compiling(times: list[int]) -> Again:
    """Return what compiles the network; each time that it is really compiled is noted."""

    def make() -> Compiled:
        times.append(len(times))
        return compile_model(network(), Deployment(properties=F32))

    return Again(make, "CPU", F32)


def test_it_is_compiled_once_and_is_another_one_each_time() -> None:
    times = list[int]()
    again = compiling(times)
    first, second, third = again(), again(), again()
    assert times == [0]
    assert again.size > 64 * 8
    assert second is not third
    for other in (second, third):
        assert np.array_equal(other([ROW])[0], first([ROW])[0])
        assert (other.batched, other.get_property("INFERENCE_PRECISION_HINT")) == (
            first.batched,
            first.get_property("INFERENCE_PRECISION_HINT"),
        )


def test_what_is_read_back_must_run_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[openvino.CompiledModel]()
    monkeypatch.setattr(module, "counts_run", lambda compiled: asked.append(compiled) or {("Other",): len(asked)})
    times = list[int]()
    again = compiling(times)
    for _ in range(3):
        assert again()([ROW])[0].shape == (2, 8)
    assert (times, len(asked), again.size) == ([0, 1, 2], 2, 0)


def test_where_a_device_cannot_write_it_it_is_compiled_each_time(tmp_path: Path) -> None:
    times = list[int]()
    again = compiling(times)
    again._device = "NOWHERE"
    assert [again()([ROW])[0].shape for _ in range(2)] == [(2, 8), (2, 8)]
    assert times == [0, 1]


@pytest.mark.parametrize(("most", "compiled"), [(2**20, [0, 1]), (0, [0, 1, 2, 3])])
def test_several_are_held_while_they_fit(most: int, compiled: list[int]) -> None:
    times, repeats = list[int](), Repeats(most)

    def make() -> Compiled:
        times.append(len(times))
        return compile_model(network(), Deployment(properties=F32))

    for key in ("one", "other", "one", "other"):
        assert repeats.compile(key, make, Deployment(properties=F32))([ROW])[0].shape == (2, 8)
    assert times == compiled
