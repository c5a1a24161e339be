"""Values reach a model as they are: bfloat16, which numpy lacks, too; what a type cannot hold is an error."""

import tempfile
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import openvino
import pytest
import torch
from openvino import opset13 as ops
from openvino.preprocess import PrePostProcessor

import ovquant
from ovquant import Sample
from ovquant.domain.layer import FLOAT
from ovquant.errors import DataError, ModelError
from ovquant.runtime import Deployment, compile_model, fit, random_samples

F32 = {"INFERENCE_PRECISION_HINT": "f32"}
WIDTH, CLASSES = 32, 6
QUICK: dict[str, Any] = {"strategy": "first", "recipes": ["default"], "optimize": "size"}


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(WIDTH, 256),
            torch.nn.ReLU(),
            torch.nn.Linear(256, 256),
            torch.nn.ReLU(),
            torch.nn.Linear(256, CLASSES),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def network(kind: torch.dtype) -> openvino.Model:
    module, example = Net().eval().to(kind), torch.zeros(1, WIDTH).to(kind)
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        # Read back from a file, since openvino's constants of bfloat16 do not outlive the module.
        path = f"{folder}/model.xml"
        openvino.save_model(openvino.convert_model(module, example_input=example, input=[1, WIDTH]), path, False)
        model = openvino.Core().read_model(path).clone()
    model.inputs[0].get_tensor().set_names({"x"})
    model.outputs[0].get_tensor().set_names({"scores"})
    return model


def plainly(model: openvino.Model, rows: np.ndarray) -> np.ndarray:
    """Return the outputs by plain openvino, which converts from and to f32 itself."""
    steps = PrePostProcessor(model.clone())
    steps.input().tensor().set_element_type(openvino.Type.f32)
    steps.output().tensor().set_element_type(openvino.Type.f32)
    compiled = openvino.Core().compile_model(steps.build(), "CPU", F32)
    return np.concatenate([compiled([row[None].astype(np.float32)])[0] for row in rows])


def rows(count: int = 200) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, WIDTH)).astype(np.float32)


def labelled(given: np.ndarray) -> list[Sample]:
    answers = plainly(network(torch.float32), rows(len(given))).argmax(1)
    return [Sample(row, int(answer)) for row, answer in zip(given, answers, strict=True)]


@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("given", [np.float32, np.float16, np.float64])
def test_accuracy_is_that_of_plain_openvino(kind: torch.dtype, given: Any) -> None:
    data, model = labelled(rows().astype(given)), network(kind)
    right = plainly(model, rows().astype(given)).argmax(1) == [sample.target for sample in data]
    found = ovquant.evaluate(model, data=data, metric="accuracy", properties=F32)
    # An output rounded to bfloat16 can have two best classes.
    assert found.evaluation.score == pytest.approx(np.mean(right), abs=0.011)
    assert np.mean(right) > 0.9


def test_outputs_of_bfloat16_are_numbers() -> None:
    expected = plainly(network(torch.bfloat16), rows(8))

    def near(outputs: np.ndarray, targets: Sequence[int]) -> list[float]:
        assert outputs.dtype == np.float32
        return [
            float(np.allclose(output, expected[target], rtol=1e-2, atol=1e-2))
            for output, target in zip(outputs, targets, strict=True)
        ]

    data = [Sample(row, place) for place, row in enumerate(rows(8))]
    assert ovquant.evaluate(network(torch.bfloat16), data=data, metric=near, properties=F32).evaluation.score == 1


def ranges(model: openvino.Model) -> list[float]:
    quantizers = [node for node in model.get_ordered_ops() if node.get_type_name() == "FakeQuantize"]
    return [float(np.max(node.input_value(2).get_node().data)) for node in quantizers]


