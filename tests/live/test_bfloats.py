"""Models of bfloat16, which numpy lacks, in an application: recorded, guarded and in a queue."""

from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
import torch
from openvino import opset13 as ops

import ovquant
from ovquant.live.disagreement import disagreement_bound
from ovquant.plugins.datasets import open_dataset

F32 = {"INFERENCE_PRECISION_HINT": "f32"}
VALUES = np.random.default_rng(0).standard_normal((20, 1, 4)).astype(np.float32) * 100


def narrowed(values: np.ndarray) -> np.ndarray:
    """Return bfloat16 as openvino takes it: float16 of the same bits."""
    return torch.from_numpy(values).bfloat16().view(torch.int16).numpy().view(np.float16)


def widened(halves: np.ndarray) -> np.ndarray:
    return torch.from_numpy(halves.view(np.int16).copy()).view(torch.bfloat16).float().numpy()


def scaled(factor: float) -> openvino.CompiledModel:
    """Return a model of bfloat16 that multiplies by a factor."""
    port = ops.parameter([1, 4], openvino.Type.bf16)
    port.output(0).get_tensor().set_names({"x"})
    made = ops.convert(ops.multiply(ops.convert(port, "f32"), ops.constant(np.float32(factor))), "bf16")
    return openvino.Core().compile_model(openvino.Model([made], [port], "scaled"), "CPU", F32)


def tensor(values: np.ndarray) -> openvino.Tensor:
    made = openvino.Tensor(openvino.Type.bf16, values.shape)
    made.data[...] = narrowed(values)
    return made


def test_requests_are_recorded_as_numbers(tmp_path: Path) -> None:
    model = ovquant.record(scaled(2), tmp_path / "recorded")
    for values in VALUES:
        model([tensor(values)])
    data = open_dataset(model.recorder.close())
    assert [sample.inputs["x"].dtype for sample in data][:1] == [np.float32]
    found = np.stack([data[index].inputs["x"] for index in range(len(data))])
    assert np.allclose(found, VALUES, rtol=2**-8)


@pytest.mark.parametrize(("factor", "agrees"), [(2.0, True), (-2.0, False)])
def test_guarded_requests_are_compared_as_numbers(factor: float, agrees: bool) -> None:
    model = ovquant.guard(scaled(factor), scaled(1), limit=0.9, share=1.0, metric=near)
    request, queue = model.create_infer_request(), ovquant.AsyncInferQueue(model, 2)
    model([tensor(VALUES[0])])
    request.start_async([narrowed(VALUES[1])])
    request.wait()
    queue.start_async([tensor(VALUES[2])])
    queue.wait_all()
    model.guard.close()
    assert (model.guard.problem, model.guard.drift.count) == (None, 3)
    assert model.guard.drift.total == (0 if agrees else 3)


def near(outputs: Any, targets: Any) -> float:
    """Say 1 where the outputs are twice those of the float model."""
    return float(np.mean([np.allclose(out, 2 * truth, rtol=1e-2) for out, truth in zip(outputs, targets, strict=True)]))


def test_the_bound_is_of_numbers() -> None:
    data = [ovquant.Sample(values) for values in VALUES]
    assert disagreement_bound(scaled(2), scaled(1), data, confidence=0.95, metric=near) < 0.3
    assert disagreement_bound(scaled(-2), scaled(1), data, confidence=0.95, metric=near) > 0.9


def test_the_float_model_answers_in_its_own_type() -> None:
    model = ovquant.guard(scaled(3), scaled(1), limit=0.01, share=1.0, metric=near, action="float")
    for values in VALUES:
        model([tensor(values)])
    model.guard.close()
    assert model.guard.serves_float
    request = model.create_infer_request()
    request.infer([tensor(VALUES[0])])
    assert request.get_output_tensor().get_element_type() == openvino.Type.bf16
    assert np.allclose(widened(request.get_output_tensor().data), VALUES[0], rtol=1e-2)
