"""Layers are found too where a shape is taken from what is quantized itself."""

from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

import ovquant
from ovquant import Sample
from ovquant.domain.layer import FLOAT
from ovquant.domain.recipe import Recipe
from ovquant.quantization import quantize

F32 = {"INFERENCE_PRECISION_HINT": "f32"}
WORDS, WIDTH, CLASSES = 300, 64, 4


def text_model(*, halves: bool = False, shaped: bool = False) -> openvino.Model:
    """ids[?,?] → embedding → hidden states, scaled by their own width → scores; the width is that of the embedding's table.

    shaped: hidden states are given the shape of ids and that width, as exporters write `x.view(*ids.shape, width)`.
    """
    generator = np.random.default_rng(0)
    ids = ops.parameter([-1, -1], np.int64)
    ids.output(0).get_tensor().set_names({"ids"})
    table = generator.standard_normal((WORDS, WIDTH)).astype(np.float16 if halves else np.float32)
    embedding = ops.constant(table)
    embedding.set_friendly_name("table")
    values = ops.convert(embedding, "f32") if halves else embedding
    hidden = ops.gather(values, ids, ops.constant(np.int64(0)))
    hidden.set_friendly_name("embedding")
    width = ops.gather(ops.shape_of(values), ops.constant(np.array([1])), ops.constant(np.int64(0)))
    if shaped:
        hidden = ops.reshape(hidden, ops.concat([ops.shape_of(ids), width], 0), False)
    scale = ops.power(ops.convert(width, "f32"), ops.constant(np.float32(-0.5)))
    inner = ops.matmul(hidden, ops.constant(generator.standard_normal((WIDTH, WIDTH)).astype(np.float32)), False, False)
    pooled = ops.reduce_mean(ops.relu(ops.multiply(inner, scale)), ops.constant(np.array([1])), False)
    head = ops.constant(generator.standard_normal((WIDTH, CLASSES)).astype(np.float32))
    scores = ops.matmul(pooled, head, False, False)
    scores.output(0).get_tensor().set_names({"scores"})
    return openvino.Model([scores], [ids], "text")


def ids(count: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, WORDS, (count, 12))


def answers(model: openvino.Model | Path, rows: np.ndarray) -> np.ndarray:
    compiled = openvino.Core().compile_model(model, "CPU", F32)
    return np.concatenate([compiled([row[None]])[0] for row in rows])


@pytest.mark.parametrize("halves", [False, True])
def test_the_shape_of_a_quantized_table_is_no_obstacle(halves: bool) -> None:
    model, rows = text_model(halves=halves), ids(240)
    data = [Sample(row, int(answer)) for row, answer in zip(rows, answers(model, rows).argmax(1), strict=True)]
    how: dict[str, Any] = {"strategy": "first", "recipes": ["default"], "optimize": "size", "properties": F32}
    result = ovquant.quantize(model, data=data, metric="accuracy", max_drop="10%", **how)
    assert (result.verdict, result.trial.plan.name, result.trial.problem) == ("met", "default", "")
    saved = result.folder / "model.xml"
    right = answers(saved, rows).argmax(1) == [sample.target for sample in data]
    assert np.mean(right) > 0.9
    # The table is kept in eight bits alone, and so are the two matrices.
    weights = WORDS * WIDTH + WIDTH * WIDTH + WIDTH * CLASSES
    assert weights < saved.with_suffix(".bin").stat().st_size < 1.5 * weights


@pytest.mark.parametrize("shaped", [False, True])
def test_a_table_is_put_back_with_its_layer(shaped: bool) -> None:
    model = text_model(shaped=shaped)
    quantized = quantize(model, Recipe(), calibration=[[row[None]] for row in ids(20)])
    layers = {name: layer for layer in quantized.layers for name in layer.operations}
    assert any("embedding" in quantizer for layer in quantized.layers for quantizer in layer.quantizers)
    everything = quantized.build(dict.fromkeys((layer.name for layer in quantized.layers), FLOAT))
    assert layers
    assert not any(node.get_type_name() == "FakeQuantize" for node in everything.get_ops())
    assert np.allclose(answers(everything, ids(20)), answers(model, ids(20)), atol=1e-4)
