"""Numbers are chosen by divergence from float, without a score or a timing, and are in the profile."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ovquant.domain.plan import Plan
from ovquant.domain.recipe import Recipe
from ovquant.domain.table import Calibration, Candidate
from ovquant.errors import ModelError
from ovquant.plugins.recipes import read_recipe
from ovquant.search.loop import Search
from ovquant.search.numbers import CLEARLY, FINALISTS
from ovquant.search.replay import Record
from tests.search.played import Scripted, search

FREE = frozenset({"ranges", "ranges:estimator=histogram", "seven-bits"})


def with_numbers(hunt: Search, *more: str) -> Search:
    """Offer numbers beside the operations of a search."""
    hunt.offer = replace(hunt.offer, parts=(*hunt.offer.parts, *sorted(FREE), *more), free=FREE | {*more})
    return hunt


def divergences(hunt: Search) -> dict[Recipe, float]:
    """Return what is to be how far from float each recipe is whose divergence was asked for."""
    instruments, seen = hunt.bench.instruments, dict[Recipe, float]()
    traits = instruments.traits

    def watched(plan: Plan, **how: Any) -> dict[str, Any]:
        found = traits(plan, **how)
        if plan.recipe is not None:
            seen[plan.recipe] = found["divergence"]
        return found

    instruments.traits = watched  # type: ignore[method-assign]
    return seen


def uncorrected(seen: dict[Recipe, float]) -> dict[Recipe, float]:
    return {recipe: distance for recipe, distance in seen.items() if recipe.bias_correction == "none"}


def test_numbers_are_chosen_by_what_comes_nearest_to_float(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, Scripted((Candidate(("default",)), Calibration(("default",)))))
    seen = divergences(with_numbers(hunt))
    standings = hunt.explore().standings
    rows = standings.table().calibrations[("default",)]
    # Three kinds of ranges are compared with biases as they are, and with corrected ones the nearest of them with all bits.
    bare = uncorrected(seen)
    assert {recipe.activation_range for recipe in bare} == {"default", "minmax", "histogram"}
    assert {recipe.seven_bits for recipe in bare} == {"first"}
    nearest, *others = sorted(bare, key=lambda recipe: bare[recipe])[:FINALISTS]
    corrected = {read_recipe(row.parts): row.divergence for row in rows}
    both = {bits: replace(nearest, seven_bits=bits, bias_correction="fast") for bits in ("first", "all")}
    bits = min(both, key=lambda name: corrected[both[name]])
    # The others have the bits that were best there.
    expected = {*both.values(), *(replace(recipe, seven_bits=bits, bias_correction="fast") for recipe in others)}
    assert {*corrected} - {Recipe()} == expected - {Recipe()}
    assert all(math.isfinite(row.divergence) for row in rows)
    assert rows[0].divergence <= min(row.divergence for row in rows) / (1 - CLEARLY)
    # Nothing was timed or scored for it.
    assert [candidate.parts for candidate in standings.trials] == [("default",)]


def test_the_nearest_are_compared_with_each_correction_of_biases(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, Scripted((Candidate(("default",)), Calibration(("default",)))))
    seen = divergences(with_numbers(hunt, "bias"))
    rows = hunt.explore().standings.table().calibrations[("default",)]
    assert len(uncorrected(seen)) == 3
    found = {row.parts for row in rows}
    # Of the nearest ranges both bits with each correction, of the others one, and what the recipe was.
    assert len(found - {("default",)}) in {4 + FINALISTS - 1, 3 + FINALISTS - 1}
    assert any("bias" in names for names in found)
    assert any({"bias", "seven-bits"} <= {*names} for names in found)


@pytest.mark.parametrize("error", [ModelError("no room"), ValueError("nobody foresaw it"), None])
def test_numbers_that_cannot_be_built_are_not_chosen(error: Exception | None, tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, Scripted((Candidate(("default",)), Calibration(("default",)))))
    instruments = with_numbers(hunt).bench.instruments
    traits = instruments.traits

    def refuse(plan: Plan, **how: Any) -> dict[str, Any]:
        if plan.recipe is not None and plan.recipe.activation_range == "histogram":
            if error is None:
                return {**traits(plan, **how), "divergence": math.nan}
            raise error
        return traits(plan, **how)

    instruments.traits = refuse  # type: ignore[method-assign]
    rows = hunt.explore().standings.table().calibrations[("default",)]
    assert all("ranges:estimator=histogram" not in row.parts for row in rows)


def test_a_profile_is_solved_again_with_the_numbers_that_were_chosen(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, Scripted((Candidate(("default",)), Calibration(("default",)))))
    chosen = with_numbers(hunt).explore().standings.calibrations
    record = Record.read(hunt.bench.profile)
    assert record.calibrations == chosen
    assert record.offer.free == FREE
