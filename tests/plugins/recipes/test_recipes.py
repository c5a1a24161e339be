"""Reading recipes, what each part sets, and what is offered for a model."""

from collections.abc import Mapping
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovquant.domain.recipe import Recipe
from ovquant.errors import UnknownPluginError, UsageError
from ovquant.plugins.recipes import offered_parts, read_recipe, split_parts

CONVOLUTIONAL = {"Convolution": 20, "GroupConvolution": 9, "Add": 12, "Relu": 20}
ATTENTION = {"MatMul": 40, "Add": 60, "Multiply": 20, "Softmax": 6, "Gather": 3}


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("default", Recipe()),
        ("mixed", Recipe(preset="mixed")),
        ("bias", Recipe(bias_correction="accurate")),
        ("bias:correction=none", Recipe(bias_correction="none")),
        ("ranges:estimator=minmax", Recipe(activation_range="minmax")),
        ("calibration:size=7", Recipe(calibration_size=7)),
        ("keep-float:types=Add;MVN", Recipe(keep_float_types=("Add", "MVN"))),
        ("transformer", Recipe(model_type="transformer")),
        ("transformer:smooth=0.5", Recipe(model_type="transformer", smooth_matmul=0.5)),
        ("seven-bits", Recipe(seven_bits="all")),
        ("seven-bits:layers=none", Recipe(seven_bits="none")),
        ("smooth-convolutions", Recipe(model_type="transformer", smooth_convolution=0.5)),
        ("weights", Recipe(algorithm="weights")),
        ("accuracy-control", Recipe(algorithm="accuracy-control")),
    ],
)
def test_what_a_part_sets(part: str, expected: Recipe) -> None:
    assert read_recipe([part]) == expected


def test_parts_are_joined() -> None:
    recipe = read_recipe(["mixed", "bias", "keep-float:types=Add"], start=Recipe(keep_float_names=("head",)))
    assert recipe == Recipe(
        preset="mixed", bias_correction="accurate", keep_float_types=("Add",), keep_float_names=("head",)
    )


def test_the_order_of_independent_parts_does_not_matter() -> None:
    parts = ("mixed", "bias", "keep-float:types=Add", "keep-float:types=MVN")
    assert len({read_recipe(order).key for order in permutations(parts)}) == 1


def test_transformer_keeps_the_smoothing_that_was_chosen_before() -> None:
    assert read_recipe(["transformer:smooth=0.3", "transformer"]).smooth_matmul == 0.3


def test_split_parts() -> None:
    assert split_parts("a + b:key=x;y,other=1+c") == ("a", "b:key=x;y,other=1", "c")


@given(st.lists(st.sampled_from(["default", "mixed", "calibration:size=5", "keep-float:types=Add;MVN"]), min_size=1))
def test_joined_text_is_split_again(parts: list[str]) -> None:
    assert split_parts("+".join(parts)) == tuple(parts)


@pytest.mark.parametrize("text", ["calibration:size=0", "calibration:size=many", "bias:correction=slow", "mixed:x=1"])
def test_senseless_options_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        read_recipe([text])


def test_unknown_part_is_named() -> None:
    with pytest.raises(UnknownPluginError, match="mixde.*mixed"):
        read_recipe(["mixde"])


@pytest.mark.parametrize("types", [CONVOLUTIONAL, ATTENTION, {}, {"Relu": 1}])
def test_everything_offered_can_be_read(types: Mapping[str, int]) -> None:
    offered = offered_parts(types)
    assert offered[0] == "default"
    assert len(set(offered)) == len(offered)
    assert all(isinstance(read_recipe([part]), Recipe) for part in offered)


def test_what_suits_convolutions() -> None:
    offered = offered_parts(CONVOLUTIONAL)
    assert {"bias", "smooth-convolutions", "keep-float:types=Add", "keep-float:types=GroupConvolution"} <= set(offered)
    assert "transformer" in offered


def test_what_suits_attention() -> None:
    offered = offered_parts(ATTENTION)
    assert {"transformer", "keep-float:types=Add;Multiply"} <= set(offered)
    assert not {"bias", "smooth-convolutions"} & set(offered)


def test_the_only_heavy_type_is_not_offered_in_float() -> None:
    assert "keep-float:types=MatMul" not in offered_parts({"MatMul": 9, "Relu": 2})


def test_accurate_bias_correction_is_not_offered_with_control_flow() -> None:
    assert "bias" not in offered_parts({**CONVOLUTIONAL, "If": 1})


def test_accuracy_control_runs_on_request_alone() -> None:
    assert "accuracy-control" not in offered_parts(CONVOLUTIONAL)
