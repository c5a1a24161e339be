"""The opening comes first, then itself without a part; outside the budget numbers are chosen before other parts are tried, inside it after them."""

from dataclasses import replace

import pytest

from ovquant.domain.table import UNROUNDED, Calibration, CalibrationRow, Candidate, Table
from ovquant.plugins.strategies.coarse import next_recipe
from ovquant.testing import HiddenTruth

FREE = frozenset({"fine", "accurate"})
PARTS = {"plain": 0.0, "other": 0.0, "fine": 0.01, "accurate": 0.02}
OPENING = ("plain", "fine")


def truth(start: float = 0.04) -> HiddenTruth:
    return HiddenTruth(parts=PARTS, start=start, free=FREE, opening=OPENING)


def proposals(hidden: HiddenTruth, table: Table | None = None) -> list[Candidate | Calibration]:
    """Return all that is proposed, from the start or from a table on."""
    table, found = table or hidden.table(), []
    while (proposal := next_recipe(table, most=24)) is not None:
        found.append(proposal)
        table = hidden.answered(table, proposal)
    return found


def test_the_opening_comes_first_and_then_its_numbers() -> None:
    found = proposals(truth())
    numbers = [Calibration(OPENING), Candidate(("plain", "fine", "accurate"))]
    assert found[:4] == [Candidate(OPENING), Candidate(("fine",)), *numbers]
    # Parts that change numbers alone are not tried one by one.
    assert all(isinstance(item, Calibration) or {"fine", "accurate"} <= set(item.parts) for item in found[3:])
    assert Candidate(("plain", "other", "fine", "accurate")) in found


def test_an_opening_that_is_safe_needs_no_other_numbers() -> None:
    assert not any(isinstance(item, Calibration) for item in proposals(truth(start=0.01)))


def test_a_best_recipe_that_few_samples_call_safe_has_its_numbers_chosen_at_last() -> None:
    hidden = truth()
    inside = replace(hidden.row(Candidate(OPENING)), excess=-0.006, noise=0.005)
    assert inside.excess <= -hidden.allowed / 2
    safe = proposals(hidden, replace(hidden.table(), trials=(inside,)))
    unsure = proposals(hidden, replace(hidden.table(), trials=(replace(inside, noise=0.007),)))
    # Other operations come first: numbers are of no use for those that are not kept.
    assert safe[0] == unsure[0] == Candidate(("fine",))
    assert not any(isinstance(item, Calibration) for item in safe)
    chosen = unsure.index(Calibration(OPENING))
    assert all(item in unsure[:chosen] for item in safe)


def test_numbers_are_not_chosen_for_what_is_slower_than_float() -> None:
    hidden = truth()
    slow = replace(hidden.row(Candidate(OPENING)), cost=1.2, cost_high=1.3)
    found = proposals(hidden, replace(hidden.table(), trials=(slow,)))
    assert found[:2] == [Candidate(("fine",)), Candidate(("plain", "other", "fine"))]


def test_numbers_that_did_not_help_are_left() -> None:
    hidden = truth()
    rows = (CalibrationRow(OPENING, 0.03), CalibrationRow(("plain",), 0.04))
    table = replace(hidden.table(), trials=(hidden.row(Candidate(OPENING)),), calibrations={("plain",): rows})
    assert next_recipe(table, most=24) == Candidate(("fine",))


def test_an_opening_that_cannot_be_built_gives_way() -> None:
    hidden = HiddenTruth(parts=PARTS, free=FREE, opening=OPENING, failing=True)
    found = proposals(hidden)
    assert found[0] == Candidate(OPENING)
    assert Candidate(("plain",)) in found
    assert not any(isinstance(item, Calibration) for item in found)


@pytest.mark.parametrize(
    ("excess", "cost", "asked"), [(0.005, 0.8, True), (-0.005, 0.8, False), (0.5, 0.8, False), (0.005, 1.1, False)]
)
def test_stored_weights_that_are_nearly_inside_are_tried_with_activations_as_they_are(
    excess: float, cost: float, asked: bool
) -> None:
    hidden = HiddenTruth(parts={"weights": 0.0, UNROUNDED: 0.0}, start=0.04, opening=("weights",))
    row = replace(hidden.row(Candidate(("weights",))), excess=excess, cost=cost, cost_high=cost)
    table = replace(hidden.table(), alone=frozenset({"weights"}), trials=(row,))
    change = Candidate(("weights", UNROUNDED))
    assert (change in proposals(hidden, table)) is asked
    assert Candidate((UNROUNDED,)) not in proposals(hidden, table)


def test_the_numbers_of_the_last_recipe_are_chosen_too() -> None:
    # "other" makes a recipe cheaper to be safe: its operations are others, and so may be its numbers.
    hidden = HiddenTruth(parts={**PARTS, "other": 0.02}, start=0.07, free=FREE, opening=OPENING)
    wishes = [item for item in proposals(hidden) if isinstance(item, Calibration)]
    assert [{"other"} & set(item.parts) for item in wishes] == [set(), {"other"}]


def test_an_opening_that_is_inside_is_compared_with_itself_without_what_decides_operations() -> None:
    hidden = HiddenTruth(parts={**PARTS, "plain": 0.001}, start=0.005, free=FREE, opening=OPENING)
    found = proposals(hidden)
    assert found[:2] == [Candidate(OPENING), Candidate(("fine",))]
    # Each part takes time here, so that what goes on is the cheaper one.
    assert Candidate(("other", "fine")) in found
    assert Candidate(("plain", "other", "fine")) not in found


def test_numbers_are_chosen_for_what_is_better_without_a_part() -> None:
    hidden = truth()
    better = replace(hidden.row(Candidate(("fine",))), excess=0.001, divergence=1e-6)
    table = replace(hidden.table(), trials=(hidden.row(Candidate(OPENING)), better))
    assert next_recipe(table, most=24) == Calibration(("fine",))


def test_an_opening_that_is_outside_is_tried_with_the_rest_in_f32_before_its_numbers_are_chosen() -> None:
    hidden = HiddenTruth(parts={"f32": 0.0, **PARTS}, start=0.04, free=FREE, opening=OPENING)
    found = proposals(hidden)
    assert found[:2] == [Candidate(OPENING), Candidate(("f32", *OPENING))]
    # f32 makes safer, and what is safe does without.
    inside = replace(hidden.row(Candidate(OPENING)), excess=-0.006)
    safe = proposals(hidden, replace(hidden.table(), trials=(inside,)))
    assert not any("f32" in item.parts for item in safe)
