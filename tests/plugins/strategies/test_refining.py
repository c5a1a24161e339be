"""The strategies that refine layers, on synthetic tables: what they find, and with how many trials."""

import dataclasses
import random
from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest

from ovquant.domain.table import SAVING, Candidate, LayerRow, Probe, TrialRow, failed_row
from ovquant.plugins.strategies.layers import Bisection, IntegerProgram, ranked_path, solved_path
from ovquant.testing import HIDDEN_TRUTHS, HiddenTruth

STRATEGIES = {"bisection": Bisection(), "integer-program": IntegerProgram()}


@pytest.fixture(params=list(STRATEGIES))
def strategy(request: pytest.FixtureRequest) -> Any:
    return STRATEGIES[request.param]


def rows(truth: HiddenTruth, strategy: Any) -> list[TrialRow]:
    played = truth.play(strategy)
    return [truth.row(proposal) for _, proposal in played if isinstance(proposal, Candidate)]


def best(truth: HiddenTruth, strategy: Any) -> TrialRow:
    return min((row for row in rows(truth, strategy) if row.inside), key=lambda row: row.cost)


def exhaustive(truth: HiddenTruth) -> TrialRow:
    """Return the cheapest of all candidates inside the budget: every recipe with every set of layers in float."""
    return min((row for row in every_row(truth) if row.inside), key=lambda row: row.cost)


def every_row(truth: HiddenTruth) -> Iterator[TrialRow]:
    for size in range(1, len(truth.parts) + 1):
        for parts in combinations(truth.parts, size):
            names = [row.name for row in truth.ranking(parts)]
            for count in range(len(names) + 1):
                for layers in combinations(names, count):
                    yield truth.row(Candidate(parts, frozenset(layers)))


def test_joins_the_parts_that_help(strategy: Any) -> None:
    truth = HiddenTruth(parts={"default": 0.0, "a": 0.03, "harm": -0.05, "b": 0.03}, start=0.1)
    tried = [row.candidate.parts for row in rows(truth, strategy) if not row.candidate.float_layers]
    assert ("a", "b") in tried
    assert sum("harm" in parts for parts in tried) <= 2, "a part that harms is not built on"


def test_finds_parts_that_help_only_together(strategy: Any) -> None:
    class Acting(HiddenTruth):
        def row(self, candidate: Candidate) -> TrialRow:
            row = super().row(candidate)
            gained = 0.04 if {"a", "b"} <= set(candidate.parts) else 0.0
            return TrialRow(candidate, row.excess - gained, row.cost, row.cost_high, max(0.0, row.divergence - gained))

    truth = Acting(parts={"default": 0.0, "a": 1e-4, "b": -1e-4, "harm": -0.03}, layers={}, start=0.04)
    assert ("a", "b") in [row.candidate.parts for row in rows(truth, strategy) if row.inside]


def test_a_part_that_stands_alone_is_joined_with_none(strategy: Any) -> None:
    truth = HiddenTruth(parts={"default": 0.0, "a": 0.01, "other": 0.02}, start=0.05)
    table = dataclasses.replace(truth.table(), alone=frozenset({"other"}))
    while (proposal := strategy.propose(table)) is not None:
        assert proposal.parts == ("other",) or "other" not in proposal.parts
        table = truth.answered(table, proposal)


def test_recipes_come_before_layers(strategy: Any) -> None:
    proposals = [proposal for _, proposal in HIDDEN_TRUTHS["plain"].play(strategy)]
    fine = [isinstance(item, Probe) or bool(isinstance(item, Candidate) and item.float_layers) for item in proposals]
    assert all(not before or after for before, after in pairwise(fine[:-1]))


def test_puts_few_layers_back_where_few_do_the_harm(strategy: Any) -> None:
    gains = {f"layer{place}": 0.015 if place in (7, 21) else 0.0 for place in range(40)}
    truth = HiddenTruth(parts={"default": 0.0}, layers=gains, start=0.035, allowed=0.01)
    assert best(truth, strategy).candidate.float_layers == {"default/layer7", "default/layer21"}


