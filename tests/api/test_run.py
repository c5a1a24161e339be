"""A run: which search it makes, what it writes at the end, and what it says of the model served with no properties."""

import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest

import ovquant
from ovquant.api.run import plain_notes, plainly, taught_notes
from ovquant.domain.budget import Budget, Drop
from ovquant.domain.plan import NormalForm, Plan
from ovquant.domain.profile import Profile
from ovquant.domain.recipe import Recipe
from ovquant.domain.result import Data
from ovquant.domain.sample import Sample
from ovquant.domain.split import shared
from ovquant.domain.table import UNROUNDED
from ovquant.domain.taught import Taught
from ovquant.domain.trial import Score, Scores, Timing, Trial
from ovquant.errors import ModelError, UnknownPluginError
from ovquant.graph.fingerprint import fingerprint, structure
from ovquant.plugins.strategies.first import First
from ovquant.runtime import capabilities
from ovquant.search.loop import Search
from tests.api.models import QUICK, linear, run_in, samples

BEGAN = time.monotonic()
"""When these tests were read: every run came later."""


def search(folder: Path, **how: Any) -> Search:
    return run_in(folder, **how).search(lambda trial: None)


# The search ------------------------------------------------------------------------------------------------------------


def test_recipes_that_were_asked_for_are_tried_as_they_are(tmp_path: Path) -> None:
    offer = search(tmp_path, recipes=["default", "ranges", "weights"], seed=4).offer
    assert offer.parts == ("default", "ranges", "weights")
    assert offer.alone == {"default", "ranges", "weights"}
    assert offer.free == {"ranges"}
    assert offer.seed == 4


def test_else_all_that_suit_the_model_are_offered(tmp_path: Path) -> None:
    offer = search(tmp_path).offer
    assert {"default", "mixed", "ranges", "ranges:estimator=histogram", "seven-bits", "weights"} <= set(offer.parts)
    # There is no convolution, whose biases could be corrected.
    assert "bias" not in offer.parts
    assert offer.alone == {part for part in offer.parts if part.partition(":")[0] == "weights"}
    assert offer.free == {"ranges", "ranges:estimator=histogram", "seven-bits"}


def test_a_decoder_that_generates_is_offered_weights_alone(tmp_path: Path) -> None:
    run = run_in(tmp_path)
    generating = replace(run, settings=replace(run.settings, optimize="next-token"))
    offer = generating.search(lambda trial: None).offer
    assert offer.opening == ("weights",)
    assert len(offer.parts) > 1
    assert all(part.startswith("weights") or part == UNROUNDED for part in offer.parts)
    asked = replace(run, settings=replace(generating.settings, recipes=("default",)))
    assert asked.search(lambda trial: None).offer.parts == ("default",)


def test_what_is_to_be_small_is_offered_weights_alone_where_they_may_have_four_bits(tmp_path: Path) -> None:
    run = run_in(tmp_path)
    small = replace(run, settings=replace(run.settings, optimize="size"))
    offer = small.search(lambda trial: None).offer
    assert offer.opening == ("weights",)
    assert all(part.startswith("weights") or part == UNROUNDED for part in offer.parts)
    # A limit of latency may need more than smaller weights.
    limited = replace(small, budget=replace(run.budget, max_latency_ms=5.0))
    assert "mixed" in limited.search(lambda trial: None).offer.parts


def test_the_opening_is_what_is_likely_to_be_best_here(tmp_path: Path) -> None:
    # One matrix product is all there is: nothing could be left in float, as for a transformer.
    likely = {"mixed", "ranges:estimator=histogram"}
    assert set(search(tmp_path).offer.opening) == likely
    assert set(search(tmp_path, processors="any").offer.opening) == likely | {"seven-bits"}
    assert search(tmp_path, recipes=["default"]).offer.opening == ()


def test_parts_are_joined_to_a_recipe_that_keeps_what_was_asked_for(tmp_path: Path) -> None:
    read = search(tmp_path, keep_float=["head", "MatMul"]).read
    expected = Recipe(
        preset="mixed",
        bias_correction="accurate",
        keep_float_types=("MatMul",),
        keep_float_names=("head",),
        graph="normalised",
    )
    assert read(("mixed", "bias")) == read(("mixed+bias",)) == expected


def test_a_search_ends_as_it_was_asked_to(tmp_path: Path) -> None:
    bounded = search(tmp_path, begin=100.0, time_budget=5.0, max_trials=7, pareto=True, strategy="first")
    assert (bounded.until, bounded.most_trials, bounded.pareto) == (105.0, 7, True)
    assert bounded.strategy == First()
    endless = search(tmp_path, begin=100.0)
    assert (endless.until, endless.most_trials, endless.pareto) == (float("inf"), None, False)


