"""Hold a recipe part to its protocol."""

from collections.abc import Mapping
from typing import Any

import pytest

from ovquant.domain.recipe import Recipe
from ovquant.plugins.protocols import RecipePart
from ovquant.plugins.spec import create, parse_options
from ovquant.testing.plugins import PluginContract


class RecipePartContract(PluginContract):
    """Check a recipe part. Give the fixture `part`; set `operation_types` to counts of a model that it is for."""

    operation_types: Mapping[str, int] = {"Convolution": 8, "MatMul": 4, "Add": 12}

    @pytest.fixture
    def part(self) -> RecipePart:
        """Return the part."""
        raise NotImplementedError("Override the fixture 'part'.")

    @pytest.fixture
    def plugin(self, part: RecipePart) -> Any:
        """Return the part."""
        return part

    def test_fits_the_protocol(self, part: RecipePart) -> None:
        assert isinstance(part, RecipePart)

    def test_extends_a_recipe(self, part: RecipePart) -> None:
        extended = part.extend(Recipe())
        assert isinstance(extended, Recipe)
        assert Recipe.from_json(extended.to_json()) == extended

    def test_leaves_the_given_recipe_alone(self, part: RecipePart) -> None:
        given = Recipe(keep_float_types=("Softmax",), calibration_size=77)
        part.extend(given)
        assert given == Recipe(keep_float_types=("Softmax",), calibration_size=77)

    def test_keeps_what_others_keep_in_float(self, part: RecipePart) -> None:
        extended = part.extend(Recipe(keep_float_types=("Softmax",), keep_float_names=("head",)))
        assert "Softmax" in extended.keep_float_types
        assert "head" in extended.keep_float_names

    def test_twice_is_once(self, part: RecipePart) -> None:
        once = part.extend(Recipe())
        assert part.extend(once) == once

    def test_offers_are_options_of_the_part(self, part: RecipePart) -> None:
        offers = part.offers(dict(self.operation_types))
        assert not isinstance(offers, str), "offers returns a sequence of option texts"
        for text in offers:
            options = parse_options(text, text) if text else {}
            made = create(type(part), options, what=type(part).__name__)
            assert isinstance(made.extend(Recipe()), Recipe)

    def test_offers_are_pure(self, part: RecipePart) -> None:
        counts = dict(self.operation_types)
        assert list(part.offers(counts)) == list(part.offers(counts))
        assert counts == self.operation_types
        part.offers({})
