"""Quantizing for real: what comes out runs, what is put back is float again, what came in is unchanged."""

from collections.abc import Sequence

import nncf
import numpy as np
import openvino
import pytest

from ovquant.errors import ModelError, UsageError
from ovquant.graph import fingerprint
from ovquant.plans import Recipe
from ovquant.quantization import Validation, is_quantized, precisions, quantize
from tests.quantization.conftest import outputs, requests

RECIPES = {
    "default": Recipe(),
    "mixed": Recipe(preset="mixed"),
    "smooth": Recipe(model_type="transformer", smooth_convolution=0.5),
    "accurate": Recipe(bias_correction="accurate"),
    "none": Recipe(bias_correction="none"),
    "histogram": Recipe(activation_range="histogram"),
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_reverting_every_layer_gives_float_back(branched: openvino.Model, recipe: Recipe) -> None:
    inputs = requests(branched)
    quantized = quantize(branched, recipe, calibration=inputs)
    truth = outputs(branched, inputs)
    assert np.abs(outputs(quantized.build(), inputs) - truth).max() > 1e-4
    everything = quantized.build([layer.name for layer in quantized.layers])
    assert not is_quantized(everything)
    np.testing.assert_allclose(outputs(everything, inputs), truth, atol=1e-4)


def test_one_layer_put_back_is_float_and_the_others_are_not(branched: openvino.Model) -> None:
    quantized = quantize(branched, Recipe(), calibration=requests(branched))
    first = next(layer for layer in quantized.layers if "third" in layer.operations)
    found = precisions(quantized.build([first.name]))
    assert found["third"] == "f32"
    assert found["second"] == "int8"


def test_layers_partition_the_quantizers(branched: openvino.Model) -> None:
    quantized = quantize(branched, Recipe(), calibration=requests(branched))
    listed = [name for layer in quantized.layers for name in layer.quantizers]
    present = [node.get_friendly_name() for node in quantized.model.get_ops() if node.get_type_name() == "FakeQuantize"]
    assert sorted(listed) == sorted(present)
    assert len({layer.name for layer in quantized.layers}) == len(quantized.layers)


def test_the_build_equals_nncf_s_own(branched: openvino.Model, tmp_path) -> None:  # type: ignore[no-untyped-def]
    inputs = requests(branched)
    ours = quantize(branched, Recipe(), calibration=inputs).build()
    theirs = nncf.quantize(branched, nncf.Dataset(inputs, list), subset_size=len(inputs))
    np.testing.assert_array_equal(outputs(ours, inputs), outputs(theirs, inputs))
    for name, model in (("ours", ours), ("theirs", theirs)):
        openvino.save_model(model, tmp_path / f"{name}.xml", compress_to_fp16=False)
    assert (tmp_path / "ours.bin").stat().st_size == (tmp_path / "theirs.bin").stat().st_size


@pytest.mark.parametrize("recipe", [Recipe(), Recipe(algorithm="weights")], ids=["default", "weights"])
def test_the_model_that_came_in_is_unchanged(branched: openvino.Model, recipe: Recipe) -> None:
    before = fingerprint(branched)
    quantize(branched, recipe, calibration=requests(branched)).build()
    assert fingerprint(branched) == before
    assert not is_quantized(branched)


def test_weight_only_keeps_activations_in_float(branched: openvino.Model) -> None:
    built = quantize(branched, Recipe(algorithm="weights"), calibration=[]).build()
    assert is_quantized(built)
    assert "int8" not in precisions(built).values()
    assert "int8-weights" in precisions(built).values()


def test_types_and_names_stay_in_float(branched: openvino.Model) -> None:
    recipe = Recipe(keep_float_types=("MatMul", "NotInThisModel"), keep_float_names=("second",))
    found = precisions(quantize(branched, recipe, calibration=requests(branched)).build())
    assert found["scores"] == found["second"] == "f32"
    assert found["third"] == "int8"


def test_a_recurrent_model_compiles(recurrent: openvino.Model) -> None:
    inputs = requests(recurrent)
    quantized = quantize(recurrent, Recipe(), calibration=inputs)
    assert np.isfinite(outputs(quantized.build(), inputs)).all()
    everything = quantized.build([layer.name for layer in quantized.layers])
    np.testing.assert_allclose(outputs(everything, inputs), outputs(recurrent, inputs), atol=1e-4)


def test_control_flow_compiles(conditional: openvino.Model) -> None:
    inputs = requests(conditional)
    quantized = quantize(conditional, Recipe(), calibration=inputs)
    assert np.isfinite(outputs(quantized.build(), inputs)).all()
    assert np.isfinite(outputs(quantized.build([quantized.layers[0].name]), inputs)).all()


def test_equal_names_do_not_stop_it(branched: openvino.Model) -> None:
    twin = branched.clone()
    for node in twin.get_ops():
        if node.get_type_name() == "Convolution":
            node.set_friendly_name("same")
    quantized = quantize(twin, Recipe(), calibration=requests(branched))
    assert len(quantized.layers) >= 3


def test_a_layer_that_is_not_there_is_named(branched: openvino.Model) -> None:
    quantized = quantize(branched, Recipe(), calibration=requests(branched))
    with pytest.raises(UsageError, match="nowhere"):
        quantized.build(["nowhere"])


def test_a_name_to_keep_that_is_not_there_is_named(branched: openvino.Model) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        quantize(branched, Recipe(keep_float_names=("nowhere",)), calibration=requests(branched))


def test_accuracy_control_without_a_mean_metric_is_refused(branched: openvino.Model) -> None:
    with pytest.raises(ModelError, match="mean over samples"):
        quantize(branched, Recipe(algorithm="accuracy-control"), calibration=requests(branched))


def test_accuracy_control_runs_and_scores_higher_is_better(branched: openvino.Model) -> None:
    inputs = requests(branched)
    truth = outputs(branched, inputs)

    def score(compiled: openvino.CompiledModel, places: Sequence[int]) -> tuple[float, list[float]]:
        items = [-float(np.abs(compiled(inputs[place])[0] - truth[place]).max()) for place in places]
        return float(np.mean(items)), items

    recipe = Recipe(algorithm="accuracy-control")
    loose = quantize(branched, recipe, calibration=inputs, validation=Validation(score, len(inputs), 1e9)).build()
    tight = quantize(branched, recipe, calibration=inputs, validation=Validation(score, len(inputs), 1e-9)).build()
    count = sum(value == "int8" for value in precisions(loose).values())
    assert sum(value == "int8" for value in precisions(tight).values()) < count
