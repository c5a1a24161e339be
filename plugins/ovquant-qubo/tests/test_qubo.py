"""The qubo strategy: the contract suite, what it finds in synthetic tables, and one real search."""

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops
from ovquant_qubo.annealing import solutions
from ovquant_qubo.interactions import Coupling, Quadratic, quadratic
from ovquant_qubo.qubo import Qubo, strongest

from ovquant.api.quantize import quantize
from ovquant.errors import UsageError
from ovquant.plugins.registry import Registry
from ovquant.protocols import (
    Candidate,
    LayerLevel,
    LayerRow,
    PairRow,
    Probe,
    Proposal,
    Sample,
    Strategy,
    Table,
    TrialRow,
    failed_row,
)
from ovquant.testing import HEAVY, HIDDEN_TRUTHS, HiddenTruth, StrategyContract, in_float

QUBO = Qubo()
BASE = TrialRow(Candidate(("default",)), 0.01, 0.5, 0.51, 0.02)


@pytest.mark.parametrize("options", ["", "trials=6,strongest=2,levels=2,reads=1,sweeps=1,changes=0", "trials=1"])
class TestContract(StrategyContract):
    """Every rule for strategies."""

    heavy = (*HEAVY, "dimod", "dwave")

    @pytest.fixture
    def strategy(self, options: str) -> Strategy:
        return Registry("strategies").resolve(f"qubo:{options}" if options else "qubo")


def proposals(truth: HiddenTruth, strategy: Qubo = QUBO) -> list[Proposal]:
    return [proposal for _, proposal in truth.play(strategy) if proposal is not None]


def rows(truth: HiddenTruth, strategy: Qubo = QUBO) -> list[TrialRow]:
    return [truth.row(item) for item in proposals(truth, strategy) if isinstance(item, Candidate)]


def best(tried: list[TrialRow]) -> TrialRow:
    return min((row for row in tried if row.inside), key=lambda row: row.cost)


def exhaustive(truth: HiddenTruth) -> TrialRow:
    """Return the cheapest plan inside the budget, of every set of layers in float."""
    return best(list(every_row(truth)))


def every_row(truth: HiddenTruth) -> Iterator[TrialRow]:
    parts = ("default",)
    names = [row.name for row in truth.ranking(parts)]
    for count in range(len(names) + 1):
        for layers in combinations(names, count):
            yield truth.row(Candidate(parts, in_float(*layers)))


def interacting(seed: int) -> HiddenTruth:
    """Return a recipe outside the budget, two in five pairs of its layers acting on each other."""
    generator = np.random.default_rng(seed)
    count = int(generator.integers(4, 11))
    layers = [f"layer{place:02}" for place in range(count)]
    gains = generator.exponential(0.01, count)
    costs = generator.normal(0.012, 0.01, count)
    together = {pair: float(generator.normal(0, 0.006)) for pair in combinations(layers, 2) if generator.random() < 0.4}
    return HiddenTruth(
        parts={"default": 0.0},
        layers=dict(zip(layers, map(float, gains), strict=True)),
        layer_costs=dict(zip(layers, map(float, costs), strict=True)),
        together=together,
        start=0.01 + 0.6 * float(gains.sum()),
        seed=seed,
    )


def test_is_listed_with_its_options() -> None:
    (listing,) = [item for item in Registry("strategies").listings() if item.name == "qubo"]
    assert listing.distribution == "ovquant-qubo"
    assert listing.options[:2] == ("trials=40", "strongest=8")
    assert not listing.problem


@pytest.mark.parametrize("options", ["trials=0", "strongest=-1", "levels=1", "reads=0", "sweeps=0", "changes=-1"])
def test_senseless_options_are_refused(options: str) -> None:
    with pytest.raises(UsageError, match="at least"):
        Registry("strategies").resolve(f"qubo:{options}")


# Recipes ----------------------------------------------------------------------------------------------------------


def test_joins_the_parts_that_help() -> None:
    truth = HiddenTruth(parts={"default": 0.0, "a": 0.03, "harm": -0.05, "b": 0.03}, start=0.1)
    tried = [row.candidate.parts for row in rows(truth) if not row.candidate.levels]
    assert ("a", "b") in tried
    assert sum("harm" in parts for parts in tried) <= 2, "a part that harms is not built on"


def test_a_part_that_stands_alone_is_joined_with_none() -> None:
    truth = HiddenTruth(parts={"default": 0.0, "a": 0.01, "b": 0.02, "other": 0.025}, start=0.05)
    table = replace(truth.table(), alone=frozenset({"other"}))
    seen = set()
    while (proposal := QUBO.propose(table)) is not None:
        seen.add(proposal.parts)
        table = truth.answered(table, proposal)
    assert ("a", "b") in seen
    assert {parts for parts in seen if "other" in parts} == {("other",)}


