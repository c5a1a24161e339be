"""What recipes have in common is done once, and each comes out as NNCF makes it alone."""

from collections.abc import Iterator

import nncf
import numpy as np
import openvino
import pytest

from ovquant.domain.recipe import Recipe
from ovquant.graph.fingerprint import fingerprint
from ovquant.quantization import quantizer
from ovquant.quantization.settings import quantize_arguments
from tests.quantization.conftest import requests

RECIPES = (
    Recipe(calibration_size=4),
    Recipe(calibration_size=8),
    Recipe(calibration_size=8, activation_range="histogram", bias_correction="none"),
    Recipe(calibration_size=8, activation_range="histogram", bias_correction="accurate", seven_bits="all"),
    Recipe(calibration_size=8, activation_range="minmax", bias_correction="fast"),
    Recipe(calibration_size=8, activation_range="histogram", bias_correction="accurate"),
    Recipe(calibration_size=8, model_type="transformer", activation_range="histogram"),
    Recipe(calibration_size=8, model_type="transformer", activation_range="histogram", smooth_convolution=0.9),
    Recipe(calibration_size=8, model_type="transformer", keep_float_types=("MatMul",), activation_range="histogram"),
    Recipe(calibration_size=8, preset="mixed", bias_correction="none"),
    Recipe(calibration_size=8),
)


@pytest.mark.parametrize(("kind", "large"), [("branched", False), ("branched", True), ("recurrent", False)])
def test_recipes_one_after_the_other_are_what_nncf_makes_of_each(
    kind: str, large: bool, request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(kind)
    together = quantizer(model, large=large)
    found = []
    # Of what large models keep less, every other recipe tells too.
    for recipe in RECIPES[1:2] + RECIPES[2::2] if large else RECIPES:
        calibration = requests(model)[: recipe.calibration_size]
        assert len(calibration) == recipe.calibration_size
        quantized = together.quantize(recipe, calibration=calibration).model
        arguments = quantize_arguments(together.original, recipe, samples=len(calibration))
        alone = nncf.quantize(together.original, nncf.Dataset(calibration), **arguments)
        assert fingerprint(quantized) == fingerprint(alone), recipe
        assert written_by_nncf(quantized) == written_by_nncf(alone)
        found.append(fingerprint(quantized))
    assert found[0 if large else 1] == found[-1]
    # Else nothing would be compared.
    assert len(set(found)) > 2


def written_by_nncf(model: openvino.Model) -> dict[str, object]:
    return {
        name: model.get_rt_info(["nncf", "quantization", name]).value
        for name in (
            "advanced_parameters",
            "fast_bias_correction",
            "ignored_scope",
            "model_type",
            "preset",
            "subset_size",
        )
    }


def test_what_is_known_is_not_collected_again(branched: openvino.Model) -> None:
    inputs = requests(branched)
    passes = []

    class Counting(list[list[np.ndarray]]):
        def __iter__(self) -> Iterator[list[np.ndarray]]:
            passes.append(1)
            return super().__iter__()

    together = quantizer(branched)
    fewer = Recipe(keep_float_types=("MatMul",))
    for recipe in (Recipe(), Recipe(seven_bits="all"), Recipe(bias_correction="none"), fewer):
        together.quantize(recipe, calibration=Counting(inputs))
    assert len(passes) == 1