def test_trials_and_the_best_of_them_are_shown(tmp_path: Path) -> None:
    shown: list[Trial] = []
    best: list[Trial] = []
    run = run_in(tmp_path, **QUICK)
    made = run.search(shown.append, best.append)
    assert made.bench is run.bench
    assert made.budget is run.budget
    made.explore()
    assert [trial.plan.name for trial in shown] == ["float", "default"]
    assert [trial.plan.name for trial in best] == ["default"]


# The end ---------------------------------------------------------------------------------------------------------------


def test_the_result_says_what_it_was_made_from(found: ovquant.Result, net: Path) -> None:
    origin = found.provenance
    model = openvino.Core().read_model(net)
    assert (origin.model_name, origin.friendly_name, origin.model_source) == ("linear", "linear", str(net.resolve()))
    assert (origin.model_fingerprint, origin.model_structure) == (fingerprint(model), structure(model))
    assert (origin.objective, origin.batch, origin.seed, origin.metrics) == ("size", 1, 3, ("accuracy",))
    assert (origin.slice_by, origin.group_by, origin.input_shape, origin.torch_weights) == ("", "", "", "")
    assert origin.command == "ovquant quantize linear.xml"
    assert origin.device["full_name"] == capabilities("CPU").full_name
    assert {role: data.samples for role, data in origin.data.items()} == {
        "search": 100,
        "holdout": 100,
        "calibration": 100,
    }
    assert origin.served["device"] == "CPU"
    assert origin.served["PERFORMANCE_HINT"] == "LATENCY"
    assert 0 < origin.seconds < time.monotonic() - BEGAN


def test_the_result_is_what_the_search_came_to(found: ovquant.Result) -> None:
    assert (found.verdict, found.plan.name, found.metric, found.higher_is_better) == (
        "met",
        "default",
        "Accuracy",
        True,
    )
    assert [trial.plan.name for trial in found.trials] == ["default"]
    assert found.walked == (found.trial,)
    # How the normal form came about is in the plan that is kept as a file.
    assert found.plan.normal == NormalForm(version("openvino"))
    assert found.trials[0].plan.normal is None
    assert found.baseline.plan.is_float
    assert (found.front, found.plain, found.candidate) == ((), None, None)
    assert found.budget == Budget(Drop(0.1, relative=True), metric="Accuracy")


def test_the_samples_of_every_role_are_kept_in_the_profile(found: ovquant.Result) -> None:
    known = {
        key["fingerprint"]: bytes.fromhex(value)
        for key, value in Profile(found.folder / "profile.jsonl").entries("samples")
    }
    search, holdout = (found.provenance.data[role] for role in ("search", "holdout"))
    assert set(known) == {search.fingerprint, holdout.fingerprint}
    assert found.provenance.data["calibration"] == search
    assert shared(known[search.fingerprint], known[holdout.fingerprint]) == 0
    assert search == Data(100, search.fingerprint)


def by_sign(sample: Sample) -> str:
    return "up" if np.asarray(sample.inputs)[0] > 0 else "down"


def thirds(sample: Sample) -> int:
    return int(np.asarray(sample.inputs)[1] * 30)


def test_what_slices_and_groups_is_said() -> None:
    budget = {"max_drop": "50%", "worst_slice": "60pt"}
    made = ovquant.quantize(
        linear(), data=samples(120), metric="accuracy", **budget, slice_by=by_sign, group_by=thirds, batch=2, **QUICK
    )
    origin = made.provenance
    assert (origin.slice_by, origin.group_by) == ("by_sign()", "thirds()")
    assert (origin.batch, origin.model_source) == (2, "")
    assert made.trial.holdout is not None
    assert {score.slice for score in made.trial.holdout.all} == {"", "up", "down"}
    columned = ovquant.quantize(linear(), data=samples(120), metric="accuracy", **budget, slice_by="target", **QUICK)
    assert columned.provenance.slice_by == "target"


def test_the_front_is_saved_plan_by_plan(tmp_path: Path) -> None:
    how = {**QUICK, "recipes": ["default", "weights"], "pareto": True, "output": tmp_path / "out"}
    made = ovquant.quantize(linear(), data=samples(120), metric="accuracy", max_drop="50%", **how)
    assert [trial.plan.name for trial in made.front] == ["default"]
    assert [path.name for path in (tmp_path / "out" / "pareto").iterdir()] == ["01"]
    place = tmp_path / "out" / "pareto" / "01"
    assert Plan.load(place / "plan.json").key == made.front[0].plan.key
    assert (place / "model.bin").read_bytes() == (tmp_path / "out" / "model.bin").read_bytes()
    assert not (tmp_path / "out" / "candidate").exists()


