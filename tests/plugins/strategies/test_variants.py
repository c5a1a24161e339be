"""Variants of a part that is tried alone: weights in four bits beside weights in eight."""

from dataclasses import replace

import pytest

from ovquant.domain.layer import INT8_WEIGHTS
from ovquant.domain.table import Candidate, LayerLevel, LayerRow, Probe, Proposal, Table, TrialRow
from ovquant.plugins.strategies.coarse import next_recipe
from ovquant.plugins.strategies.fine import next_on_paths
from ovquant.plugins.strategies.layers import solved_path

PARTS = ("weights", "weights:bits=4", "weights:bits=4,awq=true")

PROBED = {("weights",): (LayerRow("one", 0.0, 0.5),)}


def row(part: str, excess: float, cost: float) -> TrialRow:
    return TrialRow(Candidate((part,)), excess, cost, cost + 0.005, divergence=max(0.0, 0.02 + excess))


def table(*rows: TrialRow) -> Table:
    opening = replace(row("default", 0.02, 0.9), failed=True)
    return Table(PARTS, 0.02, (opening, *rows), alone=frozenset(PARTS), opening=("default",))


def next_path(known: Table) -> Proposal | None:
    return next_on_paths(known, solved_path, bases=1, margin=0.5)


def test_variants_are_tried_where_the_plain_part_is_of_use() -> None:
    assert next_recipe(table(), most=9) == Candidate(PARTS[:1])
    assert next_recipe(table(row("weights", -0.02, 0.7)), most=9) == Candidate(PARTS[1:2])
    # Outside the budget too, since what is put back differs.
    assert next_recipe(table(row("weights", 0.02, 0.7)), most=9) == Candidate(PARTS[1:2])


@pytest.mark.parametrize("plain", [row("weights", -0.02, 1.1), replace(row("weights", -0.02, 0.7), failed=True)])
def test_variants_are_not_tried_where_it_is_not(plain: TrialRow) -> None:
    assert next_recipe(table(plain), most=9) is None
    asked = replace(table(plain), opening=())
    assert next_recipe(asked, most=9) == Candidate(PARTS[1:2])


def test_what_lies_between_a_variant_and_the_plain_part_is_looked_for() -> None:
    eight, four, scaled = row("weights", -0.02, 0.7), row(PARTS[1], 0.2, 0.5), row(PARTS[2], 0.1, 0.52)
    known = replace(table(eight, four, scaled), layers=PROBED)
    assert next_path(known) == Probe((PARTS[2],))
    layers = tuple(
        LayerRow(name, gain, 0.03, INT8_WEIGHTS) for name, gain in (("one", 0.08), ("two", 0.03), ("three", 0.01))
    )
    found = next_path(replace(known, layers={**known.layers, (PARTS[2],): layers}))
    assert isinstance(found, Candidate)
    assert found.parts == (PARTS[2],)
    assert LayerLevel("one", INT8_WEIGHTS) in found.levels


def test_it_comes_before_what_costs_more_than_it() -> None:
    eight, four = row("weights", -0.02, 0.7), row(PARTS[1], 0.2, 0.5)
    # Nothing is known of the layers of either: a search that ends soon should have looked where most is to be gained.
    assert next_path(table(eight, four)) == Probe((PARTS[1],))
    cheap = TrialRow(Candidate(("default",)), 0.002, 0.4, 0.405, divergence=0.03)
    beside = replace(table(eight, four), trials=(cheap, eight, four))
    assert next_path(beside) == Probe(("default",))


@pytest.mark.parametrize(
    "rows",
    [
        (row("weights", -0.02, 0.7), row(PARTS[1], 0.2, 0.695)),
        (row("weights", 0.02, 0.7), row(PARTS[1], 0.2, 0.5)),
        (row("weights", -0.02, 0.7), replace(row(PARTS[1], 0.2, 0.5), failed=True)),
    ],
    ids=["no cheaper", "plain outside", "failed"],
)
def test_where_nothing_lies_between_none_is_probed(rows: tuple[TrialRow, ...]) -> None:
    assert next_path(replace(table(*rows), layers=PROBED)) is None


TRAIN = "train:seconds=60"


def training(*rows: TrialRow) -> Table:
    return replace(table(*rows), training=TRAIN)


def test_what_would_win_and_is_nearest_to_the_budget_is_trained_once_all_else_is_known() -> None:
    eight, four, scaled = row("weights", -0.02, 0.7), row(PARTS[1], 0.2, 0.5), row(PARTS[2], 0.1, 0.52)
    assert next_recipe(training(eight, four), most=9) == Candidate(PARTS[2:])
    # What AWQ has scaled is no weight of the module.
    taught = Candidate((PARTS[1], TRAIN))
    assert next_recipe(training(eight, four, scaled), most=9) == taught
    near = row("weights:bits=4,group_size=64", 0.05, 0.55)
    assert next_recipe(training(eight, four, scaled, near), most=9) == Candidate((*near.candidate.parts, TRAIN))
    known = replace(four, candidate=taught, excess=0.04)
    assert next_recipe(training(eight, four, scaled, known), most=9) is None


@pytest.mark.parametrize(
    "rows",
    [
        (row("weights", -0.02, 0.7), row(PARTS[1], -0.01, 0.5)),
        (row("weights", -0.02, 0.7), row(PARTS[1], 0.2, 0.695)),
        (row("weights", -0.02, 0.7), replace(row(PARTS[1], 0.2, 0.5), failed=True)),
    ],
    ids=["inside", "no cheaper", "failed"],
)
def test_what_cannot_win_by_it_is_not_trained(rows: tuple[TrialRow, ...]) -> None:
    assert next_recipe(training(*rows, row(PARTS[2], 0.1, 0.9)), most=9) is None


def test_without_leave_nothing_is_trained() -> None:
    assert (
        next_recipe(table(row("weights", -0.02, 0.7), row(PARTS[1], 0.2, 0.5), row(PARTS[2], 0.1, 0.52)), most=9)
        is None
    )


def test_what_was_trained_is_mixed_with_weights_in_eight_bits() -> None:
    eight, four = row("weights", -0.02, 0.7), row(PARTS[1], 0.2, 0.5)
    taught = replace(row(PARTS[1], 0.04, 0.5), candidate=Candidate((PARTS[1], TRAIN)))
    assert next_path(replace(training(eight, four, taught), layers=PROBED)) == Probe((PARTS[1], TRAIN))
