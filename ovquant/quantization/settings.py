"""A recipe's settings in NNCF's own words."""

from typing import Any

import nncf
import openvino
from nncf.quantization.advanced_parameters import (
    AdvancedBiasCorrectionParameters,
    AdvancedQuantizationParameters,
    AdvancedSmoothQuantParameters,
    OverflowFix,
)
from nncf.quantization.range_estimator import (
    AggregatorType,
    RangeEstimatorParameters,
    RangeEstimatorParametersSet,
    StatisticsCollectorParameters,
    StatisticsType,
)

from ovquant.domain.recipe import Recipe

OUTLIERS = 1e-5
"""The share of the values of a sample that a range by quantiles leaves out at either end; NNCF's own is ten times that."""


def _quantile(aggregator: AggregatorType) -> StatisticsCollectorParameters:
    return StatisticsCollectorParameters(StatisticsType.QUANTILE, aggregator, quantile_outlier_prob=OUTLIERS)


_RANGES = {
    "minmax": RangeEstimatorParametersSet.MINMAX,
    "mean-minmax": RangeEstimatorParametersSet.MEAN_MINMAX,
    "mean-quantile": RangeEstimatorParametersSet.MEAN_QUANTILE,
    "quantile": RangeEstimatorParameters(_quantile(AggregatorType.MIN), _quantile(AggregatorType.MAX)),
    "histogram": RangeEstimatorParametersSet.HISTOGRAM,
}
_OVERFLOW_FIX = {"none": OverflowFix.DISABLE, "all": OverflowFix.ENABLE}
"""NNCF's own choice is the first layer."""


def quantize_arguments(model: openvino.Model, recipe: Recipe, *, samples: int) -> dict[str, Any]:
    """Return the keyword arguments of nncf.quantize, weights left uncompressed; `samples` counts requests."""
    return {
        "preset": nncf.QuantizationPreset(recipe.preset),
        "model_type": None if recipe.model_type == "any" else nncf.ModelType(recipe.model_type),
        "subset_size": samples,
        "fast_bias_correction": recipe.bias_correction != "accurate",
        "ignored_scope": ignored_scope(model, recipe),
        "advanced_parameters": _advanced(recipe),
    }


def ignored_scope(model: openvino.Model, recipe: Recipe) -> nncf.IgnoredScope:
    """Return what stays in float; operation types that the model lacks are left out, names are checked by NNCF."""
    present = {operation.get_type_name() for operation in model.get_ops()}
    types = [kind for kind in recipe.keep_float_types if kind in present]
    return nncf.IgnoredScope(names=list(recipe.keep_float_names), types=types)


def _advanced(recipe: Recipe) -> AdvancedQuantizationParameters:
    ranges = _RANGES.get(recipe.activation_range, RangeEstimatorParameters())
    smooth = AdvancedSmoothQuantParameters()
    if recipe.smooth_convolution is not None:
        smooth.convolution = recipe.smooth_convolution
    if recipe.smooth_matmul is not None:
        smooth.matmul = recipe.smooth_matmul
    return AdvancedQuantizationParameters(
        disable_bias_correction=recipe.bias_correction == "none",
        activations_range_estimator_params=ranges,
        smooth_quant_alphas=smooth,
        overflow_fix=_OVERFLOW_FIX.get(recipe.seven_bits),
        bias_correction_params=AdvancedBiasCorrectionParameters(),
        backend_params={"compress_weights": False},
    )
