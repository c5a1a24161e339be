"""The strategies that refine layers, on synthetic tables: what they find, and with how many trials."""

import dataclasses
import random
from collections.abc import Iterator
from itertools import combinations, pairwise, product
from typing import Any

import numpy as np
import pytest

from ovquant.domain.table import SAVING, Candidate, LayerLevel, LayerRow, Probe, Table, TrialRow, failed_row
from ovquant.plugins.strategies.fine import next_change
from ovquant.plugins.strategies.layers import Bisection, IntegerProgram, cheapest, ranked_path, solved_path
from ovquant.testing import HIDDEN_TRUTHS, HiddenTruth, in_float

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
                    yield truth.row(Candidate(parts, in_float(*layers)))


def test_joins_the_parts_that_help(strategy: Any) -> None:
    truth = HiddenTruth(parts={"default": 0.0, "a": 0.03, "harm": -0.05, "b": 0.03}, start=0.1)
    tried = [row.candidate.parts for row in rows(truth, strategy) if not row.candidate.levels]
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
    fine = [isinstance(item, Probe) or bool(isinstance(item, Candidate) and item.levels) for item in proposals]
    assert all(not before or after for before, after in pairwise(fine[:-1]))


def test_puts_few_layers_back_where_few_do_the_harm(strategy: Any) -> None:
    gains = {f"layer{place}": 0.015 if place in (7, 21) else 0.0 for place in range(40)}
    truth = HiddenTruth(parts={"default": 0.0}, layers=gains, start=0.035, allowed=0.01)
    assert best(truth, strategy).candidate.levels == in_float("default/layer7", "default/layer21")


def test_a_harmless_recipe_needs_no_layers(strategy: Any) -> None:
    truth = HiddenTruth(parts={"default": 0.0}, start=0.001, allowed=0.01)
    assert all(not row.candidate.levels for row in rows(truth, strategy))


def test_layers_that_are_cheaper_in_float_go_to_float_though_the_budget_holds(strategy: Any) -> None:
    truth = HiddenTruth(parts={"default": 0.0}, start=0.001, layer_costs={"first": -0.1, "tail": -0.05})
    assert best(truth, strategy).candidate.levels == in_float("default/first", "default/tail")


def test_the_result_is_one_optimal(strategy: Any) -> None:
    generator = np.random.default_rng(5)
    gains = {f"layer{place}": float(gain) for place, gain in enumerate(generator.exponential(0.01, 20))}
    costs = {name: float(cost) for name, cost in zip(gains, generator.normal(0.01, 0.01, 20), strict=True)}
    truth = HiddenTruth(parts={"default": 0.0}, layers=gains, layer_costs=costs, start=0.08)
    found = best(truth, strategy)
    for name in gains:
        changed = truth.row(Candidate(("default",), found.candidate.levels ^ in_float(f"default/{name}")))
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


@pytest.mark.parametrize("count", [10, 60, 400])
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
        luck = random.Random(repr(sorted(candidate.levels))).uniform(-0.005, 0.005)
        return dataclasses.replace(row, cost=row.cost + luck, cost_high=row.cost_high + luck)


def test_luck_in_timing_does_not_keep_single_changes_going(strategy: Any) -> None:
    layers = {f"layer{place}": 0.0 for place in range(120)}
    # Every layer looks cheaper in float by more than counts; that is luck, and true of none.
    truth = Noisy(parts={"default": 0.0}, layers=layers, start=0.0, layer_cost=0.0)
    table, changed = truth.table(), 0
    while (proposal := strategy.propose(table)) is not None:
        table = truth.answered(table, proposal)
        if isinstance(proposal, Probe):
            lucky = tuple(dataclasses.replace(row, cost=-2 * SAVING) for row in table.layers[proposal.parts])
            table = dataclasses.replace(table, layers={proposal.parts: lucky})
        elif proposal.levels:
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
    assert in_float("default/layer1") in {row.candidate.levels for row in rows(truth, strategy) if row.inside}


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
    assert sets[0] == in_float("c")
    assert sets[-1] == in_float("a", "b", "c")
    gains = {row.choice: row.gain for row in LAYERS}
    totals = [sum(gains[choice] for choice in chosen) for chosen in sets]
    assert totals == sorted(totals)
    assert len(set(sets)) == len(sets)


