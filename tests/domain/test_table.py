"""The table that a strategy sees: which rows are inside, which comfortably so, and which were measured."""

import dataclasses

import pytest

from ovquant.domain.table import COMFORT, SAVING, Candidate, LayerRow, PairRow, Probe, Table, TrialRow, failed_row
from ovquant.testing import in_float

DEFAULT, MIXED = Candidate(("default",)), Candidate(("default", "mixed"))


def row(excess: float, *, cost_high: float = 0.6, failed: bool = False) -> TrialRow:
    return TrialRow(DEFAULT, excess, 0.5, cost_high, 0.01, failed=failed)


@pytest.mark.parametrize(
    ("excess", "cost_high", "failed", "inside"),
    [
        (-0.01, 0.6, False, True),
        (0.0, 0.6, False, True),
        (0.001, 0.6, False, False),
        (-0.01, 0.999, False, True),
        (-0.01, 1.0, False, False),
        (-0.01, 1.1, False, False),
        (-0.01, 0.6, True, False),
    ],
)
def test_inside_is_what_holds_the_budget_and_is_surely_cheaper(
    excess: float, cost_high: float, failed: bool, inside: bool
) -> None:
    assert row(excess, cost_high=cost_high, failed=failed).inside is inside


def test_what_failed_is_outside_of_everything() -> None:
    made = failed_row(MIXED)
    assert made.candidate == MIXED
    assert made.failed
    assert not made.inside
    assert min(made.excess, made.cost, made.cost_high, made.divergence) == float("inf")
    assert not row(0.0).failed


@pytest.mark.parametrize(
    ("excess", "failed", "comfortable"),
    [(-0.005, False, True), (-0.01, False, True), (-0.0049, False, False), (0.0, False, False), (-0.01, True, False)],
)
def test_half_of_the_budget_left_is_comfort(excess: float, failed: bool, comfortable: bool) -> None:
    table = Table(("default",), allowed=0.01)
    assert table.comfortable(row(excess, failed=failed)) is comfortable
    assert COMFORT == 0.5


def test_less_than_a_hundredth_of_float_is_no_saving() -> None:
    assert SAVING == 0.01


def test_a_row_is_found_by_its_candidate() -> None:
    rows = (row(-0.01), dataclasses.replace(row(-0.02), candidate=MIXED))
    table = Table(("default", "mixed"), allowed=0.01, trials=rows)
    assert table.row(DEFAULT) is rows[0]
    assert table.row(Candidate(("default", "mixed"), frozenset())) is rows[1]
    assert table.row(Candidate(("default",), in_float("stem"))) is None
    assert table.row(Candidate(("mixed", "default"))) is None


def test_proposals_are_values() -> None:
    assert len({Candidate(("a",)), Candidate(("a",)), Candidate(("a",), in_float("x")), Probe(("a",))}) == 3
    assert len({row(0.0), row(0.0), row(0.1), LayerRow("a", 1), LayerRow("a", 1), PairRow("a", "b", 1)}) == 4
    assert row(0.0).noise == 0
    assert Probe(("a",)).pairs == Candidate(("a",)).levels == frozenset()


def test_a_table_begins_with_nothing_known() -> None:
    first, second = Table(("a",), 0.1), Table(("a",), 0.1)
    assert (first.trials, first.layers, first.pairs) == ((), {}, {})
    assert first.layers is not second.layers
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.seed = 1  # type: ignore[misc]
    assert (first.alone, first.free, first.seed) == (frozenset(), frozenset(), 0)
    assert (LayerRow("stem", 0.1).cost, PairRow("stem", "head", 0.1).cost) == (0.0, 0.0)