def test_a_model_of_bfloat16_is_quantized_by_its_own_ranges() -> None:
    data, model = labelled(rows(400)), network(torch.bfloat16)
    result = ovquant.quantize(model, data=data, metric="accuracy", max_drop="50%", properties=F32, **QUICK)
    saved = openvino.Core().read_model(result.folder / "model.xml")
    assert result.verdict == "met"
    assert [port.get_element_type() for port in (*saved.inputs, *saved.outputs)] == [openvino.Type.bf16] * 2
    assert saved.inputs[0].get_names() == {"x"}
    assert saved.outputs[0].get_names() == {"scores"}
    twin = ovquant.quantize(
        network(torch.float32), data=data, metric="accuracy", max_drop="50%", properties=F32, **QUICK
    )
    expected, found_ranges = ranges(openvino.Core().read_model(twin.folder / "model.xml")), ranges(saved)
    assert len(expected) == 3
    assert found_ranges == pytest.approx(expected, rel=0.03)
    truth, outputs, others = (
        plainly(net, rows(400)).argmax(1)
        for net in (model, saved, openvino.Core().read_model(twin.folder / "model.xml"))
    )
    assert np.mean(truth == outputs) > np.mean(truth == others) - 0.03


def test_a_layer_of_bfloat16_is_put_back_to_float() -> None:
    from ovquant.domain.recipe import Recipe
    from ovquant.quantization import quantize

    model = network(torch.bfloat16)
    quantized = quantize(model, Recipe(), calibration=[fit(model.inputs, sample) for sample in labelled(rows(20))])
    everything = quantized.build(dict.fromkeys((layer.name for layer in quantized.layers), FLOAT))
    assert np.allclose(plainly(everything, rows(20)), plainly(model, rows(20)), atol=1e-2)


def test_random_samples_are_standard_normal_numbers() -> None:
    compiled = compile_model(network(torch.bfloat16), Deployment(properties=F32))
    (sample,) = random_samples(compiled)
    request = compiled.create_infer_request()
    request.infer(fit(compiled.inputs, sample))
    seen = torch.from_numpy(request.get_input_tensor().data.view(np.int16)).view(torch.bfloat16).float().numpy()
    assert 0.5 < np.std(seen) < 1.5
    assert np.allclose(seen, sample.inputs[0], rtol=1e-2)


def doubler(kind: str) -> openvino.Model:
    port = ops.parameter([1, 4], openvino.Type(np.dtype(kind)))
    port.output(0).get_tensor().set_names({"x"})
    return openvino.Model([ops.multiply(ops.convert(port, "f32"), ops.constant(np.float32(2)))], [port], "doubler")


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("uint8", np.uint16(300), "takes u8 values, from 0 to 255, and .*sample 1 has 300"),
        ("uint8", np.int64(-1), "takes u8 values, from 0 to 255, and .*sample 1 has -1"),
        ("int8", np.uint8(200), "takes i8 values, from -128 to 127"),
        ("int32", np.int64(3_000_000_000), "takes i32 values, .*sample 1 has 3000000000"),
        ("float16", np.float32(1e6), "takes f16 values, from -65504 to 65504, and .*sample 1 has 1000000"),
        ("float16", np.int32(100_000), "takes f16 values"),
        ("float32", np.float64(1e300), "takes f32 values"),
    ],
)
def test_what_a_type_cannot_hold_is_an_error(kind: str, value: Any, message: str) -> None:
    data = [Sample(np.zeros(4, value.dtype), 0), Sample(np.array([0, 0, value, 0], value.dtype), 0)]
    model = doubler(kind)
    with pytest.raises(DataError, match=rf"'x' {message}.*wider type"):
        ovquant.evaluate(model, data=data, metric="fidelity", reference=model)


def test_what_a_type_can_hold_is_no_error() -> None:
    for kind, values in (
        ("uint8", np.array([0, 255, 1, 2], np.int64)),
        ("float16", np.array([np.inf, -65504, 0, np.nan])),
    ):
        (array,) = fit(doubler(kind).inputs, Sample(values))
        assert np.array_equal(array[0].astype(np.float64), values.astype(np.float64), equal_nan=True)


@pytest.mark.parametrize("kind", ["u4", "i4", "f8e4m3", "string"])
def test_a_type_that_numpy_lacks_is_refused_by_name(kind: str) -> None:
    port = ops.parameter([1, 4], getattr(openvino.Type, kind))
    port.output(0).get_tensor().set_names({"codes"})
    outputs = ops.shape_of(port) if kind == "string" else ops.convert(port, "f32")
    model = openvino.Model([outputs], [port], "codes")
    with pytest.raises(ModelError, match=rf"input 'codes' is of the type {kind}.*PrePostProcessor"):
        ovquant.evaluate(model, data=[Sample(np.zeros(4, np.uint8), 0)], metric="accuracy")
