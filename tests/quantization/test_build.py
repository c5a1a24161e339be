"""Quantizing for real: what comes out runs, what came in is unchanged, and what NNCF refuses is said."""

from collections.abc import Sequence

import numpy as np
import openvino
import pytest

from ovquant.domain.layer import FLOAT
from ovquant.domain.recipe import Recipe
from ovquant.errors import ModelError, UsageError
from ovquant.graph.fingerprint import fingerprint
from ovquant.graph.precision import is_quantized, precisions
from ovquant.quantization import Validation, quantize
from tests.quantization.conftest import outputs, requests


def test_layers_partition_the_quantizers(branched: openvino.Model) -> None:
    quantized = quantize(branched, Recipe(), calibration=requests(branched))
    listed = [name for layer in quantized.layers for name in layer.quantizers]
    present = [node.get_friendly_name() for node in quantized.model.get_ops() if node.get_type_name() == "FakeQuantize"]
    assert sorted(listed) == sorted(present)
    assert len({layer.name for layer in quantized.layers}) == len(quantized.layers)


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


def test_a_recurrent_model_compiles(recurrent: openvino.Model) -> None:
    inputs = requests(recurrent)
    quantized = quantize(recurrent, Recipe(), calibration=inputs)
    assert np.isfinite(outputs(quantized.build(), inputs)).all()
    everything = quantized.build(dict.fromkeys((layer.name for layer in quantized.layers), FLOAT))
    np.testing.assert_allclose(outputs(everything, inputs), outputs(recurrent, inputs), atol=1e-4)


def test_control_flow_compiles(conditional: openvino.Model) -> None:
    inputs = requests(conditional)
    quantized = quantize(conditional, Recipe(), calibration=inputs)
    assert np.isfinite(outputs(quantized.build(), inputs)).all()
    assert np.isfinite(outputs(quantized.build({quantized.layers[0].name: FLOAT}), inputs)).all()


def test_equal_names_do_not_stop_it(branched: openvino.Model) -> None:
    twin = branched.clone()
    for node in twin.get_ops():
        if node.get_type_name() == "Convolution":
            node.set_friendly_name("same")
    quantized = quantize(twin, Recipe(), calibration=requests(branched))
    assert len(quantized.layers) >= 3


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
