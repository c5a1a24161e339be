"""Recipes are dismissed for what a sketch of them shows, and only where that cannot be wrong for the search."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ovquant.domain.budget import Budget, Drop
from ovquant.domain.plan import Plan
from ovquant.domain.recipe import Recipe
from ovquant.domain.table import Candidate, Probe
from ovquant.domain.trial import Timing, Trial
from ovquant.measure.stopwatch import TRIAL_HEATS
from ovquant.quantization import Quantized
from ovquant.search.loop import Search
from tests.search.played import Scripted, search

KEEPING = "keep-float:types=Softmax"


def tried(hunt: Search) -> dict[str, Trial]:
    return {trial.plan.name: trial for trial in hunt.explore().standings.trials.values()}


def calibrations(hunt: Search) -> list[Recipe]:
    """Return what is to be the recipes that are quantized by, each time."""
    recipes = list[Recipe]()
    models = hunt.bench.instruments.models
    quantized = models.quantized

    def watched(recipe: Recipe) -> Quantized:
        recipes.append(recipe)
        return quantized(recipe)

    models.quantized = watched  # type: ignore[method-assign]
    return recipes


def test_a_recipe_that_comes_to_the_same_model_is_not_calibrated(tmp_path: Path) -> None:
    """The model has no Softmax."""
    script = Scripted((Candidate(("default",)), Candidate((KEEPING,)), Candidate(("mixed", KEEPING))))
    hunt, _ = search(tmp_path, script, ratios={f"mixed+{KEEPING}": 0.9})
    trials = tried(hunt)
    assert trials[KEEPING].problem == "not calibrated: it comes to the same as int8"
    assert trials[KEEPING].timing == trials["default"].timing
    # Other levels are another model, whatever has them.
    assert not trials[f"mixed+{KEEPING}"].problem


@pytest.mark.parametrize(("further", "told"), [(1.4, False), (1.6, True)])
def test_a_recipe_further_from_float_is_not_calibrated_while_none_is_comfortable(
    further: float, told: bool, tmp_path: Path
) -> None:
    hunt, _ = search(tmp_path, Scripted((Candidate(("default",)), Candidate(("mixed",)))), ratios={"mixed": 0.5})
    hunt.budget = Budget(Drop(1e-6))
    hunt.bench.divergence = distances({"mixed": further})  # type: ignore[method-assign]
    recipes = calibrations(hunt)
    trials = tried(hunt)
    expected = "not calibrated: its outputs are further from float's than those of int8" if told else ""
    assert trials["mixed"].problem == expected
    assert (trials["mixed"].divergence == further) is told
    assert (Recipe(preset="mixed") in recipes) is not told


def test_a_recipe_further_from_float_is_calibrated_where_there_is_budget_to_spare(tmp_path: Path) -> None:
    hunt, _ = search(
        tmp_path, Scripted((Candidate(("default",)), Candidate(("mixed",)))), ratios={"default": 0.8, "mixed": 0.5}
    )
    hunt.budget = Budget(Drop(0.5))
    hunt.bench.divergence = distances({"mixed": 9.0})  # type: ignore[method-assign]
    assert not tried(hunt)["mixed"].problem


def test_what_nobody_foresaw_in_a_sketch_leaves_it_to_the_trial(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, Scripted((Candidate(("default",)), Candidate(("mixed",)))), ratios={"mixed": 0.5})
    hunt.budget = Budget(Drop(1e-6))

    def fail(plan: Plan) -> float:
        raise ValueError("nobody foresaw it")

    hunt.bench.divergence = fail  # type: ignore[method-assign]
    assert tried(hunt)["mixed"].search is not None


def test_the_first_recipe_is_not_sketched(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, Scripted((Candidate(("default",)),)))
    recipes = calibrations(hunt)
    hunt.explore()
    assert set(recipes) == {Recipe()}


@pytest.mark.parametrize(
    ("in_turn", "noise", "races", "told"),
    [
        (0.9, 0.01, [3], False),
        (1.1, 0.01, [3], True),
        # It has to be one percent faster.
        (0.985, 0.01, [3, 8], False),
        (0.995, 0.01, [3, 8], True),
        (1.005, 0.03, [3], True),
        # Beside other work a few compilations tell little.
        (1.005, 0.2, [3, 8], True),
    ],
)
def test_a_recipe_of_other_operations_is_timed_in_turn_with_the_best(
    in_turn: float, noise: float, races: list[int], told: bool, tmp_path: Path
) -> None:
    script = Scripted((Candidate(("default",)), Candidate(("mixed",))))
    hunt, _ = search(tmp_path, script, ratios={"default": 0.8, "mixed": 0.8})
    hunt.budget = Budget(Drop(0.5))
    stopwatch, raced = hunt.bench.instruments.stopwatch, list[tuple[str, int]]()
    timing = stopwatch.timing

    def timed(plan: Plan, *, heats: int = TRIAL_HEATS, beside: Plan | None = None) -> Timing:
        found: Timing = timing(plan, heats=heats)
        if beside is None:
            return found
        raced.append((beside.name, heats))
        return replace(found, ratio=in_turn, ratio_low=in_turn - noise, ratio_high=in_turn + noise)

    stopwatch.timing = timed
    problem = tried(hunt)["mixed"].problem
    assert raced == [("default", heats) for heats in races]
    slower = f"not calibrated: it takes {in_turn:.3f} of the time of int8, which is inside the budget"
    assert problem == (slower if told else "")


@pytest.mark.parametrize(("ratio", "told"), [(0.97, False), (1.02, True)])
def test_a_recipe_that_is_no_faster_than_float_is_not_calibrated(ratio: float, told: bool, tmp_path: Path) -> None:
    """However accurate it is, it would not be returned; what layers put back save shows beside the first recipe."""
    script = Scripted((Candidate(("default",)), Candidate(("mixed",))))
    hunt, _ = search(tmp_path, script, ratios={"default": 1.1, "mixed": ratio})
    hunt.budget = Budget(Drop(0.5))
    recipes = calibrations(hunt)
    trial = tried(hunt)["mixed"]
    assert trial.problem == (f"not calibrated: it takes {ratio:.3f} of float's time" if told else "")
    assert trial.timing is not None
    assert (Recipe(preset="mixed") in recipes) is not told


KEPT = ("default", f"{KEEPING};MatMul")


@pytest.mark.parametrize(("slow", "saved", "told"), [(1.1, 0.03, True), (1.1, 0.05, False), (0.9, 0.03, False)])
def test_where_no_mixture_saves_enough_none_is_looked_for(
    slow: float, saved: float, told: bool, tmp_path: Path
) -> None:
    script = Scripted((Candidate(("default",)), Candidate(KEPT[1:]), Probe(("default",))))
    hunt, _ = search(tmp_path, script, ratios={"default": slow, KEPT[1]: slow - 0.2}, savings={"default": saved})
    standings = hunt.explore().standings
    reason = f"operation by operation the faster of it and float saves {saved:.1%} of float's time"
    problems = {trial.plan.name: trial.problem for trial in standings.trials.values()}
    assert (problems[KEPT[1]] == f"not calibrated: {reason}") is told
    assert (standings.layers["default",] == ()) is told
    recorded = [value for key, value in hunt.bench.profile.entries("layers") if key["parts"] == ["default"]]
    assert (recorded == [[]]) is told
    assert (f"The layers of int8 were not measured one by one: {reason}." in hunt.notes) is told


@pytest.mark.parametrize(("saved", "told"), [(0.004, True), (0.02, False)])
def test_weights_that_are_stored_are_timed_only_where_that_saves_something(
    saved: float, told: bool, tmp_path: Path
) -> None:
    hunt, _ = search(
        tmp_path, Scripted((Candidate(("weights",)),)), ratios={"weights": 0.9}, savings={"weights": saved}
    )
    problem = tried(hunt)["weights"].problem
    assert problem == (
        f"not timed: what it runs otherwise than float saves {saved:.1%} of float's time" if told else ""
    )


@pytest.mark.parametrize("budget", [Budget(Drop(0.1), max_size_bytes=10**6), Budget(Drop(0.1), max_memory_bytes=10**9)])
def test_where_size_or_memory_is_limited_they_are_of_use_anyway(budget: Budget, tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, Scripted((Candidate(("weights",)),)), savings={"weights": 0.0})
    hunt.budget = budget
    hunt.bench.weighed = lambda trial: trial  # type: ignore[method-assign]
    assert not tried(hunt)["weights"].problem


def distances(known: dict[str, float]) -> Callable[[Plan], float]:
    return lambda plan: known.get(plan.name, 1.0)
