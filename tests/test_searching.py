"""The end of a search: which plans are walked on the holdout, in which order, and what is returned."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.budgets import Budget, Drop
from ovquant.errors import CompileError
from ovquant.measuring import TRIAL_HEATS, Workbench
from ovquant.metrics import resolve_metric
from ovquant.plans import Plan
from ovquant.profiles import Profile
from ovquant.protocols import Sample
from ovquant.recipes import read_recipe
from ovquant.runs import save_plan
from ovquant.runtime import Deployment
from ovquant.searching import Search
from ovquant.splits import split_data
from ovquant.strategies.first import First
from ovquant.tables import Candidate, Probe, Proposal, Table
from ovquant.trials import Score, Timing, Trial


def model() -> openvino.Model:
    weights = np.random.default_rng(0).standard_normal((64, 10)).astype(np.float32)
    port = ops.parameter([-1, 64], np.float32)
    port.output(0).get_tensor().set_names({"x"})
    made = openvino.Model([ops.matmul(port, ops.constant(weights), False, False)], [port], "linear")
    made.outputs[0].get_tensor().set_names({"scores"})
    return made


def samples(count: int, seed: int) -> list[Sample]:
    weights = np.random.default_rng(0).standard_normal((64, 10)).astype(np.float32)
    rows = np.random.default_rng(seed).standard_normal((count, 64)).astype(np.float32)
    return [Sample(row, int((row @ weights).argmax())) for row in rows]


@dataclass
class Played(Workbench):
    """A workbench whose timings and holdout scores are given, everything else being really built and measured."""

    ratios: Mapping[str, float] = field(default_factory=dict)
    holdout_drops: Mapping[str, float] = field(default_factory=dict)
    walked: list[str] = field(default_factory=list)
    needs_f32: bool = False

    def timing(self, plan: Plan, *, heats: int = 1) -> Timing:
        if self.needs_f32 and not plan.is_float and "INFERENCE_PRECISION_HINT" not in plan.properties:
            raise CompileError("The model does not compile on CPU: no suitable implementation.")
        ratio = self.ratios.get(plan.name, 1.0)
        return Timing(ratio, ratio, 1.0, 1.0, ratio, ratio - 0.01, ratio + 0.01, 50)

    def final_race(self, plans: Sequence[Plan], until: float = 0.0, deciding: int | None = None) -> list[Timing]:
        return [self.timing(plan) for plan in plans]

    def score(self, plan: Plan, split: Any, budget: Budget, *, level: float | None = None, **how: Any) -> Score:
        if split == "search":
            return super().score(plan, split, budget, **how)
        self.walked.append(plan.name)
        drop = self.holdout_drops.get(plan.name, 0.0)
        score = Score("holdout", 1 - drop, 1.0, drop, drop - 0.1, 100, method="exact", metric="accuracy")
        if level is None:
            return score
        # A p-value that falls with the distance from the limit: 0.05 at nine tenths of it.
        p_value = 0.05 * 10 ** (10 * (drop - 0.09) / 0.1) if drop < 0.1 else 1.0
        return replace(score, level=level, p_value=p_value, bound=drop + 0.01, needed=500)


@dataclass(frozen=True)
class Scripted:
    """Proposes what it is told to, in order."""

    proposals: tuple[Proposal, ...]

    def propose(self, table: Table) -> Proposal | None:
        return next((item for item in self.proposals if not self._answered(table, item)), None)

    def _answered(self, table: Table, item: Proposal) -> bool:
        return item.parts in table.layers if isinstance(item, Probe) else table.row(item) is not None


PARTS = ("weights", "mixed", "default")


def search(tmp_path: Path, strategy: Any = None, **played: Any) -> tuple[Search, Played]:
    bench = Played(
        model(),
        split_data(samples(300, 1), seed=0),
        (resolve_metric("accuracy"),),
        Deployment(),
        "latency",
        Profile(tmp_path / "profile.jsonl"),
        tmp_path / "trials",
        **played,
    )
    chosen = strategy or Scripted(tuple(Candidate((part,)) for part in PARTS))
    return Search(bench, Budget(Drop(0.1)), chosen, PARTS, lambda names: read_recipe(names)), bench


def test_the_walk_goes_from_the_safest_to_the_fastest_and_returns_the_last_that_held(tmp_path: Path) -> None:
    hunt, bench = search(tmp_path, ratios={"weights": 0.9, "mixed": 0.6, "default": 0.5})
    outcome = hunt.run()
    assert bench.walked[0] == "weights"
    assert bench.walked[-1] == "default"
    assert (outcome.verdict, outcome.chosen.plan.name) == ("met", "default")


def test_the_walk_stops_at_the_first_failure(tmp_path: Path) -> None:
    drops = {"mixed": 0.5, "default": 0.5}
    hunt, bench = search(tmp_path, ratios={"weights": 0.9, "mixed": 0.6, "default": 0.5}, holdout_drops=drops)
    outcome = hunt.run()
    assert len(bench.walked) == 2
    assert (outcome.verdict, outcome.chosen.plan.name) == ("met", "weights")


def test_a_slower_plan_never_replaces_a_safer_faster_one(tmp_path: Path) -> None:
    hunt, bench = search(tmp_path, ratios={"weights": 0.4, "mixed": 0.6, "default": 0.5})
    assert hunt.run().chosen.plan.name == "weights"
    assert bench.walked == ["weights"]


def test_nothing_faster_than_float_gives_float(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, ratios={"weights": 1.2, "mixed": 1.1, "default": 1.005})
    outcome = hunt.run()
    assert (outcome.verdict, outcome.chosen.plan.name) == ("float", "float")


def test_a_plan_that_may_be_no_faster_is_inconclusive_and_said(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, ratios={"weights": 0.995, "mixed": 1.1, "default": 1.1})
    outcome = hunt.run()
    assert (outcome.verdict, outcome.chosen.plan.name) == ("inconclusive", "float")
    assert outcome.candidate is not None
    assert outcome.candidate.plan.name == "weights"
    (note,) = [note for note in outcome.notes if "weights" in note]
    assert "0.995 (0.985 to 1.005)" in note
    assert "idle machine" in note


def test_a_plan_that_may_be_no_faster_and_fails_on_the_holdout_is_none(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, ratios={"weights": 0.995, "mixed": 1.1, "default": 1.1}, holdout_drops={"weights": 0.5})
    outcome = hunt.run()
    assert (outcome.verdict, outcome.candidate) == ("float", None)


def test_what_is_surely_faster_is_returned_beside_what_may_be(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, ratios={"weights": 0.995, "mixed": 0.8, "default": 1.1})
    outcome = hunt.run()
    assert (outcome.verdict, outcome.chosen.plan.name, outcome.candidate) == ("met", "mixed", None)


def test_why_a_plan_that_looked_good_was_not_walked_is_said(tmp_path: Path) -> None:
    """It looks 1.16 times as fast when it is tried, and slower than float in the last race."""
    hunt, bench = search(tmp_path, Scripted((Candidate(("default",)),)), ratios={"default": 0.86})
    slow = Timing(1.05, 1.05, 1.0, 1.0, 1.05, 1.03, 1.07, 50, 32, 0.4)
    bench.final_race = lambda plans, *rest: [slow for _ in plans]  # type: ignore[method-assign]
    outcome = hunt.run()
    assert outcome.verdict == "float"
    assert any(
        "default is inside the budget" in note and "1.050 (1.030 to 1.070)" in note and "40%" in note
        for note in outcome.notes
    )


def test_the_first_failure_leaves_float(tmp_path: Path) -> None:
    drops = dict.fromkeys(PARTS, 0.5)
    hunt, bench = search(tmp_path, ratios={"weights": 0.9, "mixed": 0.6, "default": 0.5}, holdout_drops=drops)
    assert hunt.run().verdict == "float"
    assert [name for name in bench.walked if name != "float"] == ["weights"]


def test_first_stops_at_the_first_plan_inside(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, First(), ratios={"weights": 0.5})
    assert [trial.plan.name for trial in hunt.run().trials] == ["weights"]


def test_a_recipe_that_cannot_be_built_is_a_trial_with_its_problem(tmp_path: Path) -> None:
    hunt, _ = search(
        tmp_path, Scripted((Candidate(("calibration:size=10", "accuracy-control")), Candidate(("default",))))
    )
    hunt.bench.metrics = hunt.bench.scoring.metrics = (resolve_metric("f1"),)
    outcome = hunt.run()
    assert "mean over samples" in outcome.trials[0].problem
    assert outcome.trials[1].problem == ""


def test_a_probe_measures_every_layer_and_its_cost(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, Scripted((Candidate(("default",)), Probe(("default",)))))
    judge = hunt.judge()
    hunt.explore(judge)
    (row,) = hunt.table(judge).layers[("default",)]
    assert row.gain > 0
    assert math.isfinite(row.cost)


def test_a_second_run_measures_nothing_again(tmp_path: Path) -> None:
    search(tmp_path, ratios={"default": 0.5})[0].run()
    before = (tmp_path / "profile.jsonl").read_bytes()
    search(tmp_path, ratios={"default": 0.5})[0].run()
    assert (tmp_path / "profile.jsonl").read_bytes() == before


def test_a_recipe_no_faster_than_a_safe_one_is_not_calibrated(tmp_path: Path) -> None:
    hunt, bench = search(tmp_path, ratios={"weights": 0.9, "mixed": 0.95, "default": 0.5})
    calibrated: list[int] = []
    quantized = bench.builder.quantized
    bench.builder.quantized = lambda recipe: calibrated.append(recipe.calibration_size) or quantized(recipe)  # type: ignore[method-assign,func-returns-value]
    trials = {trial.plan.name: trial for trial in hunt.run().trials}
    assert "not calibrated: weights is inside the budget and no slower" in trials["mixed"].problem
    assert trials["mixed"].search is None
    assert not trials["default"].problem


def test_the_best_plan_is_timed_over_more_compilations(tmp_path: Path) -> None:
    hunt, bench = search(tmp_path, Scripted((Candidate(("default",)),)))
    asked: list[int] = []

    def timing(plan: Plan, *, heats: int = TRIAL_HEATS) -> Timing:
        asked.append(heats)
        lucky, *others = (Timing(ratio, ratio, 1.0, 1.0, ratio, ratio, ratio, 50) for ratio in (0.5, 0.7, 0.7, 0.5))
        return Timing.joined([lucky, *others]) if max(asked) > TRIAL_HEATS else lucky

    bench.timing = timing  # type: ignore[method-assign]
    judge = hunt.judge()
    hunt.explore(judge)
    (row,) = hunt.table(judge).trials
    assert row.cost == pytest.approx((0.5 * 0.7) ** 0.5)
    assert 0.7 < row.cost_high < 1


def test_the_best_so_far_is_handed_on_and_lies_on_disk(tmp_path: Path) -> None:
    hunt, bench = search(tmp_path, ratios={"weights": 0.9, "mixed": 1.1, "default": 0.5})
    best: list[str] = []

    def keep(trial: Trial) -> None:
        best.append(trial.plan.name)
        save_plan(bench, trial, tmp_path / "best")
        assert Plan.load(tmp_path / "best" / "plan.json").key == trial.plan.key
        openvino.Core().read_model(tmp_path / "best" / "model.xml")

    hunt.on_best = keep
    hunt.run()
    assert best == ["weights", "default"]
    assert not (tmp_path / "best.partial").exists()


def test_an_earlier_plan_that_is_the_best_again_is_handed_on(tmp_path: Path) -> None:
    hunt, bench = search(tmp_path)
    known, best = {"weights": 0.7, "mixed": 0.6, "default": 0.5}, list[str]()

    def timing(plan: Plan, *, heats: int = 2) -> Timing:
        if plan.name == "default" and heats > 2:
            # Timed again, the first plan is the fastest.
            known.update(mixed=0.75, default=0.8)
        ratio = known.get(plan.name, 1.0)
        return Timing(ratio, ratio, 1.0, 1.0, ratio, ratio - 0.01, ratio + 0.01, 50)

    bench.timing = timing  # type: ignore[method-assign]
    hunt.on_best = lambda trial: best.append(trial.plan.name)
    hunt.explore(hunt.judge())
    assert best == ["weights", "mixed", "weights"]


def test_a_glance_is_completed_for_finalists(tmp_path: Path) -> None:
    hunt, bench = search(tmp_path, Scripted((Candidate(("default",)),)), ratios={"default": 0.5})
    bench.splits = bench.scoring.splits = split_data(samples(1500, 1), seed=0)
    hunt.budget = Budget(Drop(1e-4))
    plan = hunt.plan_of(Candidate(("default",)))
    glanced = bench.trial(plan, Budget(Drop(0.02)), glance=True).search
    whole = Workbench.score(bench, plan, "search", Budget(Drop(0.02)))
    assert glanced is not None
    assert glanced.samples == 256
    assert whole.samples > 256


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


def confident(hunt: Search) -> Search:
    return replace(hunt, budget=Budget(Drop(0.1), confidence=0.95))


RATIOS = {"weights": 0.9, "mixed": 0.6, "default": 0.5}


def test_with_a_confidence_only_what_is_proven_is_returned(tmp_path: Path) -> None:
    hunt, bench = search(tmp_path, ratios=RATIOS, holdout_drops={"default": 0.095})
    outcome = confident(hunt).run()
    assert bench.walked == ["weights", "default"]
    assert (outcome.verdict, outcome.chosen.plan.name) == ("met", "weights")
    assert outcome.chosen.holdout is not None
    assert outcome.chosen.holdout.certified
    assert any("default may well be inside" in note and "500 samples" in note for note in outcome.notes)


def test_where_nothing_is_proven_the_verdict_is_inconclusive(tmp_path: Path) -> None:
    hunt, bench = search(tmp_path, ratios=RATIOS, holdout_drops={"weights": 0.095})
    outcome = confident(hunt).run()
    assert bench.walked[0] == "weights"
    assert (outcome.verdict, outcome.chosen.plan.name) == ("inconclusive", "float")


def test_a_verdict_of_float_names_the_tightest_budget_within_reach(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path / "sure", ratios=RATIOS, holdout_drops={"weights": 0.3})
    outcome = confident(hunt).run()
    assert outcome.verdict == "float"
    assert any("surely holds" in note and "0.31 in accuracy (weights)" in note for note in outcome.notes)
    hunt, _ = search(tmp_path / "points", ratios=RATIOS, holdout_drops={"weights": 0.3})
    assert any("weights, lost 0.3 in accuracy on the holdout" in note for note in hunt.run().notes)
    hunt, _ = search(tmp_path / "none", ratios=RATIOS)
    outcome = replace(hunt, budget=Budget(Drop(0.0), floor=1.1)).run()
    assert any("tightest budget within reach" in note for note in outcome.notes)


def test_a_second_look_at_a_holdout_is_stricter_and_said(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, ratios=RATIOS)
    first = confident(hunt).run()
    second = replace(confident(hunt), strategy=Scripted((Candidate(("weights",)),)), _trials={}, _notes=[]).run()
    levels = [outcome.walked[0].holdout.level for outcome in (first, second) if outcome.walked[0].holdout]
    assert levels == [pytest.approx(0.025), pytest.approx(0.0125)]
    assert any("look 2 at these held-out samples" in note for note in second.notes)
    assert not any("look" in note for note in first.notes)


def test_a_search_with_a_confidence_keeps_what_the_proof_takes_in_reserve(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, ratios=RATIOS)
    plain, sure = hunt.judge(), confident(hunt).judge()
    trial = hunt.bench.trial(hunt.plan_of(Candidate(("mixed",))), hunt.budget)
    row, reserved = plain.row(Candidate(("mixed",)), trial), sure.row(Candidate(("mixed",)), trial)
    # 150 held-out samples cannot prove less than ln(40)/150.
    assert reserved.excess - row.excess >= 3.68 / 150
