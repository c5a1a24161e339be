"""A plan becomes a trial, whatever goes wrong with it, and the profile keeps what is known best."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ovquant.domain.budget import Budget, Drop, Limit
from ovquant.domain.plan import Plan
from ovquant.domain.profile import COMPARABLE
from ovquant.domain.recipe import Recipe
from ovquant.domain.trial import Timing, Trial
from ovquant.errors import CompileError, MetricError, UsageError
from ovquant.measure.instruments import Local
from ovquant.measure.score import Scorer
from ovquant.measure.stopwatch import Stopwatch
from ovquant.measure.workbench import Workbench
from ovquant.plugins.metrics import resolve_metrics
from tests.measure.made import EXACT, bench, plan, scorer, splits

BUDGET, TIGHT = Budget(Drop(0.3)), Budget(Drop(1e-4))
SECOND = Timing(0.5, 0.6, 1.0, 1.1, 0.5, 0.4, 0.6, 30, 3)


@dataclass
class Played(Stopwatch):
    """A stopwatch that shows half of float's time, or raises what it is given unless a plan is computed in f32."""

    error: Exception | None = None
    asked: list[Plan] = field(default_factory=list)

    def timing(self, plan: Plan, *, heats: int = 3, beside: Plan | None = None) -> Timing:
        self.asked.append(plan)
        if self.error is not None and "INFERENCE_PRECISION_HINT" not in plan.properties:
            raise self.error
        return SECOND


def played(folder: Path, metric: Any = "accuracy", *, error: Exception | None = None, **changes: Any) -> Workbench:
    made = scorer(folder, metric, **changes)
    return Workbench(Local(made.models, made, Played(made.models, "latency", error=error)))


def entries(made: Workbench, kind: str) -> list[Any]:
    return [value for _, value in made.profile.entries(kind)]


# Trials -----------------------------------------------------------------------------------------------------------------


def test_a_plan_is_built_scored_and_timed_for_real(tmp_path: Path) -> None:
    made = bench(tmp_path)
    trial = made.trial(plan(), BUDGET)
    assert (trial.problem, trial.holdout, trial.predicted) == ("", None, None)
    assert trial.search is not None
    assert trial.search.samples == 60
    assert trial.timing == made.instruments.timing(plan())
    folder = made.instruments.build(plan()).parent
    assert trial.size_bytes == sum((folder / name).stat().st_size for name in ("model.xml", "model.bin"))
    assert trial.layers == {"first": "int8", "second": "int8"}
    assert trial.divergence is not None
    assert 0 < trial.divergence < 0.2
    assert trial.seconds > 0
    ((key, value),) = made.profile.entries("trial")
    assert value == {"trial": trial.to_json(), "higher_is_better": [True], "metrics": ["Accuracy"]}
    assert (key["metric"], key["objective"]) == (made.conditions.metric_key, "latency")
    assert key["data"] == made.conditions.splits.search.fingerprint


def test_float_is_a_trial_too(tmp_path: Path) -> None:
    made = played(tmp_path)
    trial = made.trial(made.conditions.float_plan, BUDGET)
    assert (trial.layers, trial.problem) == ({}, "")
    assert trial.divergence == pytest.approx(0, abs=1e-4)
    assert trial.search is not None
    assert len(entries(made, "trial")) == 1


def test_layers_are_reported_as_the_saved_file_has_them(tmp_path: Path) -> None:
    trial = played(tmp_path).trial(plan(layers={"second": "float"}), BUDGET)
    assert trial.layers == {"first": "int8", "second": "float"}


@pytest.mark.parametrize("name", ["first", "nowhere"])
def test_a_plan_that_cannot_be_built_is_a_trial_with_its_problem(tmp_path: Path, name: str) -> None:
    made = played(tmp_path, error=None if name == "nowhere" else UsageError("No such first."))
    trial = made.trial(plan(recipe=Recipe(keep_float_names=(name,))), BUDGET)
    assert name in trial.problem
    assert (trial.search, trial.timing, trial.size_bytes) == (None, None, 0)
    assert trial.seconds > 0
    assert entries(made, "trial") == []


