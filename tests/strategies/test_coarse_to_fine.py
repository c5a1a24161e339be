"""The default strategy on synthetic tables: what it finds, and with how many trials."""

from itertools import pairwise

import pytest

from ovquant.strategies.coarse_to_fine import CoarseToFine
from ovquant.tables import Candidate, Probe, TrialRow
from ovquant.testing import HIDDEN_TRUTHS, HiddenTruth


def rows(truth: HiddenTruth, strategy: CoarseToFine | None = None) -> list[TrialRow]:
    played = truth.play(strategy or CoarseToFine())
    return [truth.row(proposal) for _, proposal in played if isinstance(proposal, Candidate)]


def test_joins_the_parts_that_help() -> None:
    truth = HiddenTruth(parts={"default": 0.0, "a": 0.03, "harm": -0.05, "b": 0.03}, start=0.1)
    tried = [row.candidate.parts for row in rows(truth)]
    assert ("a", "b") in tried
    assert all("harm" not in parts or parts[-1] == "harm" for parts in tried), "a part that harms is not built on"


def test_recipes_come_before_layers() -> None:
    proposals = [proposal for _, proposal in HIDDEN_TRUTHS["plain"].play(CoarseToFine())]
    fine = [isinstance(item, Probe) or bool(isinstance(item, Candidate) and item.float_layers) for item in proposals]
    assert all(not before or after for before, after in pairwise(fine[:-1]))


def test_puts_few_layers_back_where_few_do_the_harm() -> None:
    gains = {f"layer{place}": 0.015 if place in (7, 21) else 0.0 for place in range(40)}
    truth = HiddenTruth(parts={"default": 0.0}, layers=gains, start=0.035, allowed=0.01)
    inside = [row for row in rows(truth) if row.inside]
    best = min(inside, key=lambda row: row.cost)
    assert best.candidate.float_layers == {"default/layer7", "default/layer21"}


def test_a_harmless_recipe_needs_no_layers() -> None:
    truth = HiddenTruth(parts={"default": 0.0}, start=0.001, allowed=0.01)
    assert all(not row.candidate.float_layers for row in rows(truth))


@pytest.mark.parametrize("count", [10, 100, 1000])
def test_trials_grow_with_the_logarithm_of_the_layers(count: int) -> None:
    truth = HiddenTruth(
        parts={"default": 0.0},
        layers={f"layer{place}": 0.05 / (1 + place) for place in range(count)},
        start=0.1,
        allowed=0.01,
        layer_cost=0.0001,
    )
    assert len(rows(truth)) <= 2 + 2 * 2 * (count.bit_length() + 1)


def test_a_failed_part_is_not_joined() -> None:
    truth = HiddenTruth(parts={"default": 0.0, "broken": 0.03, "good": 0.03}, start=0.05)
    table = truth.table()
    tried = []
    while (proposal := CoarseToFine().propose(table)) is not None:
        if isinstance(proposal, Candidate) and "broken" in proposal.parts:
            tried.append(proposal.parts)
            failed = TrialRow(proposal, *[float("inf")] * 4, failed=True)
            table = table.__class__(table.parts, table.allowed, (*table.trials, failed), table.layers)
        else:
            table = truth.answered(table, proposal)
    assert tried
    assert all(parts[-1] == "broken" for parts in tried)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_small_models_get_layers_put_back_too(count: int) -> None:
    gains = {f"layer{place}": 0.05 if place == 1 else 0.0 for place in range(count)}
    truth = HiddenTruth(parts={"default": 0.0}, layers=gains, start=0.055, allowed=0.01)
    assert frozenset({"default/layer1"}) in {row.candidate.float_layers for row in rows(truth) if row.inside}


def test_a_difference_within_the_noise_goes_to_the_cheaper_recipe() -> None:
    def row(part: str, excess: float, cost: float) -> TrialRow:
        return TrialRow(Candidate((part,)), excess, cost, cost + 0.01, excess, noise=0.02)

    trials = (row("default", 0.030, 0.9), row("cheap", 0.035, 0.8), row("worse", 0.060, 0.5))
    table = HiddenTruth(parts={"default": 0.0, "cheap": 0.0, "worse": 0.0}).table()
    table = table.__class__(table.parts, table.allowed, trials, table.layers)
    assert CoarseToFine().propose(table) == Candidate(("cheap", "worse"))
