"""Each setting of a recipe is what NNCF calls by its own name."""

from typing import Any

import nncf
import numpy as np
import openvino
import pytest
from nncf.quantization.advanced_parameters import AdvancedSmoothQuantParameters
from nncf.quantization.range_estimator import RangeEstimatorParameters, RangeEstimatorParametersSet

from ovquant.domain.recipe import Recipe
from ovquant.graph.precision import precisions
from ovquant.quantization import quantize
from ovquant.quantization.settings import ignored_scope, quantize_arguments
from tests.quantization.conftest import requests


def arguments(model: openvino.Model, **settings: Any) -> dict[str, Any]:
    return quantize_arguments(model, Recipe(**settings), samples=7)


def test_the_default_recipe_is_nncf_s_own(branched: openvino.Model) -> None:
    found = arguments(branched)
    advanced = found.pop("advanced_parameters")
    assert found == {
        "preset": nncf.QuantizationPreset.PERFORMANCE,
        "model_type": None,
        "subset_size": 7,
        "fast_bias_correction": True,
        "ignored_scope": nncf.IgnoredScope(),
    }
    assert advanced.disable_bias_correction is False
    assert advanced.activations_range_estimator_params == RangeEstimatorParameters()
    assert advanced.smooth_quant_alphas == AdvancedSmoothQuantParameters()
    assert advanced.overflow_fix is None
    # Layers can be switched only while their weights are in float.
    assert advanced.backend_params == {"compress_weights": False}


def test_preset_and_type_of_the_model(branched: openvino.Model) -> None:
    found = arguments(branched, preset="mixed", model_type="transformer")
    assert found["preset"] == nncf.QuantizationPreset.MIXED
    assert found["model_type"] == nncf.ModelType.TRANSFORMER


@pytest.mark.parametrize(
    ("correction", "fast", "disabled"), [("fast", True, False), ("accurate", False, False), ("none", True, True)]
)
def test_the_correction_of_biases(branched: openvino.Model, correction: str, fast: bool, disabled: bool) -> None:
    found = arguments(branched, bias_correction=correction)
    assert found["fast_bias_correction"] is fast
    assert found["advanced_parameters"].disable_bias_correction is disabled


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("minmax", RangeEstimatorParametersSet.MINMAX),
        ("mean-minmax", RangeEstimatorParametersSet.MEAN_MINMAX),
        ("mean-quantile", RangeEstimatorParametersSet.MEAN_QUANTILE),
        ("histogram", RangeEstimatorParametersSet.HISTOGRAM),
    ],
)
def test_how_ranges_are_estimated(branched: openvino.Model, name: str, expected: RangeEstimatorParameters) -> None:
    found = arguments(branched, activation_range=name)["advanced_parameters"]
    assert found.activations_range_estimator_params == expected
    assert expected != RangeEstimatorParameters()


def test_quantiles_leave_out_few_values_of_each_sample_and_none_of_the_samples(branched: openvino.Model) -> None:
    found = arguments(branched, activation_range="quantile")["advanced_parameters"].activations_range_estimator_params
    ends = [(end.statistics_type.value, end.aggregator_type.value) for end in (found.min, found.max)]
    assert ends == [("quantile", "min"), ("quantile", "max")]
    assert found.min.quantile_outlier_prob == found.max.quantile_outlier_prob == 1e-5


def test_how_much_is_smoothed(branched: openvino.Model) -> None:
    own = AdvancedSmoothQuantParameters()
    convolution = arguments(branched, smooth_convolution=0.0)["advanced_parameters"].smooth_quant_alphas
    assert (convolution.convolution, convolution.matmul) == (0.0, own.matmul)
    matmul = arguments(branched, smooth_matmul=0.3)["advanced_parameters"].smooth_quant_alphas
    assert (matmul.convolution, matmul.matmul) == (own.convolution, 0.3)


@pytest.mark.parametrize(("layers", "wide"), [("none", ["first", "second", "third", "scores"]), ("all", [])])
def test_weights_of_seven_bits(branched: openvino.Model, layers: str, wide: list[str]) -> None:
    found = quantize(branched, Recipe(seven_bits=layers), calibration=requests(branched)).build()
    constants = [item for item in found.get_ops() if item.get_element_type().get_type_name() == "i8"]
    assert len(constants) == 4
    assert sum(int(np.abs(item.data.astype(int)).max()) > 64 for item in constants) == len(wide)


def test_types_that_the_model_lacks_are_left_out_and_names_are_not(branched: openvino.Model) -> None:
    recipe = Recipe(keep_float_types=("MatMul", "NotInThisModel", "Add"), keep_float_names=("second", "nowhere"))
    found = ignored_scope(branched, recipe)
    assert (found.types, found.names) == (["MatMul", "Add"], ["second", "nowhere"])
    assert quantize_arguments(branched, recipe, samples=1)["ignored_scope"] == found


def test_types_and_names_stay_in_float(branched: openvino.Model) -> None:
    recipe = Recipe(keep_float_types=("MatMul", "NotInThisModel"), keep_float_names=("second",))
    found = precisions(quantize(branched, recipe, calibration=requests(branched)).build())
    assert found["scores"] == found["second"] == "f32"
    assert found["third"] == "int8"
