"""The memory of a served model is that of a process that serves it alone."""

import sys
from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant import runtime
from ovquant.measure.footprint import footprint
from tests.measure.made import instruments, plan

WIDTH = 2048
WEIGHTS = 4 * WIDTH * WIDTH * 4


def wide(path: Path, dtype: type = np.float32) -> Path:
    """Write four matrix products and return the path."""
    random = np.random.default_rng(0)
    x = ops.parameter([1, WIDTH], np.float32)
    found = x
    for _ in range(4):
        weights = (random.standard_normal((WIDTH, WIDTH)) / WIDTH**0.5).astype(dtype)
        found = ops.relu(ops.matmul(found, ops.convert(ops.constant(weights), "f32"), False, True))
    openvino.serialize(openvino.Model([ops.result(found)], [x]), path)
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="the bounds are those of openvino's Linux builds")
def test_a_served_model_takes_its_weights_and_not_what_started_the_process(tmp_path: Path) -> None:
    ballast = np.ones(10**9 // 8)
    deployment = runtime.Deployment(properties=dict(runtime.REFERENCE))
    found = footprint(wide(tmp_path / "model.xml"), deployment, [[np.ones((1, WIDTH), np.float32)]] * 2)
    assert found is not None
    assert WEIGHTS < found < 4 * WEIGHTS + 10**8 < ballast.nbytes


def test_what_does_not_run_has_no_footprint(tmp_path: Path) -> None:
    (tmp_path / "model.xml").write_text("no model")
    assert footprint(tmp_path / "model.xml", runtime.Deployment(), []) is None


def test_instruments_start_a_process_for_it_only_where_they_may(tmp_path: Path) -> None:
    made = instruments(tmp_path)
    assert made.footprint(plan()) is None
    made.processes = True
    assert (made.footprint(plan()) or 0) > 10**6