def constant(outputs: Any, targets: Sequence[Any]) -> Any:
    return np.full(len(targets), 0.5)


constant.per_sample, constant.bounds = True, (0.0, 1.0)  # type: ignore[attr-defined]


def test_what_may_well_be_asked_for_is_kept_beside_float(tmp_path: Path) -> None:
    how = {**QUICK, "confidence": 0.95, "output": tmp_path / "out"}
    made = ovquant.quantize(linear(), data=samples(60) * 2, metric=constant, max_drop=0.001, **how)
    assert (made.verdict, made.plan.is_float) == ("inconclusive", True)
    assert made.candidate is not None
    assert Plan.load(made.folder / "candidate" / "plan.json").key == made.candidate.plan.key
    kinds = {
        node.get_type_name() for node in openvino.Core().read_model(made.folder / "candidate" / "model.xml").get_ops()
    }
    assert "FakeQuantize" in kinds
    assert "FakeQuantize" not in {node.get_type_name() for node in made.model.get_ops()}
    # What is to be known of the data comes first, then what the search found.
    assert "held-out samples are copies" in made.notes[0]
    assert any("may well be inside" in note for note in made.notes[1:])


# With no properties ----------------------------------------------------------------------------------------------------


def test_properties_that_change_nothing_are_not_measured_again(found: ovquant.Result) -> None:
    assert found.plain is None
    assert ovquant.Result.load(found.folder).plain is None


def test_properties_that_change_something_are(tmp_path: Path) -> None:
    properties = {"EXECUTION_MODE_HINT": "ACCURACY"}
    how = {**QUICK, "properties": properties, "output": tmp_path / "out"}
    made = ovquant.quantize(linear(), data=samples(120), metric="fidelity:by=cosine", max_drop=0.1, **how)
    assert made.plain is not None
    assert made.plain.holdout is not None
    assert made.plain.timing is not None
    assert (made.plain.search, dict(made.plain.plan.properties)) == (None, {})
    assert made.plain.plan.name == "default, compiled with no properties"
    assert made.plain.holdout.samples == made.provenance.data["holdout"].samples
    assert ovquant.Result.load(made.folder).plain == made.plain
    assert any("Compiled with no properties it loses" in note and "compile.json" in note for note in made.notes)


def test_a_model_that_needs_its_properties_is_a_trial_with_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = run_in(tmp_path).bench

    def served(plan: Plan) -> dict[str, str]:
        if not plan.properties:
            raise ModelError("No kernel.")
        return {}

    monkeypatch.setattr(bench.instruments, "served", served)
    found = plainly(bench, Trial(bench.conditions.float_plan), Budget(Drop(0.1)))
    assert found is not None
    assert (found.problem, found.holdout, found.timing) == ("No kernel.", None, None)


@pytest.mark.parametrize(
    ("excess", "problem", "said"),
    [
        (0.01, "", "outside the budget"),
        (-0.01, "", "loses 0.02 in accuracy, at 2.00× float's speed"),
        (0.0, "No kernel.", "cannot be served: No kernel."),
    ],
)
def test_a_plain_compilation_that_breaks_the_budget_is_said(excess: float, problem: str, said: str) -> None:
    lost = Score("holdout", 0.9, 0.92, 0.02, excess, 100, metric="accuracy")
    timing = Timing(1, 1, 2, 2, 0.5, 0.4, 0.6, 10)
    chosen = Trial(Plan(), holdout=Scores((Score("holdout", 0.92, 0.92, 0.0, -0.01, 100),)))
    plain = Trial(Plan(), problem=problem) if problem else Trial(Plan(), holdout=Scores((lost,)), timing=timing)
    (note,) = plain_notes(plain, chosen)
    assert said in note
    assert note.endswith("Compile it with the properties in compile.json, or with ovquant.Core.")


def test_one_that_was_outside_anyway_is_only_compared() -> None:
    scores = Scores((Score("holdout", 0.9, 0.92, 0.02, 0.01, 100),))
    plain = Trial(Plan(), holdout=scores, timing=Timing(1, 1, 2, 2, 0.5, 0.4, 0.6, 10))
    (note,) = plain_notes(plain, Trial(Plan(), holdout=scores))
    assert "float's speed" in note
    assert "outside" in plain_notes(plain, Trial(Plan()))[0]
    assert plain_notes(None, Trial(Plan())) == []