def test_the_integer_program_beats_the_ranking_where_one_large_layer_does_for_two() -> None:
    layers = (LayerRow("small", 0.6, 0.5), LayerRow("other", 0.6, 0.52), LayerRow("large", 1.0, 0.9))
    by_rank = next(chosen for chosen in ranked_path(layers) if in_float("large") <= chosen or len(chosen) == 2)
    by_program = [chosen for chosen in solved_path(layers) if in_float("large") <= chosen]
    assert by_rank == in_float("small", "other")
    assert in_float("large") in by_program


def leveled(seed: int) -> tuple[LayerRow, ...]:
    """Return five layers with two levels each, the second of which gains and costs more, more or less."""
    draw = random.Random(seed)
    rows = []
    for name in "abcde":
        gain, cost = draw.uniform(-0.005, 0.03), draw.uniform(-0.01, 0.04)
        rows += [
            LayerRow(name, gain, cost),
            LayerRow(name, gain + draw.uniform(0, 0.02), cost + draw.uniform(0, 0.05), "f32"),
        ]
    return tuple(rows)


@pytest.mark.parametrize("path", [ranked_path, solved_path])
@pytest.mark.parametrize("seed", range(8))
def test_a_layer_has_one_level_anywhere_on_a_path(path: Any, seed: int) -> None:
    layers = leveled(seed)
    gains = {row.choice: row.gain for row in layers}
    sets = path(layers)
    assert all(len({choice.layer for choice in chosen}) == len(chosen) for chosen in sets)
    totals = [sum(gains[choice] for choice in chosen) for chosen in sets]
    assert totals == sorted(totals)
    most = sum(max(0.0, *(row.gain for row in layers if row.name == name)) for name in "abcde")
    assert totals[-1] == pytest.approx(most)


@pytest.mark.parametrize("seed", range(8))
def test_the_integer_program_finds_the_cheapest_levels(seed: int) -> None:
    layers = leveled(seed)
    by_name = [[None, *(row for row in layers if row.name == name)] for name in "abcde"]
    every = [[row for row in chosen if row] for chosen in product(*by_name)]
    gained = max(sum(row.gain for row in chosen) for chosen in every) / 2
    least = min(sum(row.cost for row in chosen) for chosen in every if sum(row.gain for row in chosen) >= gained)
    costs = {row.choice: row.cost for row in layers}
    # Ties going to fewer layers costs up to a thousandth of the largest cost for each.
    assert sum(costs[choice] for choice in cheapest(layers, gained)) <= least + 5e-3 * max(costs.values())


def test_single_changes_go_to_another_level_too() -> None:
    rows = (LayerRow("a", 0.04, 0.1), LayerRow("a", 0.05, 0.2, "f32"), LayerRow("b", 0.001, 0.1, "f32"))
    kept = Candidate(("default",), frozenset({LayerLevel("a", "f32"), LayerLevel("b", "f32")}))
    trials = (TrialRow(Candidate(("default",)), 0.03, 0.5, 0.51, 0.06), TrialRow(kept, -0.01, 0.8, 0.81, 0.009))
    table = Table(("default",), 0.02, trials, {("default",): rows})
    known, changed = set(), []
    while (change := next_change(dataclasses.replace(table, trials=(*trials, *known)), steps=8)) is not None:
        changed.append(change.levels)
        known.add(TrialRow(change, 0.02, 0.9, 0.91, 0.03))
    # What saves most comes first; that `a` is as its recipe makes it is predicted to be far outside.
    assert changed == [in_float("a") | {LayerLevel("b", "f32")}, frozenset({LayerLevel("a", "f32")})]


def test_layers_of_float_are_looked_for_right_after_the_opening(strategy: Any) -> None:
    truth = HIDDEN_TRUTHS["float below f32"]
    first, second, third, fourth, *_ = (proposal for _, proposal in truth.play(strategy))
    assert (first, second, third) == (Candidate(("good",)), Candidate(("bf16",)), Probe(("bf16",)))
    assert isinstance(fourth, Candidate)
    assert fourth.parts == ("bf16",)
    assert fourth.levels
    # What cannot be built is not refined.
    failed = dataclasses.replace(truth, failing=True)
    assert Probe(("bf16",)) not in [proposal for _, proposal in failed.play(strategy)]