def test_a_failed_part_is_neither_joined_nor_refined() -> None:
    truth = HiddenTruth(parts={"default": 0.0, "broken": 0.03, "good": 0.03}, start=0.05)
    table, tried = truth.table(), []
    while (proposal := QUBO.propose(table)) is not None:
        if "broken" in proposal.parts:
            tried.append(proposal)
            table = replace(table, trials=(*table.trials, failed_row(Candidate(proposal.parts))))
        else:
            table = truth.answered(table, proposal)
    assert tried == [Candidate(("broken",))]


def test_at_most_half_of_the_trials_are_recipes() -> None:
    truth = HiddenTruth(parts={f"part{place}": 0.001 * place for place in range(20)}, start=0.09)
    tried = rows(truth, Qubo(trials=12))
    assert sum(not row.candidate.levels for row in tried) == 6
    assert any(row.candidate.levels for row in tried)
    assert len(tried) <= 12


# Probes -----------------------------------------------------------------------------------------------------------


def test_the_best_recipe_is_probed_singly_and_then_in_pairs() -> None:
    probes = [item for item in proposals(HIDDEN_TRUTHS["plain"], Qubo(strongest=3)) if isinstance(item, Probe)]
    parts = ("good", "good:size=3")
    names = frozenset(f"good+good:size=3/{layer}" for layer in ("head", "first", "side"))
    assert probes == [Probe(parts), Probe(parts, names)]


@pytest.mark.parametrize(
    ("layers", "count"), [({}, 8), ({"only": 0.05}, 8), ({"a": 0.01, "b": 0.02}, 1), ({"a": 0.01, "b": 0.02}, 0)]
)
def test_pairs_are_asked_for_only_where_there_are_two(layers: dict[str, float], count: int) -> None:
    tried = proposals(HiddenTruth(parts={"default": 0.0}, layers=layers), Qubo(strongest=count))
    assert [item for item in tried if isinstance(item, Probe)] == [Probe(("default",))]


def test_goes_on_without_pairs_where_none_could_be_measured() -> None:
    class Pairless(HiddenTruth):
        def pairs(self, parts, names):
            return ()

    truth = Pairless(parts={"default": 0.0}, start=0.02)
    tried = proposals(truth)
    assert sum(isinstance(item, Probe) for item in tried) == 2
    assert any(isinstance(item, Candidate) and truth.row(item).inside for item in tried)


def test_strongest_counts_harm_too() -> None:
    layers = (LayerRow("a", 0.01), LayerRow("b", -0.03), LayerRow("c", 0.0), LayerRow("d", 0.02))
    assert strongest(layers, 2) == {"b", "d"}


# Layers -----------------------------------------------------------------------------------------------------------


def test_one_layer_is_put_back_where_it_must_be() -> None:
    truth = HiddenTruth(parts={"default": 0.0}, layers={"only": 0.05})
    assert [row.candidate.levels for row in rows(truth)] == [frozenset(), in_float("default/only")]


def test_no_layers_no_plans() -> None:
    assert [row.candidate for row in rows(HiddenTruth(parts={"default": 0.0}, layers={}))] == [Candidate(("default",))]


def test_nothing_on_offer() -> None:
    assert proposals(HIDDEN_TRUTHS["nothing on offer"]) == []


def test_an_infeasible_budget_costs_few_trials() -> None:
    truth = replace(HIDDEN_TRUTHS["many layers"], parts={"default": 0.0}, start=1.0, layer_cost=0.0001)
    tried = rows(truth)
    assert not any(row.inside for row in tried)
    assert len(tried) <= 1 + 9
    assert len(max((row.candidate.levels for row in tried), key=len)) == 60, "the safest plan is tried"


@pytest.mark.parametrize("seed", range(20))
def test_near_the_exhaustive_optimum(seed: int) -> None:
    truth = interacting(seed)
    assert best(rows(truth)).cost <= 1.05 * exhaustive(truth).cost


def test_a_pair_that_acts_together_decides() -> None:
    """Alone neither layer gains anything, together they gain all; every other choice costs more."""
    truth = HiddenTruth(
        parts={"default": 0.0},
        layers={"a": 0.0, "b": 0.0, "c": 0.012, "d": 0.012, "e": 0.012},
        together={("a", "b"): 0.04},
        start=0.04,
    )
    assert best(rows(truth)).candidate.levels == in_float("default/a", "default/b")
    assert best(rows(truth)) == exhaustive(truth)
    assert best(rows(truth, Qubo(strongest=0))).cost > exhaustive(truth).cost


