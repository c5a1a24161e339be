"""Weights in few bits, with layers put to other levels: what is read back has the levels that were asked for."""

from pathlib import Path

import numpy as np
import openvino
import pytest

from ovquant.domain.layer import F32, FLOAT, INT4_WEIGHTS, INT8_WEIGHTS
from ovquant.domain.recipe import Recipe
from ovquant.errors import UsageError
from ovquant.graph.fingerprint import constant_bytes, fingerprint
from ovquant.graph.pins import pinned
from ovquant.quantization import Compressed, quantize
from tests.quantization.conftest import outputs, texts

FOUR = Recipe(algorithm="weights", weight_bits=4, group_size=32)


@pytest.fixture(scope="module")
def compressed(language: openvino.Model) -> Compressed:
    made = quantize(language, FOUR, calibration=texts())
    assert isinstance(made, Compressed)
    return made


def saved(model: openvino.Model, folder: Path) -> openvino.Model:
    openvino.save_model(model, folder / "built.xml", compress_to_fp16=False)
    return openvino.Core().read_model(folder / "built.xml")


def error(model: openvino.Model, truth: openvino.Model) -> float:
    expected = outputs(truth, texts())
    return float(np.square(outputs(model, texts()) - expected).sum() / np.square(expected).sum())


def test_what_shares_a_weight_is_one_layer(compressed: Compressed) -> None:
    (shared,) = [layer for layer in compressed.layers if len(layer.operations) > 1]
    assert (shared.operations, shared.kinds) == (("embedding", "head"), ("Gather", "MatMul"))
    assert len(compressed.layers) == 10


def test_layers_have_the_levels_that_were_asked_for(compressed: Compressed, tmp_path: Path) -> None:
    built = saved(compressed.build({"down1": INT8_WEIGHTS, "up0": FLOAT}), tmp_path)
    found = compressed.precisions(built)
    expected = {layer.name: INT4_WEIGHTS for layer in compressed.layers}
    assert found == {**expected, "embedding": INT8_WEIGHTS, "down1": INT8_WEIGHTS, "up0": FLOAT}


def test_all_in_float_is_the_model_and_all_in_int8_its_int8(compressed: Compressed, language: openvino.Model) -> None:
    names = [layer.name for layer in compressed.layers]
    np.testing.assert_array_equal(
        outputs(compressed.build(dict.fromkeys(names, FLOAT)), texts()), outputs(language, texts())
    )
    eight = quantize(language, Recipe(algorithm="weights"), calibration=[]).build()
    wider = [layer.name for layer in compressed.at(INT8_WEIGHTS)]
    np.testing.assert_array_equal(
        outputs(compressed.build(dict.fromkeys(wider, INT8_WEIGHTS)), texts()), outputs(eight, texts())
    )


def test_a_build_leaves_the_others_as_they_were(compressed: Compressed, language: openvino.Model) -> None:
    before = fingerprint(compressed.build()), fingerprint(language)
    compressed.build({"down1": INT8_WEIGHTS, "up0": FLOAT})
    assert (fingerprint(compressed.build()), fingerprint(language)) == before


def test_fewer_bits_take_less_room(compressed: Compressed) -> None:
    names = [layer.name for layer in compressed.at(INT8_WEIGHTS)]
    sizes = [constant_bytes(compressed.build(dict.fromkeys(names, level))) for level in (FLOAT, INT8_WEIGHTS)]
    assert constant_bytes(compressed.build()) < sizes[1] < sizes[0]


def test_scaled_channels_change_no_output_in_float(language: openvino.Model) -> None:
    scaled = quantize(
        language, Recipe(algorithm="weights", weight_bits=4, group_size=32, awq=True), calibration=texts()
    )
    assert isinstance(scaled, Compressed)
    assert fingerprint(scaled.original) != fingerprint(language)
    assert error(scaled.build(dict.fromkeys([layer.name for layer in scaled.layers], FLOAT)), language) < 1e-10
    assert error(scaled.build({"down0": INT8_WEIGHTS}), language) < error(scaled.build(), language) < 0.1


def test_a_layer_is_kept_in_f32(compressed: Compressed, tmp_path: Path) -> None:
    built = saved(compressed.build({"down1": F32}), tmp_path)
    assert "down1" in pinned(built)
    assert compressed.precisions(built)["down1"] == F32


def test_a_layer_that_has_the_level_already_is_refused(compressed: Compressed) -> None:
    with pytest.raises(UsageError, match="the layer 'embedding'"):
        compressed.build({"embedding": INT8_WEIGHTS})