def test_what_nobody_foresaw_is_a_problem_of_one_line(tmp_path: Path) -> None:
    made = played(tmp_path, error=ValueError("no elements\nand more"))
    assert made.trial(plan(), BUDGET).problem == "ValueError: no elements"
    with pytest.raises(ValueError, match="no elements"):
        made.trial(made.conditions.float_plan, BUDGET)
    interrupted = played(tmp_path / "other", error=KeyboardInterrupt())  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        interrupted.trial(plan(), BUDGET)


def test_what_is_wrong_with_float_ends_the_run(tmp_path: Path) -> None:
    made = played(tmp_path, error=MetricError("No score."))
    assert made.trial(plan(), BUDGET).problem == "No score."
    with pytest.raises(MetricError, match="No score"):
        made.trial(made.conditions.float_plan, BUDGET)


def test_what_does_not_compile_is_tried_again_in_f32(tmp_path: Path) -> None:
    made = played(tmp_path, error=CompileError("No kernel."))
    trial = made.trial(plan(), BUDGET)
    assert trial.plan.name == "default, computed in f32"
    assert trial.plan.properties == {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    assert trial.problem == ""
    assert trial.search is not None


def test_only_once_and_only_what_does_not_compile(tmp_path: Path) -> None:
    @dataclass
    class Never(Played):
        def timing(self, plan: Plan, *, heats: int = 3, beside: Plan | None = None) -> Timing:
            self.asked.append(plan)
            raise CompileError("No kernel at all.")

    made = scorer(tmp_path)
    stopwatch = Never(made.models, "latency")
    trial = Workbench(Local(made.models, made, stopwatch)).trial(plan(), BUDGET)
    assert (trial.plan.name, trial.problem) == ("default, computed in f32", "No kernel at all.")
    assert len(stopwatch.asked) == 2
    other = played(tmp_path, error=UsageError("No."))
    assert other.trial(plan(), BUDGET).plan == plan()


def test_what_is_pointless_is_not_scored(tmp_path: Path) -> None:
    made, seen = played(tmp_path), list[Trial]()

    def pointless(trial: Trial) -> str:
        seen.append(trial)
        return "too far off" if trial.divergence is not None else ""

    trial = made.trial(plan(), BUDGET, pointless)
    assert (trial.problem, trial.search, trial.timing) == ("too far off", None, SECOND)
    assert trial.divergence is not None
    assert [(item.timing, item.divergence is None) for item in seen] == [(SECOND, True), (SECOND, False)]
    early = made.trial(plan(recipe=Recipe(preset="mixed")), BUDGET, lambda trial: "too slow")
    assert (early.problem, early.search, early.timing, early.divergence) == ("too slow", None, SECOND, None)
    assert entries(made, "trial") == []


def test_a_glance_is_of_a_part_and_can_be_completed(tmp_path: Path) -> None:
    made = played(tmp_path, splits=splits(1500))
    glanced = made.trial(EXACT, TIGHT, glance=True)
    assert glanced.search is not None
    assert glanced.search.samples == 256
    whole = made.rescored(glanced, TIGHT)
    assert whole.search is not None
    assert whole.search.samples == 750
    assert replace(whole, search=glanced.search) == glanced
    (value,) = entries(made, "trial")
    assert value["trial"] == whole.to_json()


# What is kept -----------------------------------------------------------------------------------------------------------


def test_the_profile_keeps_what_is_known_best(tmp_path: Path) -> None:
    made = played(tmp_path)
    trial = made.trial(plan(), BUDGET)
    assert trial.search is not None

    def kept(samples: int, heats: int) -> tuple[int, int]:
        score = replace(trial.search.main, samples=samples)  # type: ignore[union-attr]
        scores = replace(trial.search, all=(score,))  # type: ignore[type-var]
        made.record(replace(trial, search=scores, timing=replace(SECOND, heats=heats)))
        (value,) = entries(made, "trial")
        return value["trial"]["search"]["samples"], value["trial"]["timing"]["heats"]

    assert kept(60, 3) == (60, 3)
    assert kept(40, 3) == (60, 3)
    assert kept(60, 2) == (60, 3)
    assert kept(70, 3) == (70, 3)
    assert kept(50, 6) == (50, 6)


def test_trials_of_other_metrics_or_objectives_are_apart(tmp_path: Path) -> None:
    made = played(tmp_path)
    made.trial(plan(), BUDGET)
    here = made.instruments
    other = Scorer(here.models, resolve_metrics(["accuracy", "fidelity"]))
    both = Budget(Drop(0.3), others=(Limit("Fidelity", Drop(0.3)),))
    Workbench(Local(here.models, other, here.stopwatch)).trial(plan(), both)
    Workbench(Local(here.models, here.scorer, Played(here.models, "size"))).trial(plan(), BUDGET)
    assert [value["metrics"] for value in entries(made, "trial")] == [
        ["Accuracy"],
        ["Accuracy", "Fidelity"],
        ["Accuracy"],
    ]


def test_a_prediction_is_the_first_one(tmp_path: Path) -> None:
    made = bench(tmp_path)
    assert made.predicted(plan(), lambda: 0.7) == 0.7
    assert made.predicted(plan(), lambda: 0.3) == 0.7
    assert made.predicted(plan(recipe=Recipe(preset="mixed")), lambda: 0.3) == 0.3


def test_a_run_is_recorded_where_another_one_was_before(tmp_path: Path) -> None:
    made, other = bench(tmp_path), bench(tmp_path, "fidelity")
    made.begin()
    made.begin()
    (run,) = entries(made, "run")
    assert set(run) == set(COMPARABLE)
    assert run["metric"] == made.conditions.metric_key
    between = Workbench(Local(made.instruments.models, other.instruments.scorer, other.instruments.stopwatch))
    between.begin()
    made.begin()
    assert [run["metric"] for run in entries(made, "run")] == [
        made.conditions.metric_key,
        other.conditions.metric_key,
        made.conditions.metric_key,
    ]


# Budgets ----------------------------------------------------------------------------------------------------------------


def test_the_drop_that_is_allowed_is_in_the_unit_of_the_primary_metric(tmp_path: Path) -> None:
    made = bench(tmp_path)
    assert made.check_budget(Budget(Drop(0.02)), "search") == 0.02
    assert made.check_budget(Budget(Drop(0.5, relative=True)), "holdout") == 0.5
    assert made.check_budget(Budget(max_size_bytes=1), "search") == float("inf")


def rate(outputs: Any, targets: Any) -> Any:
    return np.asarray(outputs).argmax(1) == np.asarray(targets)


def half(outputs: Any, targets: Any) -> Any:
    return 0.5 + 0.5 * rate(outputs, targets)


def off(outputs: Any, targets: Any) -> Any:
    return 1.0 - rate(outputs, targets)


for function in (rate, half, off):
    function.per_sample = True  # type: ignore[attr-defined]
half.bounds = (0.5, 1.0)  # type: ignore[attr-defined]
off.higher_is_better = False  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("metric", "drop", "refused"),
    [
        ("accuracy", 1.0, True),
        ("accuracy", 0.99, False),
        # Scores of zero and one lie between these.
        (rate, 1.0, True),
        (rate, 0.99, False),
        (off, 1.0, True),
        (off, 0.99, False),
        (half, 0.5, True),
        (half, 0.49, False),
    ],
)
def test_a_drop_that_allows_every_score_is_refused(tmp_path: Path, metric: Any, drop: float, refused: bool) -> None:
    made = bench(tmp_path, metric)
    if not refused:
        assert made.check_budget(Budget(Drop(drop), worst_slice=Drop(drop)), "search") == drop
        return
    with pytest.raises(UsageError, match="--max-drop .* allows every score"):
        made.check_budget(Budget(Drop(drop)), "search")
    with pytest.raises(UsageError, match="--worst-slice .* allows every score"):
        made.check_budget(Budget(Drop(0.01), worst_slice=Drop(drop)), "search")


def test_so_is_one_of_a_further_metric(tmp_path: Path) -> None:
    budget = Budget(Drop(0.01), others=(Limit("Fidelity", Drop(1.0)),))
    with pytest.raises(UsageError, match="that Fidelity can have"):
        bench(tmp_path, ["accuracy", "fidelity"]).check_budget(budget, "search")