def test_a_harmless_recipe_needs_no_layers(strategy: Any) -> None:
    truth = HiddenTruth(parts={"default": 0.0}, start=0.001, allowed=0.01)
    assert all(not row.candidate.float_layers for row in rows(truth, strategy))


def test_layers_that_are_cheaper_in_float_go_to_float_though_the_budget_holds(strategy: Any) -> None:
    truth = HiddenTruth(parts={"default": 0.0}, start=0.001, layer_costs={"first": -0.1, "tail": -0.05})
    assert best(truth, strategy).candidate.float_layers == {"default/first", "default/tail"}


def test_the_result_is_one_optimal(strategy: Any) -> None:
    generator = np.random.default_rng(5)
    gains = {f"layer{place}": float(gain) for place, gain in enumerate(generator.exponential(0.01, 20))}
    costs = {name: float(cost) for name, cost in zip(gains, generator.normal(0.01, 0.01, 20), strict=True)}
    truth = HiddenTruth(parts={"default": 0.0}, layers=gains, layer_costs=costs, start=0.08)
    found = best(truth, strategy)
    for name in gains:
        changed = truth.row(Candidate(("default",), found.candidate.float_layers ^ {f"default/{name}"}))
        assert changed.excess > 0 or changed.cost > found.cost - SAVING


@pytest.mark.parametrize("seed", range(12))
def test_near_the_exhaustive_optimum(strategy: Any, seed: int) -> None:
    generator = np.random.default_rng(seed)
    count = int(generator.integers(4, 13))
    layers = [f"layer{place:02}" for place in range(count)]
    gains = generator.exponential(0.01, count)
    costs = generator.normal(0.012, 0.01, count)
    pairs = {(layers[0], layers[1]): 0.003, (layers[2], layers[3]): -0.002}
    truth = HiddenTruth(
        parts={"default": 0.0},
        layers=dict(zip(layers, map(float, gains), strict=True)),
        layer_costs=dict(zip(layers, map(float, costs), strict=True)),
        together=pairs,
        start=0.01 + 0.6 * float(gains.sum()),
    )
    assert best(truth, strategy).cost <= 1.05 * exhaustive(truth).cost


@pytest.mark.parametrize("count", [10, 100, 1000])
def test_trials_grow_with_the_logarithm_of_the_layers(strategy: Any, count: int) -> None:
    truth = HiddenTruth(
        parts={"default": 0.0},
        layers={f"layer{place}": 0.05 / (1 + place) for place in range(count)},
        start=0.1,
        allowed=0.01,
        layer_cost=0.0001,
    )
    assert len(rows(truth, strategy)) <= 2 + 2 * 2 * (count.bit_length() + 1) + strategy.steps


@dataclasses.dataclass(frozen=True)
class Noisy(HiddenTruth):
    """Costs wrong by up to 0.005 of float, the same for a candidate whenever it is measured."""

    def row(self, candidate: Candidate) -> TrialRow:
        row = super().row(candidate)
        luck = random.Random(repr(sorted(candidate.float_layers))).uniform(-0.005, 0.005)
        return dataclasses.replace(row, cost=row.cost + luck, cost_high=row.cost_high + luck)


def test_luck_in_timing_does_not_keep_single_changes_going(strategy: Any) -> None:
    layers = {f"layer{place}": 0.0 for place in range(400)}
    # Every layer looks cheaper in float by more than counts; that is luck, and true of none.
    truth = Noisy(parts={"default": 0.0}, layers=layers, start=0.0, layer_cost=0.0)
    table, changed = truth.table(), 0
    while (proposal := strategy.propose(table)) is not None:
        table = truth.answered(table, proposal)
        if isinstance(proposal, Probe):
            lucky = tuple(dataclasses.replace(row, cost=-2 * SAVING) for row in table.layers[proposal.parts])
            table = dataclasses.replace(table, layers={proposal.parts: lucky})
        elif proposal.float_layers:
            changed += 1
        assert changed <= 3 * strategy.steps


