"""Plans are timed beside the fastest float that holds the budget, and layers of float are kept in f32 where that is faster."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ovquant.domain.budget import Budget, Drop
from ovquant.domain.plan import Plan
from ovquant.domain.table import Candidate, LayerRow
from ovquant.domain.trial import Scores
from ovquant.graph.pins import pinnable_layers
from ovquant.plugins.strategies.layers import IntegerProgram
from ovquant.search.loop import Search
from ovquant.search.replay import Record, resolve
from ovquant.search.standings import Offer
from tests.search.played import Scripted, search

BELOW = {"float": 0.2, "bf16": 0.2, "bf16, 1 layer in f32": 0.01}
TIMES = {"float": 1.0, "float-f32": 2.0, "bf16": 1.0, "bf16, 1 layer in f32": 1.1, "default": 1.2}


def below_f32(tmp_path: Path) -> Search:
    """Return a search where float as it is served is outside the budget, and in f32 takes twice as long."""
    hunt, _ = search(tmp_path, Scripted((Candidate(("default",)),)), ratios=TIMES, search_drops=BELOW)
    served = hunt.bench.instruments.served
    hunt.bench.instruments.served = lambda plan: {**served(plan), "INFERENCE_PRECISION_HINT": "bf16"}  # type: ignore[method-assign]
    return replace(hunt, offer=replace(hunt.offer, pinning="bf16"))


def by_layers(tmp_path: Path) -> Search:
    """Return such a search that looks for layers of float to keep in f32, of which there is one."""
    hunt = below_f32(tmp_path)

    def layers(plan: Plan, *_: Any, **how: Any) -> tuple[LayerRow, ...]:
        (layer,) = hunt.bench.instruments.models.quantized(plan.recipe).layers
        return (LayerRow(layer.name, 0.1, 0.05, "f32"),)

    hunt.bench.instruments.layers = layers  # type: ignore[method-assign]
    return replace(hunt, strategy=IntegerProgram(), offer=Offer(("default",), opening=("default",), pinning="bf16"))


def test_where_float_as_served_is_outside_plans_are_timed_beside_f32(tmp_path: Path) -> None:
    hunt = below_f32(tmp_path)
    shown: list[str] = []
    hunt.on_trial = lambda trial: shown.append(trial.plan.name)
    outcome = hunt.run()
    assert shown[:2] == ["float", "float-f32"]
    assert (outcome.baseline.plan.name, outcome.baseline.timing.ratio) == ("float-f32", 1.0)
    assert (outcome.verdict, outcome.chosen.plan.name) == ("met", "default")
    assert outcome.chosen.timing.ratio == pytest.approx(0.6)
    (note,) = [note for note in outcome.notes if "bf16 unless told otherwise" in note]
    assert "outside the budget" in note
    assert "takes 2.00 times as long" in note


def test_layers_of_float_are_kept_in_f32_where_that_is_fastest(tmp_path: Path) -> None:
    hunt = by_layers(tmp_path)
    outcome = hunt.run()
    assert [trial.plan.name for trial in outcome.trials] == ["default", "bf16", "bf16, 1 layer in f32"]
    assert (outcome.verdict, outcome.chosen.plan.name) == ("met", "bf16, 1 layer in f32")
    (layer,) = pinnable_layers(hunt.bench.instruments.models.model)
    assert outcome.chosen.plan.layers == {layer.name: "f32"}
    assert outcome.chosen.layers == {layer.name: "f32"}
    assert outcome.chosen.timing.ratio == pytest.approx(0.55)


@pytest.mark.parametrize("outside", [True, False])
def test_layers_may_be_f32_where_float_itself_is_outside(tmp_path: Path, outside: bool) -> None:
    hunt = (
        by_layers(tmp_path) if outside else search(tmp_path, ratios={"default": 0.5}, search_drops={"default": 0.5})[0]
    )
    hunt = replace(hunt, strategy=IntegerProgram(), offer=replace(hunt.offer, parts=("default",)))
    hunt.bench.instruments.scorer.search_drops = {**(BELOW if outside else {}), "default": 0.5, "f32": 0.9}
    layers, asked = hunt.bench.instruments.layers, {}

    def noted(plan: Plan, cost: float, until: float, wanted: tuple[str, ...], **how: Any) -> tuple[LayerRow, ...]:
        asked[plan.name] = wanted
        return layers(plan, cost, until, wanted, **how)

    hunt.bench.instruments.layers = noted  # type: ignore[method-assign]
    hunt.run()
    assert asked == ({"bf16": ("f32",), "default": ("float", "f32")} if outside else {"default": ("float",)})


def test_float_in_f32_is_the_bar_where_it_is_faster(tmp_path: Path) -> None:
    ratios = {"float": 2.0, "float-f32": 1.0, "default": 1.5}
    drops = {"float": 0.01, "default": 0.0}
    hunt, _ = search(tmp_path, Scripted((Candidate(("default",)),)), ratios=ratios, search_drops=drops)
    served = hunt.bench.instruments.served
    hunt.bench.instruments.served = lambda plan: {**served(plan), "INFERENCE_PRECISION_HINT": "bf16"}  # type: ignore[method-assign]
    outcome = hunt.run()
    # What is faster than float as it is served is not faster than float in f32.
    assert (outcome.verdict, outcome.chosen.plan.name) == ("float", "float-f32")
    assert any("takes 2.00 times as long so as in f32" in note for note in outcome.notes)


def noisy(hunt: Search) -> Search:
    """Return a search whose scores have intervals of 0.05 to either side."""
    score = hunt.bench.instruments.scorer.score

    def noted(*about: Any, **how: Any) -> Scores:
        found = score(*about, **how)
        return Scores(tuple(replace(one, low=one.drop - 0.05, high=one.drop + 0.05) for one in found.all))

    hunt.bench.instruments.scorer.score = noted  # type: ignore[method-assign]
    return hunt


def test_float_that_is_nearly_outside_is_not_the_bar(tmp_path: Path) -> None:
    doubted, safe = (noisy(by_layers(tmp_path / name)) for name in ("doubted", "safe"))
    doubted.bench.instruments.scorer.search_drops = {**BELOW, "float": 0.08, "bf16": 0.08}
    outcome = doubted.run()
    assert outcome.baseline.plan.name == "float-f32"
    assert any("may be outside the budget on other data" in note for note in outcome.notes)
    # It is still what is returned where it holds the budget.
    assert (outcome.verdict, outcome.chosen.plan.name) == ("met", "bf16")
    safe.bench.instruments.scorer.search_drops = {**BELOW, "float": 0.04, "bf16": 0.04}
    assert safe.run().baseline.plan.name == "float"


def test_a_recipe_may_leave_the_rest_in_f32_where_float_itself_is_outside(tmp_path: Path) -> None:
    hunt = by_layers(tmp_path)
    offer = replace(hunt.offer, parts=("mixed",), alone=frozenset(), opening=("mixed",))
    hunt = replace(hunt, strategy=IntegerProgram(), offer=offer)
    hunt.bench.instruments.scorer.search_drops = {**BELOW, "mixed": 0.5}
    outcome = hunt.run()
    assert [trial.plan.name for trial in outcome.trials][:2] == ["mixed", "f32+mixed"]
    assert (outcome.verdict, outcome.chosen.plan.title) == ("met", "int8, asymmetric, the rest in f32")
    assert outcome.chosen.plan.properties["INFERENCE_PRECISION_HINT"] == "f32"
    assert not any("do not compile" in note for note in outcome.notes)


def test_what_such_a_profile_says_of_another_budget(tmp_path: Path) -> None:
    hunt = by_layers(tmp_path)
    hunt.explore()
    record = Record.read(hunt.bench.profile)
    assert record.baseline.plan.name == "float-f32"
    assert record.offer.pinning == "bf16"
    assert resolve(record, Budget(Drop(0.05)), IntegerProgram()).plan.name == "bf16, 1 layer in f32"
    assert resolve(record, Budget(Drop(0.3)), IntegerProgram()).plan.name == "bf16"


def test_without_a_drop_that_float_breaks_it_is_the_bar(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path / "inside", ratios=TIMES, search_drops={"float": 0.05})
    assert hunt.judge().baseline.plan.name == "float"
    assert hunt.bench.bar is None
    hunt = replace(below_f32(tmp_path / "limit"), budget=Budget(max_latency_ms=5.0))
    assert hunt.judge().baseline.plan.name == "float"
    # Where float in f32 is outside too, as with a floor that nothing reaches, nothing else is gained by it.
    hunt = replace(below_f32(tmp_path / "floor"), budget=Budget(Drop(0.0), floor=1.1))
    hunt.bench.instruments.scorer.search_drops = {"float": 0.2, "float-f32": 0.2}
    assert hunt.judge().baseline.plan.name == "float"
