"""Models are timed in turn over heats, relative to the first; what cannot be timed is named."""

from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

import ovquant
from ovquant.api import benchmark as benchmarks
from ovquant.domain.trial import Timing
from ovquant.errors import DataError, DeviceError
from tests.api.models import WIDTH, linear, samples
from tests.runtime.test_timing import model as layered


def test_the_first_is_what_the_others_are_compared_with() -> None:
    quick, slow = ovquant.benchmark([layered(1), layered(40)], seconds=0.8)
    assert (quick.name, slow.name) == ("1 layers", "40 layers")
    assert (quick.timing.ratio, quick.timing.ratio_low, quick.timing.ratio_high) == (1.0, 1.0, 1.0)
    assert slow.timing.ratio_low > 1
    assert slow.timing.float_p50_ms == pytest.approx(quick.timing.p50_ms)


def test_it_ends_after_so_many_rounds_of_eight_heats(net: Path) -> None:
    (found,) = ovquant.benchmark([net], data=samples(20), seconds=100.0)
    assert (found.timing.heats, found.timing.rounds) == (8, 8 * 400)
    assert found.name == str(net)


class Read(list[np.ndarray]):
    """Rows of data that know how far they were read."""

    furthest = 0

    def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override]
        self.furthest = max(self.furthest, index)
        return super().__getitem__(index)


def test_sixteen_requests_are_enough_whatever_the_data() -> None:
    data = Read([np.zeros(4, np.float32)] * 40)
    assert ovquant.benchmark([small(2)], data=data, seconds=0.0)[0].timing.rounds == 8 * 20
    assert data.furthest == 15


def test_ten_seconds_are_shared_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def race_heats(makers: Any, requests: Any, **how: Any) -> list[Timing]:
        asked.append(how)
        return [Timing(1, 1, 1, 1, 1, 1, 1, 10) for _ in makers]

    monkeypatch.setattr(benchmarks, "race_heats", race_heats)
    ovquant.benchmark([small(2)], optimize="size", seed=3)
    ovquant.benchmark([small(2), small(2)], seconds=2.5)
    assert asked[0] == {"objective": "size", "seconds": 10.0, "heats": 8, "most": 400, "seed": 3}
    assert (asked[1]["seconds"], asked[1]["objective"], asked[1]["seed"]) == (2.5, "latency", 0)


def small(rank: int) -> openvino.Model:
    port = ops.parameter([-1, *[4] * (rank - 1)], np.float32, name="x")
    return openvino.Model([ops.relu(port)], [port], "small")


def test_dynamic_shapes_need_data_or_a_shape() -> None:
    port = ops.parameter([1, -1], np.float32, name="x")
    model = openvino.Model([ops.relu(port)], [port], "dynamic")
    with pytest.raises(DataError, match="--input-shape"):
        ovquant.benchmark([model], seconds=0.1)
    assert ovquant.benchmark([model], seconds=0.1, input_shape="[1,4]")[0].timing.heats == 8
    assert ovquant.benchmark([model], data=[np.zeros((1, 4), np.float32)] * 2, seconds=0.1)[0].timing.heats == 8


def test_every_model_must_take_the_samples_before_any_is_timed() -> None:
    with pytest.raises(DataError, match="expects shape"):
        ovquant.benchmark([small(2), small(3)], data=[np.zeros((1, 4), np.float32)], seconds=100.0)


def test_models_are_compiled_as_the_options_ask() -> None:
    with pytest.raises(DeviceError, match="no device 'TOASTER'"):
        ovquant.benchmark(["nowhere.xml"], device="TOASTER")
    with pytest.raises(DeviceError, match="no property 'COLOUR'"):
        ovquant.benchmark([linear()], properties={"COLOUR": "red"})
    with pytest.raises(ovquant.ModelError, match="cannot take a batch"):
        ovquant.benchmark([fixed()], batch=3)


def fixed() -> openvino.Model:
    """Return a model whose shape is written into it."""
    port = ops.parameter([2, WIDTH], np.float32, name="x")
    added = ops.add(ops.reshape(port, ops.constant([2, WIDTH]), False), ops.constant(np.zeros((2, 1), np.float32)))
    return openvino.Model([added], [port], "fixed")


def test_throughput_is_timed_in_bursts() -> None:
    (found,) = ovquant.benchmark([layered(1)], seconds=0.4, optimize="throughput")
    assert found.timing.heats == 8
    assert found.timing.rounds >= 8 * 5
    assert found.timing.ratio == 1.0


def test_the_memory_of_each_is_told_where_a_process_may_be_started(net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ovquant.benchmark([net], data=samples(20), seconds=0.1)[0].memory_bytes is None
    monkeypatch.setenv("OVQUANT_ISOLATE", "1")
    assert (ovquant.benchmark([net], data=samples(20), seconds=0.1)[0].memory_bytes or 0) > 10**6