def test_a_failed_part_is_not_joined(strategy: Any) -> None:
    truth = HiddenTruth(parts={"default": 0.0, "broken": 0.03, "good": 0.03}, start=0.05)
    table = truth.table()
    tried = []
    while (proposal := strategy.propose(table)) is not None:
        if isinstance(proposal, Candidate) and "broken" in proposal.parts:
            tried.append(proposal.parts)
            failed = failed_row(proposal)
            table = table.__class__(table.parts, table.allowed, (*table.trials, failed), table.layers)
        else:
            table = truth.answered(table, proposal)
    assert tried == [("broken",)]


@pytest.mark.parametrize("count", [2, 3, 4])
def test_small_models_get_layers_put_back_too(strategy: Any, count: int) -> None:
    gains = {f"layer{place}": 0.05 if place == 1 else 0.0 for place in range(count)}
    truth = HiddenTruth(parts={"default": 0.0}, layers=gains, start=0.055, allowed=0.01)
    assert frozenset({"default/layer1"}) in {row.candidate.float_layers for row in rows(truth, strategy) if row.inside}


def test_a_recipe_without_layers_gives_way_to_the_next(strategy: Any) -> None:
    truth = HiddenTruth(parts={"default": 0.0, "weights": 0.05}, start=0.03, layer_cost=0.01)
    table = dataclasses.replace(truth.table(), alone=frozenset({"weights"}))
    probed = []
    while (proposal := strategy.propose(table)) is not None:
        table = truth.answered(table, proposal)
        if isinstance(proposal, Probe):
            probed.append(proposal.parts)
            if proposal.parts == ("weights",):
                table = dataclasses.replace(table, layers={**table.layers, proposal.parts: ()})
    assert probed == [("weights",), ("default",)]


LAYERS = (LayerRow("a", 0.03, 0.03), LayerRow("b", 0.02, 0.005), LayerRow("c", 0.01, -0.01), LayerRow("d", -0.01, 0.02))


@pytest.mark.parametrize("path", [ranked_path, solved_path])
def test_paths_go_from_the_cheapest_to_the_safest(path: Any) -> None:
    sets = path(LAYERS)
    assert sets[0] == {"c"}
    assert sets[-1] == {"a", "b", "c"}
    gains = {row.name: row.gain for row in LAYERS}
    totals = [sum(gains[name] for name in chosen) for chosen in sets]
    assert totals == sorted(totals)
    assert len(set(sets)) == len(sets)


def test_the_integer_program_beats_the_ranking_where_one_large_layer_does_for_two() -> None:
    layers = (LayerRow("small", 0.6, 0.5), LayerRow("other", 0.6, 0.52), LayerRow("large", 1.0, 0.9))
    by_rank = next(chosen for chosen in ranked_path(layers) if "large" in chosen or len(chosen) == 2)
    by_program = [chosen for chosen in solved_path(layers) if "large" in chosen]
    assert by_rank == {"small", "other"}
    assert frozenset({"large"}) in by_program


def test_layers_of_float_are_looked_for_right_after_the_opening(strategy: Any) -> None:
    truth = HIDDEN_TRUTHS["float below f32"]
    first, second, third, fourth, *_ = (proposal for _, proposal in truth.play(strategy))
    assert (first, second, third) == (Candidate(("good",)), Candidate(("bf16",)), Probe(("bf16",)))
    assert isinstance(fourth, Candidate)
    assert fourth.parts == ("bf16",)
    assert fourth.float_layers
    # What cannot be built is not refined.
    failed = dataclasses.replace(truth, failing=True)
    assert Probe(("bf16",)) not in [proposal for _, proposal in failed.play(strategy)]
