"""A guard changes nothing that was passed in: not the data, not a request, not what the float model is given."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import openvino
import pytest

import ovquant
from tests.live.stress import net, rows

F32 = {"INFERENCE_PRECISION_HINT": "f32"}


@pytest.mark.parametrize(("device", "streams"), [("CPU", "1"), ("CPU", "2"), ("AUTO", "1")])
def test_eight_threads_leave_every_array_as_it_was(device: str, streams: str) -> None:
    # In a process of its own: openvino writes into memory that was freed where this goes wrong.
    command = [sys.executable, "-m", "tests.live.stress", device, streams]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["problems"] == []
    assert found["compared"] > 0
    assert found["mean"] == 0.0


def test_a_request_does_not_land_in_the_data_of_the_guard() -> None:
    data = [ovquant.Sample(rows(seed)[0]) for seed in range(40)]
    before = [np.array(sample.inputs) for sample in data]
    guarded = ovquant.guard(net(np.float32(1.001), "CPU", **F32), net(np.float32(1), "CPU", **F32), data=data)
    guarded.create_infer_request().infer({"x": rows(99)})
    guarded.guard.close()
    changed = [place for place, sample in enumerate(data) if not np.array_equal(sample.inputs, before[place])]
    assert changed == []


def test_a_comparison_does_not_land_in_what_the_float_model_was_given() -> None:
    reference, given = net(np.float32(1), "CPU", **F32), rows(5)
    guarded = ovquant.guard(net(np.float32(1.001), "CPU", **F32), reference, limit=0.5, share=1.0)
    kept = given.copy()
    reference(given)
    guarded(rows(6))
    guarded.guard.close()
    assert guarded.guard.drift.count == 1
    assert np.array_equal(given, kept)


def test_what_is_filled_in_place_does_not_land_in_a_call() -> None:
    guarded = ovquant.guard(
        net(np.float32(1.001), "CPU", **F32), net(np.float32(1), "CPU", **F32), limit=0.5, share=1.0
    )
    request, given = guarded.create_infer_request(), rows(7)
    request.set_input_tensor(openvino.Tensor(rows(8)))
    request.infer()
    kept = given.copy()
    guarded(given)
    request.get_input_tensor().data[:] = rows(9)
    answer = request.infer()[0]
    guarded.guard.close()
    assert np.array_equal(given, kept)
    assert np.allclose(answer, rows(9) @ net_weights(), atol=1e-3)


def net_weights() -> np.ndarray:
    from tests.live.stress import FACTOR, WEIGHTS

    return WEIGHTS * FACTOR


def test_several_streams_without_a_copy_are_refused_by_name() -> None:
    several = net(np.float32(1), "AUTO", PERFORMANCE_HINT="THROUGHPUT")
    if int(several.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")) == 1:
        pytest.skip("a machine with one stream alone")
    with pytest.raises(ovquant.errors.UsageError, match="and not for AUTO"):
        ovquant.guard(net(np.float32(1), "CPU", **F32), several, limit=0.5)