def test_the_result_has_what_its_report_shows(found: ovquant.Result) -> None:
    (operation,) = found.operations
    assert (operation.name, operation.planned) == ("head", "int8")
    assert operation.micros is not None
    holdout = found.trial.holdout
    assert holdout is not None
    lost = [sample for sample in found.lost if sample.float_score > sample.score]
    assert lost == list(found.lost)
    assert len(lost) >= round(holdout.drop * holdout.samples)


def test_what_samples_hold_can_be_kept_out(folder: Path) -> None:
    def applied(output: Path, **how: Any) -> ovquant.Result:
        data = samples(120, seed=3)
        path = folder / "plan.json"
        return ovquant.apply(path, linear(), data=data, metric="accuracy", max_drop=0.9, output=output, **how)

    shown = applied(folder / "shown")
    hidden = applied(folder / "hidden", show_samples=False)
    assert shown.lost
    assert hidden.lost == tuple(sample.hidden for sample in shown.lost)
    assert all(sample.values and not kept.values for sample, kept in zip(shown.lost, hidden.lost, strict=True))
    told = ("What they hold was kept out of this page", "mind who sees this page")
    pages = [(result.folder / "report.html").read_text("utf-8") for result in (shown, hidden)]
    assert [[text in page for text in told] for page in pages] == [[False, True], [True, False]]
    fresh = samples(120, seed=8)
    again = ovquant.refresh(hidden.folder, data=fresh, metric="accuracy", max_drop=0.9, reference=linear())
    assert all(not sample.values for sample in again.lost)


def test_what_only_a_report_shows_costs_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no counters here")

    monkeypatch.setattr("ovquant.measure.instruments.timed_operations", broken)
    made = ovquant.quantize(linear(), data=samples(120), metric="accuracy", max_drop="20%", **QUICK)
    assert made.verdict == "met"
    assert (made.operations, made.lost) == ((), ())
    assert any("could not be measured: no counters here" in note for note in made.notes)


# Training ---------------------------------------------------------------------------------------------------------------


def test_a_search_may_train_where_it_is_asked_to(tmp_path: Path) -> None:
    assert search(tmp_path).offer.training == ""
    found = search(tmp_path, train=90.0)
    assert found.offer.training == "train:trainer=end-to-end,seconds=90"
    recipe = found.read(("weights:bits=4,group_size=64", found.offer.training))
    assert (recipe.trainer, recipe.train_seconds, recipe.weight_bits) == ("end-to-end", 90.0, 4)
    with pytest.raises(UnknownPluginError, match="no trainers plugin 'by-blocks'. Did you mean by-block?"):
        search(tmp_path, train=90.0, trainer="by-blocks")


FOUR = Recipe(algorithm="weights", weight_bits=4, group_size=64)
LEARNED = replace(FOUR, trainer="end-to-end", train_seconds=60.0)
TAUGHT = Taught("end-to-end", "a", "b", 90, 0, 60.0, 1e-3, 20, 20, 0.4, 0.2, ((0, 0.4), (20, 0.2)), 2, {})


def measured(recipe: Recipe, drop: float) -> Trial:
    score = Score("search", 1.0 - drop, 1.0, drop, 0.1, 50)
    return Trial(Plan("int4", recipe), search=Scores((score,)))


def test_the_result_says_what_training_gained() -> None:
    chosen = Trial(Plan("int4", LEARNED, taught=TAUGHT))
    (note,) = taught_notes(chosen, [measured(FOUR, 0.3), measured(LEARNED, 0.02)], asked=True)
    assert note.startswith("Its numbers were trained by end-to-end for up to 60 s: outputs are 0.2 from float's")
    assert note.endswith("On the search data all in int4 lost 0.02, and 0.3 untrained.")


def test_where_nothing_was_trained_or_it_was_of_no_use_it_says_so() -> None:
    chosen = Trial(Plan("int4", FOUR))
    assert taught_notes(chosen, [measured(FOUR, 0.3)], asked=False) == []
    (none,) = taught_notes(chosen, [measured(FOUR, 0.3)], asked=True)
    assert none.startswith("Nothing was trained: no plan in four bits")
    (worse,) = taught_notes(chosen, [measured(LEARNED, 0.4)], asked=True)
    assert worse == "int4 weights (groups of 64, trained) was not returned; it is no better than what was."
    failed = replace(measured(LEARNED, 0.4), search=None, problem="9 samples are too few to train on")
    (why,) = taught_notes(chosen, [failed], asked=True)
    assert why.endswith("was not returned: 9 samples are too few to train on")
