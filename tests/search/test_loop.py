"""The loop: proposals become trials and probes, and the best so far is timed again and handed on."""

import math
from dataclasses import replace
from pathlib import Path

import openvino
import pytest

from ovquant.api.workspace import save_plan
from ovquant.domain.budget import Budget, Drop
from ovquant.domain.plan import Plan
from ovquant.domain.table import Candidate, Probe
from ovquant.domain.trial import Timing, Trial
from ovquant.measure.stopwatch import TRIAL_HEATS
from ovquant.plugins.strategies.first import First
from ovquant.runtime import REFERENCE
from ovquant.search.standings import Standings
from tests.search.played import RATIOS, Scripted, confident, search


def test_first_stops_at_the_first_plan_inside(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, First(), ratios={"weights": 0.5})
    assert [trial.plan.name for trial in hunt.run().trials] == ["weights"]


def test_a_recipe_that_cannot_be_built_is_a_trial_with_its_problem(tmp_path: Path) -> None:
    hunt, _ = search(
        tmp_path,
        Scripted((Candidate(("calibration:size=10", "accuracy-control")), Candidate(("default",)))),
        metric="f1",
    )
    outcome = hunt.run()
    assert "mean over samples" in outcome.trials[0].problem
    assert outcome.trials[1].problem == ""


def test_a_probe_measures_every_layer_and_its_cost(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, Scripted((Candidate(("default",)), Probe(("default",)))))
    (row,) = hunt.explore().standings.table().layers[("default",)]
    assert row.gain > 0
    assert math.isfinite(row.cost)


def test_a_second_run_measures_nothing_again(tmp_path: Path) -> None:
    search(tmp_path, ratios={"default": 0.5})[0].run()
    before = (tmp_path / "profile.jsonl").read_bytes()
    search(tmp_path, ratios={"default": 0.5})[0].run()
    assert (tmp_path / "profile.jsonl").read_bytes() == before


def test_a_recipe_no_faster_than_a_safe_one_is_not_calibrated(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, ratios={"weights": 0.9, "mixed": 0.95, "default": 0.5})
    calibrated: list[int] = []
    models = hunt.bench.instruments.models
    quantized = models.quantized
    models.quantized = lambda recipe: calibrated.append(recipe.calibration_size) or quantized(recipe)  # type: ignore[method-assign,func-returns-value]
    trials = {trial.plan.name: trial for trial in hunt.run().trials}
    assert "of the time of int8 weights, which is inside the budget" in trials["mixed"].problem
    assert trials["mixed"].search is None
    assert not trials["default"].problem


@pytest.mark.parametrize(("faster", "slower", "scored"), [("weights", "default", False), ("default", "weights", True)])
def test_a_slower_plan_is_scored_only_where_it_is_nearer_to_float(
    tmp_path: Path, faster: str, slower: str, scored: bool
) -> None:
    hunt, _ = search(
        tmp_path, Scripted((Candidate((faster,)), Candidate((slower,)))), ratios={faster: 0.5, slower: 0.9}
    )
    # Neither plan is so far inside that no safer one is wanted.
    hunt.budget = Budget(Drop(0.1), floor=0.95)
    first, second = hunt.explore().standings.trials.values()
    assert first.search is not None
    assert (second.search is not None) is scored
    assert second.problem == (
        "" if scored else f"not scored: {first.plan.full_title} is inside the budget and surely cheaper"
    )


def test_nothing_is_noted_of_a_float_model_that_is_served_in_f32(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path)
    models = hunt.bench.instruments.models
    models.deployment = replace(models.deployment, properties=dict(REFERENCE))
    assert hunt.judge().baseline.search is not None
    assert hunt.notes == []


def test_the_best_plan_is_timed_over_more_compilations(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, Scripted((Candidate(("default",)),)))
    asked: list[int] = []

    def timing(plan: Plan, *, heats: int = TRIAL_HEATS, beside: Plan | None = None) -> Timing:
        asked.append(heats)
        lucky, *others = (Timing(ratio, ratio, 1.0, 1.0, ratio, ratio, ratio, 50) for ratio in (0.5, 0.7, 0.7, 0.5))
        return Timing.joined([lucky, *others]) if max(asked) > TRIAL_HEATS else lucky

    hunt.bench.instruments.stopwatch.timing = timing  # type: ignore[method-assign]
    (row,) = hunt.explore().standings.table().trials
    assert row.cost == pytest.approx((0.5 * 0.7) ** 0.5)
    assert 0.7 < row.cost_high < 1


def test_the_best_so_far_is_handed_on_and_lies_on_disk(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, ratios={"weights": 0.9, "mixed": 1.1, "default": 0.5})
    best: list[str] = []

    def keep(trial: Trial) -> None:
        best.append(trial.plan.name)
        save_plan(hunt.bench, trial, tmp_path / "best")
        assert Plan.load(tmp_path / "best" / "plan.json").key == trial.plan.key
        openvino.Core().read_model(tmp_path / "best" / "model.xml")

    hunt.on_best = keep
    hunt.run()
    assert best == ["weights", "default"]
    assert not (tmp_path / "best.partial").exists()


def test_an_earlier_plan_that_is_the_best_again_is_handed_on(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path)
    known, best = {"weights": 0.7, "mixed": 0.6, "default": 0.5}, list[str]()

    def timing(plan: Plan, *, heats: int = 2, beside: Plan | None = None) -> Timing:
        if plan.name == "default" and heats > 2:
            # Timed again, the first plan is the fastest.
            known.update(mixed=0.75, default=0.8)
        ratio = known.get(plan.name, 1.0)
        return Timing(ratio, ratio, 1.0, 1.0, ratio, ratio - 0.01, ratio + 0.01, 50)

    hunt.bench.instruments.stopwatch.timing = timing  # type: ignore[method-assign]
    hunt.on_best = lambda trial: best.append(trial.plan.name)
    hunt.explore()
    assert best == ["weights", "mixed", "weights"]


def test_time_that_is_up_ends_the_search_with_a_note(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, ratios={"default": 0.5})
    hunt.until = 0.0
    outcome = hunt.run()
    assert outcome.trials == ()
    assert any("time budget" in note for note in outcome.notes)


def test_what_does_not_compile_at_the_default_precision_is_tried_in_f32(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, First(), ratios={"default, computed in f32": 0.5}, needs_f32=True)
    outcome = hunt.run()
    assert outcome.verdict == "met"
    assert outcome.chosen.plan.properties["INFERENCE_PRECISION_HINT"] == "f32"
    assert any("tried in f32" in note for note in outcome.notes)


def test_a_search_with_a_confidence_keeps_what_the_proof_takes_in_reserve(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, ratios=RATIOS)
    plain, sure = hunt.judge(), confident(hunt).judge()
    trial = hunt.bench.trial(hunt.plan_of(Candidate(("mixed",)), Standings(plain, hunt.offer)), hunt.budget)
    row, reserved = plain.row(Candidate(("mixed",)), trial), sure.row(Candidate(("mixed",)), trial)
    # 150 held-out samples cannot prove less than ln(40)/150.
    assert reserved.excess - row.excess >= 3.68 / 150
