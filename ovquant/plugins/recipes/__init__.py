"""Choices of quantization settings, and how their texts are read."""

from collections.abc import Mapping, Sequence

from ovquant.domain.recipe import Recipe
from ovquant.plugins.registry import Registry

RECIPES = Registry("recipes")


def read_recipe(parts: Sequence[str], *, start: Recipe | None = None) -> Recipe:
    """Return the recipe that parts such as `transformer` and `keep-float:types=Add;Multiply` make, in order."""
    recipe = start or Recipe()
    for part in parts:
        recipe = RECIPES.resolve(part).extend(recipe)
    return recipe


def split_parts(text: str) -> tuple[str, ...]:
    """Split `a+b:key=value` into the texts of its parts."""
    return tuple(part.strip() for part in text.split("+") if part.strip())


def opening_parts(offered: Sequence[str], *, anywhere: bool) -> tuple[str, ...]:
    """Return those of the parts on offer that are likely to be best together, before anything is known of a model.

    anywhere: whether it must do on processors with and without VNNI: where weights have seven bits both answer alike.
    """
    likely = {"transformer", "mixed", "ranges:estimator=histogram", "bias"} | ({"seven-bits"} if anywhere else set())
    return tuple(part for part in offered if part in likely)


def offered_parts(operation_types: Mapping[str, int]) -> list[str]:
    """Return every part, with options, that the registered recipes offer for a model; broken plugins offer none."""
    ranked = sorted(RECIPES.working().items(), key=lambda item: (getattr(item[1], "rank", 50), item[0]))
    return [
        f"{name}:{options}" if options else name
        for name, plugin in ranked
        for options in plugin.offers(operation_types)
    ]
