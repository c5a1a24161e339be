"""Recipes: their keys, and that what is written is what is read."""

import json
from dataclasses import fields, replace
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovquant.domain.recipe import Recipe
from ovquant.errors import UsageError

names = st.text(min_size=1, max_size=12)
HINTS = get_type_hints(Recipe)
recipes = st.builds(
    Recipe,
    **{
        name: st.sampled_from(get_args(HINTS[name]))
        for name in ("algorithm", "preset", "model_type", "bias_correction", "activation_range")
    },
    smooth_convolution=st.none() | st.floats(0, 1),
    smooth_matmul=st.none() | st.floats(0, 1),
    keep_float_types=st.lists(names, max_size=3).map(tuple),
    keep_float_names=st.lists(names, max_size=3).map(tuple),
    calibration_size=st.integers(1, 1000),
)


@given(recipes)
def test_recipe_round_trip(recipe: Recipe) -> None:
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


def test_every_setting_is_in_the_key() -> None:
    changes: dict[str, Any] = {
        "algorithm": "weights",
        "preset": "mixed",
        "model_type": "transformer",
        "bias_correction": "none",
        "activation_range": "histogram",
        "smooth_convolution": 0.5,
        "smooth_matmul": 0.5,
        "keep_float_types": ("Add",),
        "keep_float_names": ("head",),
        "calibration_size": 5,
        "allowed_drop": 0.01,
        "graph": "normalised",
        "seven_bits": "all",
        "weight_bits": 4,
        "float_precision": "f32",
        "dynamic_group_size": 0,
        "kv_cache": "u8",
        "trained": "0123456789abcdef",
        "train_seconds": 60.0,
    }
    of_four_bits: dict[str, Any] = {
        "group_size": 64,
        "symmetric_weights": True,
        "awq": True,
        "scale_estimation": True,
        "trainer": "end-to-end",
        "gptq": True,
    }
    assert {*changes, *of_four_bits} == {item.name for item in fields(Recipe)}
    keys = {replace(Recipe(), **{name: value}).key for name, value in changes.items()}
    keys |= {replace(Recipe(weight_bits=4), **{name: value}).key for name, value in of_four_bits.items()}
    assert len(keys | {Recipe().key}) == len(changes) + len(of_four_bits) + 1


def test_settings_that_weights_of_eight_bits_do_not_take_are_refused() -> None:
    with pytest.raises(UsageError, match="weights in 8 bits, which takes no groups"):
        Recipe.from_json({**Recipe(algorithm="weights").to_json(), "awq": True})
    with pytest.raises(UsageError, match="group_size is 0"):
        Recipe(algorithm="weights", weight_bits=4, group_size=0)


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown settings: speed"):
        Recipe.from_json({**Recipe().to_json(), "speed": "high"})


@pytest.mark.parametrize(
    ("setting", "value"),
    [("preset", "fast"), ("calibration_size", "many"), ("keep_float_types", "Add"), ("algorithm", None)],
)
def test_a_setting_with_a_senseless_value_is_refused(setting: str, value: Any) -> None:
    with pytest.raises(UsageError, match=setting):
        Recipe.from_json({**Recipe().to_json(), setting: value})


def test_a_sketch_has_zero_points_where_the_recipe_has_them() -> None:
    assert Recipe(preset="mixed", activation_range="histogram").sketch == Recipe(preset="mixed").sketch
    assert Recipe(preset="mixed").sketch != Recipe().sketch


def test_what_a_model_is_served_with_changes_nothing_of_what_is_built() -> None:
    assert Recipe(float_precision="f32", dynamic_group_size=0, kv_cache="f32").built == Recipe()


def test_what_a_model_is_served_with_is_a_property_of_openvino() -> None:
    served = Recipe(dynamic_group_size=0, kv_cache="u8").properties
    assert served == {"DYNAMIC_QUANTIZATION_GROUP_SIZE": "0", "KV_CACHE_PRECISION": "u8"}
    assert Recipe().properties == {}
