"""A model that keeps state begins every sample from a clean one, wherever it is run."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops
from openvino.op.util import Variable, VariableInfo

import ovquant
from ovquant import Sample
from ovquant.errors import UsageError
from ovquant.runtime import Deployment, compile_model, interleave, interleave_throughput
from ovquant.runtime.timing import _burst

F32 = {"INFERENCE_PRECISION_HINT": "f32"}
WIDTH, CLASSES = 16, 4


def summing(batch: int = 1) -> openvino.Model:
    """frames[batch, 3, 16] → scores[batch, 4] of all hidden activations that there have been since the state was clean."""
    generator = np.random.default_rng(0)
    port = ops.parameter([batch, 3, WIDTH], np.float32)
    port.output(0).get_tensor().set_names({"frames"})
    kernel = ops.constant(generator.standard_normal((WIDTH, 64)).astype(np.float32))
    hidden = ops.reduce_sum(ops.relu(ops.matmul(port, kernel, False, False)), ops.constant(np.array([1])), False)
    info = VariableInfo()
    info.data_shape, info.data_type, info.variable_id = openvino.PartialShape([batch, 64]), openvino.Type.f32, "memory"
    memory = Variable(info)
    total = ops.add(ops.read_value(ops.constant(np.zeros((batch, 64), np.float32)), memory), hidden)
    head = ops.constant(generator.standard_normal((64, CLASSES)).astype(np.float32))
    scores = ops.matmul(total, head, False, False)
    scores.output(0).get_tensor().set_names({"scores"})
    return openvino.Model([ops.result(scores)], [ops.assign(total, memory)], [port], "summing")


def samples(count: int) -> list[Sample]:
    """Return samples whose targets are the model's answers from a clean state, by plain openvino."""
    request = openvino.Core().compile_model(summing(), "CPU", F32).create_infer_request()
    found = []
    for frames in np.random.default_rng(1).standard_normal((count, 3, WIDTH)).astype(np.float32):
        request.reset_state()
        found.append(Sample(frames, int(request.infer([frames[None]])[0].argmax())))
    return found


@pytest.mark.parametrize("batch", [1, 4])
def test_a_score_depends_on_no_order(batch: int) -> None:
    data = samples(60)
    for order in (data, data[::-1], data[1::2] + data[::2]):
        found = ovquant.evaluate(summing(batch), data=order, metric="accuracy", properties=F32)
        assert found.evaluation.score == 1


def test_a_quantized_model_is_compared_from_clean_states() -> None:
    data, answers = samples(240), list[float]()
    how: dict[str, Any] = {"strategy": "first", "recipes": ["default"], "optimize": "size", "properties": F32}
    result = ovquant.quantize(summing(), data=data, metric="accuracy", max_drop="50%", **how)
    held_out = result.trial.holdout
    assert held_out is not None
    assert held_out.main.float_value == 1
    request = result.compile().create_infer_request()
    for sample in data:
        request.reset_state()
        answers.append(float(request.infer([sample.inputs[None]])[0].argmax() == sample.target))
    found = ovquant.evaluate(result.folder / "model.xml", data=data[::-1], metric="accuracy", properties=F32)
    assert found.evaluation.score == pytest.approx(np.mean(answers))


@pytest.mark.parametrize("run", [interleave, interleave_throughput])
def test_every_timed_inference_begins_clean(run: Any) -> None:
    compiled = compile_model(summing(), Deployment(properties=F32))
    requests = [[sample.inputs[None]] for sample in samples(4)]
    assert run([compiled, compiled], requests, seconds=0, least=4).shape == (4, 2)


def test_a_burst_runs_each_request_once_from_a_clean_state() -> None:
    compiled = compile_model(summing(), Deployment(properties={**F32, "PERFORMANCE_HINT": "THROUGHPUT"}))
    queue = openvino.AsyncInferQueue(compiled, 2)
    inputs = samples(1)[0].inputs[None]
    once = openvino.Core().compile_model(summing(), "CPU", F32)([inputs])[0]
    _burst(queue, [[inputs]], 8, stateful=True)
    for request in queue:
        assert np.allclose(request.get_output_tensor().data, once, rtol=1e-4)


@pytest.mark.parametrize("how", [{"limit": 0.1}, {"data": "samples"}])
def test_no_guard_watches_a_model_that_keeps_state(how: dict[str, Any]) -> None:
    given = {name: samples(20) if value == "samples" else value for name, value in how.items()}
    compiled = openvino.Core().compile_model(summing(), "CPU", F32)
    with pytest.raises(UsageError, match="keeps state.*ovquant check"):
        ovquant.guard(compiled, compiled, **given)


def test_calibration_begins_clean() -> None:
    """The ranges of one sample, calibrated with again and again, are those of calibrating with it once."""
    from ovquant.domain.recipe import Recipe
    from ovquant.quantization import quantize

    def largest(calibration: Sequence[Any]) -> float:
        model = quantize(summing(), Recipe(bias_correction="none"), calibration=calibration).model
        highs = [node.input_value(2).get_node() for node in model.get_ops() if node.get_type_name() == "FakeQuantize"]
        return max(float(np.max(high.data)) for high in highs if high.get_type_name() == "Constant")

    request = [samples(1)[0].inputs[None]]
    assert largest([request] * 20) == pytest.approx(largest([request]))
