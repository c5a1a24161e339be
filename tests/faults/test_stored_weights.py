"""A model whose weights are stored in few bits computes in float, and is quantized like any other."""

from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

import ovquant
from ovquant.errors import ModelError
from tests.api.models import CLASSES, WIDTH, directions, samples

HIDDEN = 256
QUICK: dict[str, Any] = {"strategy": "first", "recipes": ["default"], "optimize": "size"}


def stored(path: Path, *, activations: bool = False) -> Path:
    """Write x[?,1024] → hidden → scores, the weights as int8 beside their scales."""
    port: Any = ops.parameter([-1, WIDTH], np.float32, name="x")
    port.output(0).get_tensor().set_names({"x"})
    wide = np.zeros((WIDTH, HIDDEN), np.float32)
    wide[:, :CLASSES] = directions()
    wide[:, CLASSES:] = np.random.default_rng(5).standard_normal((WIDTH, HIDDEN - CLASSES)) / 50
    head = np.eye(HIDDEN, CLASSES, dtype=np.float32)
    value: Any = port
    for weights in (wide, head):
        scale = np.abs(weights).max(axis=0, keepdims=True) / 127
        codes = ops.convert(ops.constant(np.round(weights / scale).astype(np.int8)), "f32")
        if activations:
            limits = [ops.constant(np.float32(limit)) for limit in (-8, 8, -8, 8)]
            value = ops.fake_quantize(value, *limits, 256)
        value = ops.matmul(value, ops.multiply(codes, ops.constant(scale)), False, False)
    made = openvino.Model([value], [port], "stored")
    made.outputs[0].get_tensor().set_names({"scores"})
    openvino.save_model(made, path, compress_to_fp16=False)
    return path


def test_it_is_quantized_and_compared_with_the_file_as_it_was_given(tmp_path: Path) -> None:
    net = stored(tmp_path / "net.xml")
    size = sum(file.stat().st_size for file in (net, net.with_suffix(".bin")))
    found = ovquant.quantize(net, data=samples(120), metric="accuracy", max_drop="10%", **QUICK)
    assert abs(found.baseline.size_bytes - size) < 0.05 * size
    (trial,) = found.trials
    assert (set((trial.layers or {}).values()), trial.problem) == ({"int8"}, "")
    assert trial.search is not None
    assert trial.search.float_value > 0.9
    assert trial.search.drop < 0.1


def test_a_plan_that_is_larger_than_the_file_is_not_returned(tmp_path: Path) -> None:
    net = stored(tmp_path / "net.xml")
    how = {**QUICK, "recipes": ["keep-float:types=MatMul"]}
    found = ovquant.quantize(net, data=samples(120), metric="accuracy", max_drop="10%", **how)
    assert found.verdict == "float"
    assert "and the model that was given" in found.trials[0].problem


def test_quantized_activations_are_refused_and_the_model_can_be_scored(tmp_path: Path) -> None:
    net = stored(tmp_path / "net.xml", activations=True)
    with pytest.raises(
        ModelError, match="activations are quantized already.*evaluate, benchmark and check take this one"
    ):
        ovquant.quantize(net, data=samples(120), metric="accuracy", max_drop="10%", **QUICK)
    assert ovquant.evaluate(net, data=samples(60), metric="accuracy").evaluation.samples == 60