def test_layers_that_undo_each_other_are_not_put_back_together() -> None:
    truth = HiddenTruth(
        parts={"default": 0.0},
        layers={"a": 0.021, "b": 0.02, "c": 0.015},
        layer_costs={"a": 0.02, "b": 0.02},
        together={("a", "b"): -0.02},
        start=0.042,
    )
    assert best(rows(truth)).candidate.levels == in_float("default/a", "default/c")
    assert best(rows(truth, Qubo(strongest=0))).candidate.levels == in_float("default/a", "default/b", "default/c")


def test_pairs_that_share_their_cost_are_seen() -> None:
    class Sharing(HiddenTruth):
        def row(self, candidate: Candidate) -> TrialRow:
            row = super().row(candidate)
            saved = 0.05 if in_float("default/a", "default/b") <= candidate.levels else 0.0
            return replace(row, cost=row.cost - saved, cost_high=row.cost_high - saved)

        def pairs(self, parts, names):
            both = {"default/a", "default/b"}
            found = super().pairs(parts, names)
            return tuple(
                replace(row, cost=row.cost - 0.05) if {row.first, row.second} == both else row for row in found
            )

    truth = Sharing(parts={"default": 0.0}, layers={"a": 0.01, "b": 0.01, "c": 0.02}, start=0.028, layer_cost=0.04)
    assert best(rows(truth)).candidate.levels == in_float("default/a", "default/b")


def test_layers_that_are_cheaper_in_float_go_to_float_though_the_budget_holds() -> None:
    truth = HiddenTruth(parts={"default": 0.0}, start=0.001, layer_costs={"first": -0.1, "tail": -0.05})
    assert best(rows(truth)).candidate.levels == in_float("default/first", "default/tail")


def test_a_harmless_recipe_needs_no_layers() -> None:
    assert len(rows(HiddenTruth(parts={"default": 0.0}, start=0.001))) == 1


def test_no_plan_is_tried_that_is_predicted_to_cost_more_than_the_best() -> None:
    truth = interacting(4)
    found = math.inf
    for row in rows(truth):
        assert row.cost < found or row.candidate == Candidate(("default",)), "costs add up here, so none is wrong"
        found = min(found, row.cost) if row.inside else found


def test_the_result_is_one_optimal() -> None:
    generator = np.random.default_rng(5)
    gains = {f"layer{place}": float(gain) for place, gain in enumerate(generator.exponential(0.01, 20))}
    costs = {name: float(cost) for name, cost in zip(gains, generator.normal(0.01, 0.01, 20), strict=True)}
    truth = HiddenTruth(parts={"default": 0.0}, layers=gains, layer_costs=costs, start=0.08)
    found = best(rows(truth))
    for name in gains:
        changed = truth.row(Candidate(("default",), found.candidate.levels ^ in_float(f"default/{name}")))
        assert changed.excess > 0 or changed.cost >= found.cost - 1e-12


def test_many_layers_take_few_trials() -> None:
    gains = {f"layer{place}": 0.05 / (1 + place) for place in range(300)}
    truth = HiddenTruth(parts={"default": 0.0}, layers=gains, start=0.1, layer_cost=0.0001)
    tried = rows(truth)
    assert best(tried).candidate.levels == in_float(*(f"default/layer{place}" for place in range(3)))
    assert len(tried) <= 1 + 9 + 8


def test_the_figures_of_failed_plans_mean_nothing() -> None:
    class Brittle(HiddenTruth):
        def row(self, candidate: Candidate) -> TrialRow:
            figure = self.failed_figure
            row = TrialRow(candidate, figure, figure, figure, figure, failed=True)
            return row if in_float("default/head") <= candidate.levels else super().row(candidate)

    figures = (math.inf, math.nan, -1.0)
    said = [proposals(Brittle(parts={"default": 0.0}, start=0.03, failed_figure=figure)) for figure in figures]
    assert any(in_float("default/head") <= item.levels for item in said[0] if isinstance(item, Candidate))
    assert said[0] == said[1] == said[2]


# The model and its solutions --------------------------------------------------------------------------------------


def test_an_interaction_is_what_a_pair_adds_to_its_two_layers() -> None:
    model = quadratic((LayerRow("b", 0.2, 0.03), LayerRow("a", 0.1, 0.01)), (PairRow("b", "a", 0.5, 0.02),), BASE)
    assert model.choices == (LayerLevel("a"), LayerLevel("b"))
    assert (model.gain(in_float("a")), model.cost(in_float("b"))) == (0.1, 0.03)
    assert model.gain(in_float("a", "b")) == pytest.approx(0.5)
    assert model.cost(in_float("a", "b")) == pytest.approx(0.02)


