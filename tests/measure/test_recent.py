"""What quantizing leaves in memory: little where models are large."""

import pytest

from ovquant.domain.recipe import Recipe
from ovquant.measure.recent import Recent
from ovquant.quantization import quantize
from tests.measure.made import network


@pytest.mark.parametrize(("large", "kept"), [(False, 2), (True, 1)])
def test_the_latest_are_kept_and_one_that_is_held_stays_longer(large: bool, kept: int) -> None:
    recent, recipes = Recent(large), [Recipe(calibration_size=size) for size in (1, 2, 3)]
    for recipe in recipes:
        recent.make_room()
        recent.keep(recipe, quantize(network(), Recipe(algorithm="weights"), calibration=[]))
        assert recent.get(recipe) is not None
    assert len(recent) == kept
    assert [recent.get(recipe) is not None for recipe in recipes] == [False, not large, True]
    recent.hold(recipes[1])
    recent.hold(Recipe(calibration_size=9))
    recent.make_room()
    assert [recent.get(recipe) is not None for recipe in recipes] == [False, not large, False]


def test_what_quantizes_a_graph_is_kept() -> None:
    recent, model = Recent(False), network()
    assert recent.quantizer("as-read", model) is recent.quantizer("as-read", model)
    assert recent.quantizer("as-read", model) is not recent.quantizer("normalised", model)
