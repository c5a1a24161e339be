"""Numbers are chosen by divergence from float, without a score or a timing, and are in the profile."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ovquant.domain.plan import Plan
from ovquant.domain.table import Calibration, Candidate
from ovquant.errors import ModelError
from ovquant.search.loop import Search
from ovquant.search.numbers import CLEARLY
from ovquant.search.replay import Record
from tests.search.played import Scripted, search

FREE = frozenset({"ranges", "ranges:estimator=histogram", "seven-bits"})


def with_numbers(hunt: Search) -> Search:
    """Offer numbers beside the operations of a search."""
    hunt.offer = replace(hunt.offer, parts=(*hunt.offer.parts, *sorted(FREE)), free=FREE)
    return hunt


def test_numbers_are_chosen_by_what_comes_nearest_to_float(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, Scripted((Candidate(("default",)), Calibration(("default",)))))
    standings = with_numbers(hunt).explore().standings
    rows = standings.table().calibrations[("default",)]
    # Two kinds of numbers, of which one has three options: four recipes, or fewer where models come out equal.
    assert len(rows) == 4
    assert len({row.parts for row in rows}) == 4
    assert all(row.parts[0] == "default" and math.isfinite(row.divergence) for row in rows)
    least = min(row.divergence for row in rows)
    assert rows[0].divergence <= least / (1 - CLEARLY)
    # Nothing was timed or scored for it.
    assert [candidate.parts for candidate in standings.trials] == [("default",)]


@pytest.mark.parametrize("error", [ModelError("no room"), ValueError("nobody foresaw it")])
def test_numbers_that_cannot_be_built_are_not_chosen(error: Exception, tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, Scripted((Candidate(("default",)), Calibration(("default",)))))
    instruments = with_numbers(hunt).bench.instruments
    traits = instruments.traits

    def refuse(plan: Plan) -> dict[str, Any]:
        if plan.recipe is not None and plan.recipe.activation_range == "histogram":
            raise error
        return traits(plan)

    instruments.traits = refuse  # type: ignore[method-assign]
    rows = hunt.explore().standings.table().calibrations[("default",)]
    assert "ranges:estimator=histogram" not in rows[0].parts
    assert math.inf in [row.divergence for row in rows]


def test_a_profile_is_solved_again_with_the_numbers_that_were_chosen(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, Scripted((Candidate(("default",)), Calibration(("default",)))))
    chosen = with_numbers(hunt).explore().standings.calibrations
    record = Record.read(hunt.bench.profile)
    assert record.calibrations == chosen
    assert record.offer.free == FREE