@pytest.mark.parametrize("pair", [PairRow("a", "b", -1e6, 0.5), PairRow("a", "b", math.nan, 0.02)])
def test_a_pair_that_did_not_run_is_never_chosen(pair: PairRow) -> None:
    model = quadratic((LayerRow("a", 0.1, -0.1), LayerRow("b", 0.2, -0.1), LayerRow("c", 0.1, 0.1)), (pair,), BASE)
    path = solutions(model, levels=12, reads=4, sweeps=50, seed=0)
    assert not any(in_float("a", "b") <= levels for levels in path)
    assert in_float("b", "c") in path


def test_a_layer_that_did_not_run_is_left_as_it_is() -> None:
    class Broken(HiddenTruth):
        def ranking(self, parts):
            return tuple(
                replace(row, gain=-1e6, cost=-0.1) if row.name.endswith("tail") else row
                for row in super().ranking(parts)
            )

    tried = proposals(Broken(parts={"default": 0.0}))
    assert not any("default/tail" in item.pairs for item in tried if isinstance(item, Probe))
    assert not any(in_float("default/tail") <= item.levels for item in tried if isinstance(item, Candidate))


@pytest.mark.parametrize("seed", range(4))
def test_the_path_goes_from_the_cheapest_choice_to_the_one_that_gains_most(seed: int) -> None:
    truth = interacting(seed)
    names = frozenset(row.name for row in truth.ranking(("default",)))
    model = quadratic(truth.ranking(("default",)), truth.pairs(("default",), names), BASE)
    path = solutions(model, levels=24, reads=8, sweeps=200, seed=0)
    choices = [in_float(*some) for count in range(len(names) + 1) for some in combinations(sorted(names), count)]
    assert all(model.gain(one) < model.gain(next_) for one, next_ in pairwise(path))
    assert model.cost(path[0]) == pytest.approx(min(map(model.cost, choices)))
    assert model.gain(path[-1]) == pytest.approx(max(map(model.gain, choices)))


def test_a_layer_that_does_nothing_is_left_as_it_is() -> None:
    model = Quadratic(tuple(map(LayerLevel, "abc")), (0.1, 0.0, 0.0), (0.1, 0.0, 0.0))
    assert solutions(model, levels=8, reads=2, sweeps=50, seed=0) == (frozenset(), in_float("a"))


@pytest.mark.parametrize(
    "model",
    [
        Quadratic((), (), ()),
        Quadratic((LayerLevel("a"),), (0.0,), (0.0,)),
        Quadratic((LayerLevel("a"), LayerLevel("b")), (0.0, 0.0), (0.0, 0.0), (Coupling(0, 1, 0.0, 0.0),)),
    ],
)
def test_without_figures_nothing_is_put_back(model: Quadratic) -> None:
    assert solutions(model, levels=2, reads=1, sweeps=1, seed=0) == (frozenset(),)


def test_the_same_table_gives_the_same_search() -> None:
    truth = interacting(7)
    before = proposals(truth)
    solutions.cache_clear()
    assert proposals(truth) == before


@pytest.mark.parametrize("seed", [-1, 2**40])
def test_any_seed_is_taken(seed: int) -> None:
    truth = replace(interacting(7), seed=seed)
    assert best(rows(truth)).cost <= 1.05 * exhaustive(truth).cost


def test_other_strategies_trials_count() -> None:
    truth = HIDDEN_TRUTHS["plain"]
    table: Table = truth.answered(truth.table(), Candidate(("bad",)))
    assert Qubo(trials=1).propose(table) is None
    assert QUBO.propose(table) == Candidate(("plain",))


# A real search ----------------------------------------------------------------------------------------------------


def tiny_model() -> openvino.Model:
    generator = np.random.default_rng(0)

    def weights(*shape: int) -> openvino.Node:
        return ops.constant((generator.standard_normal(shape) * 0.3).astype(np.float32))

    image = ops.parameter([1, 3, 16, 16], np.float32, name="image")
    first = ops.relu(ops.convolution(image, weights(16, 3, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1]))
    second = ops.relu(ops.convolution(first, weights(16, 16, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1]))
    pooled = ops.reduce_mean(second, ops.constant(np.array([2, 3])), keep_dims=False)
    scores = ops.matmul(pooled, weights(16, 4), transpose_a=False, transpose_b=False)
    return openvino.Model([scores], [image], "tiny")


def test_a_real_search(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    data = [Sample(generator.standard_normal((3, 16, 16)).astype(np.float32)) for _ in range(100)]
    result = quantize(
        tiny_model(),
        data=data,
        metric="fidelity",
        max_drop=0.0001,
        optimize="size",
        recipes=["default"],
        strategy=Qubo(trials=4),
        output=tmp_path / "out",
    )
    assert 1 <= len(result.trials) <= 4
    assert not any(trial.problem for trial in result.trials)
    assert result.verdict in ("met", "float", "inconclusive")
    assert '"pairs"' in (tmp_path / "out" / "profile.jsonl").read_text()
