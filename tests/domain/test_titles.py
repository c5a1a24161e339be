"""Plans are called for what they do; the numbers behind it tell those of the same operations apart."""

import pytest

from ovquant.domain.plan import Plan
from ovquant.domain.recipe import Recipe
from ovquant.testing import in_float


@pytest.mark.parametrize(
    ("plan", "title"),
    [
        (Plan(), "float"),
        (Plan("float-f32"), "float-f32"),
        (Plan("default", Recipe()), "int8"),
        (Plan("weights", Recipe("weights")), "int8 weights"),
        (Plan("weights", Recipe("weights", weight_bits=4, group_size=-1)), "int4 weights"),
        (Plan("accuracy-control", Recipe("accuracy-control")), "int8 by accuracy control"),
        (Plan("x", Recipe(model_type="transformer", preset="mixed")), "int8, transformer, asymmetric"),
        (Plan("x", Recipe(keep_float_types=("GroupConvolution",))), "int8, depthwise in float"),
        (
            Plan("x", Recipe(keep_float_types=("Add", "MatMul", "Multiply"))),
            "int8, matrix products and elementwise in float",
        ),
        (Plan("x", Recipe(keep_float_types=("Softmax",))), "int8, Softmax in float"),
        (Plan("mixed:a=1,b=2", Recipe()).with_levels(in_float("one", "two")), "int8, 2 layers in float"),
        (Plan("x", Recipe("weights", dynamic_group_size=0)), "int8 weights, activations in float"),
        (
            Plan("x", Recipe("weights", dynamic_group_size=64, kv_cache="u8")),
            "int8 weights, activations in groups of 64, KV cache in u8",
        ),
        (Plan("default, computed in f32", Recipe()), "int8, computed in f32"),
    ],
)
def test_a_title_says_what_a_plan_does(plan: Plan, title: str) -> None:
    assert plan.title == title
    assert plan.full_title.partition(" (")[0] == title


def test_numbers_that_are_nncf_s_own_are_not_told() -> None:
    recipe = Recipe(
        activation_range="histogram",
        bias_correction="accurate",
        seven_bits="all",
        smooth_matmul=0.5,
        calibration_size=300,
    )
    assert Plan("x", recipe).full_title == (
        "int8 (histogram ranges, accurate biases, 7-bit weights, matrix products smoothed by 0.5, 300 samples)"
    )
    others = Recipe(activation_range="minmax", bias_correction="none", seven_bits="none", smooth_convolution=-1)
    assert Plan("x", others).full_title == (
        "int8 (min-max ranges, biases as they are, 8-bit weights, convolutions smoothed by -1)"
    )
    assert Plan("weights", Recipe("weights", calibration_size=300)).full_title == "int8 weights"
