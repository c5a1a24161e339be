"""The end of a search: which plans are walked on the holdout, in which order, and what is returned and said."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ovquant.domain.budget import Budget, Drop
from ovquant.domain.plan import Plan
from ovquant.domain.profile import Profile
from ovquant.domain.sample import Sample
from ovquant.domain.split import Splits, whole
from ovquant.domain.table import Candidate
from ovquant.domain.trial import Score, Scores, Timing, Trial
from ovquant.errors import UsageError
from ovquant.search.holdout import Walk, lost, not_shown, undecided, why_not
from ovquant.search.loop import Search
from ovquant.search.standings import Offer, Standings
from tests.search.played import PARTS, RATIOS, Scripted, confident, search
from tests.search.trials import CANDIDATE, judge, trial


def test_the_walk_goes_from_the_safest_to_the_fastest_and_returns_the_last_that_held(tmp_path: Path) -> None:
    hunt, walked = search(tmp_path, ratios={"weights": 0.9, "mixed": 0.6, "default": 0.5})
    outcome = hunt.run()
    assert walked[0] == "weights"
    assert walked[-1] == "default"
    assert (outcome.verdict, outcome.chosen.plan.name) == ("met", "default")


def test_the_walk_stops_at_the_first_failure(tmp_path: Path) -> None:
    drops = {"mixed": 0.5, "default": 0.5}
    hunt, walked = search(tmp_path, ratios={"weights": 0.9, "mixed": 0.6, "default": 0.5}, holdout_drops=drops)
    outcome = hunt.run()
    assert len(walked) == 2
    assert (outcome.verdict, outcome.chosen.plan.name) == ("met", "weights")


@pytest.mark.parametrize(
    ("search_drops", "confidence", "expected"),
    [
        ({"weights": 0.05, "default": 0.02}, None, ["weights", "default"]),
        # What lost as much, or more, is no better than what failed.
        ({"weights": 0.05, "default": 0.05}, None, ["weights"]),
        ({"weights": 0.05, "default": 0.06}, None, ["weights"]),
        # A proof goes by the order alone.
        ({"weights": 0.05, "default": 0.02}, 0.95, ["weights"]),
    ],
)
def test_a_failure_says_nothing_of_what_lost_less_on_the_search_split(
    tmp_path: Path, search_drops: dict[str, float], confidence: float | None, expected: list[str]
) -> None:
    how: dict[str, Any] = {"ratios": RATIOS, "holdout_drops": {"weights": 0.5}, "search_drops": search_drops}
    hunt, walked = search(tmp_path, **how)
    outcome = replace(hunt, budget=Budget(Drop(0.1), confidence=confidence)).run()
    assert [name for name in walked if name != "float"] == expected
    assert outcome.verdict == ("met" if len(expected) > 1 else "float")


def test_a_slower_plan_never_replaces_a_safer_faster_one(tmp_path: Path) -> None:
    hunt, walked = search(tmp_path, ratios={"weights": 0.4, "mixed": 0.6, "default": 0.5})
    assert hunt.run().chosen.plan.name == "weights"
    assert walked == ["weights"]


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
    hunt, _ = search(tmp_path, Scripted((Candidate(("default",)),)), ratios={"default": 0.86})
    slow = Timing(1.05, 1.05, 1.0, 1.0, 1.05, 1.03, 1.07, 50, 32, 0.4)
    hunt.bench.instruments.stopwatch.final_race = lambda plans, *rest: [slow for _ in plans]  # type: ignore[method-assign]
    outcome = hunt.run()
    assert outcome.verdict == "float"
    assert any(
        "int8 is inside the budget" in note and "1.050 (1.030 to 1.070)" in note and "40%" in note
        for note in outcome.notes
    )


def test_the_first_failure_leaves_float(tmp_path: Path) -> None:
    drops = dict.fromkeys(PARTS, 0.5)
    hunt, walked = search(tmp_path, ratios={"weights": 0.9, "mixed": 0.6, "default": 0.5}, holdout_drops=drops)
    assert hunt.run().verdict == "float"
    assert [name for name in walked if name != "float"] == ["weights"]


def test_with_a_confidence_only_what_is_proven_is_returned(tmp_path: Path) -> None:
    hunt, walked = search(tmp_path, ratios=RATIOS, holdout_drops={"default": 0.095})
    outcome = confident(hunt).run()
    assert walked == ["weights", "default"]
    assert (outcome.verdict, outcome.chosen.plan.name) == ("met", "weights")
    assert outcome.chosen.holdout is not None
    assert outcome.chosen.holdout.certified
    assert any("int8 may well be inside" in note and "500 samples" in note for note in outcome.notes)


def test_where_nothing_is_proven_the_verdict_is_inconclusive(tmp_path: Path) -> None:
    hunt, walked = search(tmp_path, ratios=RATIOS, holdout_drops={"weights": 0.095})
    outcome = confident(hunt).run()
    assert walked[0] == "weights"
    assert (outcome.verdict, outcome.chosen.plan.name) == ("inconclusive", "float")


def test_a_verdict_of_float_names_the_tightest_budget_within_reach(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path / "sure", ratios=RATIOS, holdout_drops={"weights": 0.3})
    outcome = confident(hunt).run()
    assert outcome.verdict == "float"
    assert any("surely holds" in note and "0.31 in accuracy (int8 weights)" in note for note in outcome.notes)
    hunt, _ = search(tmp_path / "points", ratios=RATIOS, holdout_drops={"weights": 0.3})
    assert any("int8 weights, lost 0.3 in accuracy on the holdout" in note for note in hunt.run().notes)
    hunt, _ = search(tmp_path / "none", ratios=RATIOS)
    outcome = replace(hunt, budget=Budget(Drop(0.0), floor=1.1)).run()
    assert any("tightest budget within reach" in note for note in outcome.notes)


def test_a_second_look_at_a_holdout_is_stricter_and_said(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, ratios=RATIOS)
    first = confident(hunt).run()
    second = replace(confident(hunt), strategy=Scripted((Candidate(("weights",)),)), notes=[]).run()
    levels = [outcome.walked[0].holdout.main.level for outcome in (first, second) if outcome.walked[0].holdout]
    assert levels == [pytest.approx(0.025), pytest.approx(0.0125)]
    assert any("use 2 of these held-out samples" in note for note in second.notes)
    assert not any("use 1" in note for note in first.notes)


# What is raced ----------------------------------------------------------------------------------------------------------


def raced(hunt: Search) -> list[tuple[list[str], float, int | None]]:
    """Return a list of what is raced in the end: the plans, until when, and how many of them decide."""
    seen: list[tuple[list[str], float, int | None]] = []
    final_race = hunt.bench.instruments.stopwatch.final_race

    def recorded(plans: Sequence[Plan], until: float, deciding: int | None, *rest: Any) -> list[Timing]:
        seen.append(([plan.name for plan in plans], until, deciding))
        return final_race(plans, until, deciding, *rest)

    hunt.bench.instruments.stopwatch.final_race = recorded  # type: ignore[method-assign]
    return seen


def test_the_plans_that_may_be_returned_decide_how_long_the_race_is(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path / "both", ratios={"weights": 0.995, "mixed": 0.8, "default": 0.7})
    seen = raced(hunt)
    hunt.run()
    ((plans, until, deciding),) = seen
    assert plans[-1] == "weights"
    assert set(plans[:-1]) <= {"mixed", "default"}
    assert (until, deciding) == (hunt.until, len(plans) - 1)
    hunt, _ = search(tmp_path / "open", ratios={"weights": 0.995, "mixed": 1.1, "default": 1.1})
    seen = raced(hunt)
    hunt.run()
    assert seen == [(["weights"], float("inf"), 1)]


@pytest.mark.parametrize(("ratio", "verdict"), [(0.995, "inconclusive"), (1.005, "float")])
def test_what_the_race_shows_to_be_no_faster_is_no_candidate(ratio: float, verdict: str, tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, ratios={"weights": 0.995, "mixed": 1.1, "default": 1.1})
    timing = Timing(ratio, ratio, 1.0, 1.0, ratio, ratio - 0.01, ratio + 0.01, 50)
    hunt.bench.instruments.stopwatch.final_race = lambda plans, *how: [timing for _ in plans]
    outcome = hunt.run()
    assert outcome.verdict == verdict
    assert (outcome.candidate is None) is (verdict == "float")


def test_where_nothing_may_be_faster_nothing_is_raced(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, ratios={"weights": 1.2, "mixed": 1.1, "default": 1.0})
    seen = raced(hunt)
    hunt.run()
    assert seen == []


def test_a_size_needs_no_race(tmp_path: Path) -> None:
    hunt, walked = search(tmp_path)
    hunt.bench.instruments.stopwatch.objective = "size"
    traits, seen = hunt.bench.instruments.traits, raced(hunt)

    def sized(plan: Plan, **how: Any) -> dict[str, Any]:
        return {**traits(plan, **how), "size_bytes": 100 if plan.is_float else 50}

    hunt.bench.instruments.traits = sized  # type: ignore[method-assign]
    outcome = hunt.run()
    assert (outcome.verdict, walked) == ("met", [outcome.chosen.plan.name])
    assert seen == []


def test_the_race_decides_who_is_walked(tmp_path: Path) -> None:
    """The first look at the clock says one thing, and the last race another."""
    hunt, walked = search(tmp_path, ratios=RATIOS)
    slow = {"weights": 0.9, "mixed": 1.5, "default": 1.5}

    def final_race(plans: Sequence[Plan], *_: Any) -> list[Timing]:
        ratios = [slow[plan.name] for plan in plans]
        return [Timing(ratio, ratio, 1.0, 1.0, ratio, ratio - 0.01, ratio + 0.01, 50) for ratio in ratios]

    hunt.bench.instruments.stopwatch.final_race = final_race  # type: ignore[method-assign]
    outcome = hunt.run()
    assert (outcome.chosen.plan.name, walked) == ("weights", ["weights"])
    assert outcome.chosen.timing is not None
    assert {item.plan.name: item.timing.ratio for item in outcome.trials if item.timing}["default"] == 1.5


@dataclass
class Rescoring:
    """A workbench that is only asked to score further, and notes whom."""

    better: bool = False
    asked: list[str] = field(default_factory=list)

    def rescored(self, scored: Trial, budget: Budget) -> Trial:
        self.asked.append(scored.plan.name)
        return replace(scored, seconds=1.0) if self.better else scored


def many(count: int) -> Standings:
    """Return standings of so many plans, each faster and further from float than the one before."""
    plans = [trial(f"plan {place}", ratio=0.9 - place / 20, divergence=place / 10) for place in range(count)]
    made = Standings(judge(drop=0.01), Offer(()))
    for item in plans:
        made.trials[Candidate((item.plan.name,))] = replace(
            item, plan=replace(item.plan, layers={item.plan.name: "f32"})
        )
    return made


def test_at_most_four_that_are_evenly_spread_are_finalists() -> None:
    bench = Rescoring()
    walk = Walk(bench, many(7), [])  # type: ignore[arg-type]
    assert not walk.settle()
    assert bench.asked == ["plan 0", "plan 2", "plan 4", "plan 6"]


def test_it_is_told_whether_any_was_scored_further() -> None:
    walk = Walk(Rescoring(better=True), many(2), [])  # type: ignore[arg-type]
    assert walk.settle()
    assert [item.seconds for item in walk.standings.trials.values()] == [1.0, 1.0]
    assert not walk.settle()


# Float ------------------------------------------------------------------------------------------------------------------


SLOW = {"weights": 1.2, "mixed": 1.1, "default": 1.1}


@pytest.mark.parametrize(
    ("drops", "limit", "verdict", "name"),
    [
        ({}, 2.0, "float", "float"),
        ({"float": 0.5}, 2.0, "float", "float-f32"),
        ({"float": 0.5, "float-f32": 0.5}, 2.0, "infeasible", "float-f32"),
        ({}, 0.9, "infeasible", "float"),
        ({"float": 0.5}, 0.9, "infeasible", "float-f32"),
    ],
)
def test_float_is_returned_as_it_is_served_or_in_f32(
    tmp_path: Path, drops: dict[str, float], limit: float, verdict: str, name: str
) -> None:
    hunt, _ = search(tmp_path, ratios=SLOW, holdout_drops=drops)
    outcome = replace(hunt, budget=Budget(Drop(0.1), max_latency_ms=limit)).run()
    assert (outcome.verdict, outcome.chosen.plan.name, outcome.walked) == (verdict, name, ())
    assert outcome.chosen.holdout is not None


def test_even_where_float_breaks_the_budget_a_plan_that_holds_it_is_kept(tmp_path: Path) -> None:
    drops = {"float": 0.5, "float-f32": 0.5}
    hunt, _ = search(tmp_path, ratios={**SLOW, "weights": 0.995}, holdout_drops=drops)
    outcome = hunt.run()
    assert outcome.verdict == "infeasible"
    assert outcome.candidate is not None
    assert outcome.candidate.plan.name == "weights"


def test_the_floor_is_shown_beside_what_float_scores(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, ratios=SLOW)
    notes = replace(hunt, budget=Budget(Drop(0.1), floor=0.5)).run().notes
    assert "Float itself scores 1 on the holdout; the floor is 0.5." in notes


# Limits alone -----------------------------------------------------------------------------------------------------------


def limited(tmp_path: Path, limit: float, **how: Any) -> tuple[Any, list[str]]:
    hunt, walked = search(tmp_path, ratios=RATIOS, **how)
    return replace(hunt, budget=Budget(max_latency_ms=limit)).run(), walked


def test_of_what_fits_the_limits_the_nearest_to_float_is_returned(tmp_path: Path) -> None:
    outcome, walked = limited(tmp_path, 0.7)
    fitting = [item for item in outcome.trials if item.plan.name in ("mixed", "default")]
    nearest = min(fitting, key=lambda item: (max(0.0, item.search.drop), item.divergence))
    assert (outcome.verdict, outcome.chosen.plan.name) == ("met", nearest.plan.name)
    assert [item.plan.name for item in outcome.walked] == [nearest.plan.name]
    assert [name for name in walked if not name.startswith("float")] == [nearest.plan.name]


def test_where_float_fits_it_is_float(tmp_path: Path) -> None:
    outcome, walked = limited(tmp_path, 1.0)
    assert (outcome.verdict, outcome.chosen.plan.name, outcome.walked) == ("float", "float", ())
    assert (walked, outcome.trials) == (["float"], ()), "nothing is nearer to float than float"


def test_where_nothing_fits_or_what_fits_fails_it_is_infeasible(tmp_path: Path) -> None:
    outcome, walked = limited(tmp_path / "none", 0.4)
    assert (outcome.verdict, outcome.walked) == ("infeasible", ())
    assert outcome.notes[-1:] == (
        "The fastest of all that was measured, int8, takes 0.5 ms: about that is the tightest --max-latency within reach.",
    )
    assert set(walked) == {"float", "float-f32"}
    outcome, _ = limited(tmp_path / "failed", 0.55, holdout_drops={"default": 0.5})
    assert outcome.verdict == "infeasible"
    assert [item.plan.name for item in outcome.walked] == ["default"]


def test_a_plan_that_is_too_slow_in_the_last_race_is_not_returned(tmp_path: Path) -> None:
    hunt, walked = search(tmp_path, ratios=RATIOS)
    slow = Timing(0.8, 0.8, 1.0, 1.0, 0.8, 0.79, 0.81, 50)
    hunt.bench.instruments.stopwatch.final_race = lambda plans, *rest: [slow for _ in plans]  # type: ignore[method-assign]
    assert replace(hunt, budget=Budget(max_latency_ms=0.7)).run().verdict == "infeasible"
    assert set(walked) == {"float", "float-f32"}


def remembering(hunt: Search, **taken: int | None) -> Search:
    """Return a search limited to 60 bytes of memory, in which plans take so many by name, others 50."""
    hunt.bench.instruments.footprint = lambda plan: taken.get(plan.name, 50)  # type: ignore[method-assign]
    return replace(hunt, budget=Budget(Drop(0.1), max_memory_bytes=60))


def test_a_plan_that_takes_too_much_memory_is_not_returned(tmp_path: Path) -> None:
    hunt, walked = search(tmp_path, ratios=RATIOS)
    outcome = remembering(hunt, default=61).run()
    assert (outcome.verdict, outcome.chosen.plan.name) == ("met", "mixed")
    assert "default" not in walked
    (note,) = [note for note in outcome.notes if "of memory" in note]
    assert note.endswith("takes 6.1e-05 MB of memory, and 6e-05 MB are allowed.")


def test_where_nothing_fits_the_memory_the_least_is_told(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, ratios=RATIOS)
    taken = {"float": 90, "float-f32": 90, "default": 80, "mixed": 70, "weights": 75}
    outcome = remembering(hunt, **taken).run()
    assert outcome.verdict == "infeasible"
    (note,) = [note for note in outcome.notes if "--max-memory" in note]
    assert "takes the least memory when served, 7e-05 MB" in note


def test_memory_that_cannot_be_measured_is_not_promised(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, ratios=RATIOS)
    with pytest.raises(UsageError, match="needs a process of its own"):
        remembering(hunt, float=None).run()


def test_the_tightest_size_is_said_too(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path)
    outcome = replace(hunt, budget=Budget(Drop(0.1), max_size_bytes=1000)).run()
    smallest = min(trial.size_bytes for trial in (outcome.baseline, *outcome.trials) if trial.size_bytes)
    (note,) = [note for note in outcome.notes if "--max-size" in note]
    assert f"has {smallest / 1e6:.3g} MB: that is the tightest --max-size within reach" in note
    assert outcome.verdict == "infeasible"


# The whole front --------------------------------------------------------------------------------------------------------


def test_the_front_is_of_all_that_is_cheaper_than_float_whatever_the_budget(tmp_path: Path) -> None:
    drops = dict.fromkeys(PARTS, 0.5)
    hunt, _ = search(tmp_path, ratios={**RATIOS, "mixed": 1.1}, holdout_drops=drops)
    outcome = replace(hunt, pareto=True).run()
    assert outcome.verdict == "float"
    assert [item.plan.name for item in outcome.front] == ["weights", "default"]
    assert [item.holdout.drop for item in outcome.front if item.holdout] == [0.5, 0.5]
    assert hunt.run().front == ()


def test_where_nothing_is_cheaper_there_is_none(tmp_path: Path) -> None:
    hunt, _ = search(tmp_path, ratios=SLOW)
    assert replace(hunt, pareto=True).run().front == ()


def test_at_most_eight_of_a_front_are_shown() -> None:
    walk = Walk(held(), many(12), [])
    walk.standings.judge = replace(walk.standings.judge, objective="size")
    for place, (candidate, item) in enumerate(walk.standings.trials.items()):
        walk.standings.trials[candidate] = replace(item, size_bytes=90 - place)
    names = [item.plan.name for item in walk.whole_front()]
    assert len(names) == 8
    assert (names[0], names[-1]) == ("plan 0", "plan 11")


def held() -> Any:
    """Return a workbench whose holdout was never used, and on which every plan holds."""
    data = whole([Sample(np.full(2, place)) for place in range(2)])
    scores = Scores((Score("holdout", 0.9, 0.9, 0.0, -0.01, 100),))
    conditions = SimpleNamespace(splits=Splits(data, data, data))
    instruments = SimpleNamespace(score=lambda *_, **__: scores)
    return SimpleNamespace(profile=Profile(), conditions=conditions, instruments=instruments, timed=lambda trial: trial)


# What is said -----------------------------------------------------------------------------------------------------------


def part(drop: float, excess: float, **more: Any) -> Score:
    return Score("holdout", 0.9, 0.9 + drop, drop, excess, 1500, **{"metric": "accuracy", **more})


def test_what_was_lost_is_said_of_each_metric_and_of_the_worst_slice() -> None:
    slices = [part(0.3, -0.1, slice="a"), part(0.2, 0.05, slice="b")]
    scores = Scores((part(0.012, -0.01), part(0.5, 0.1, metric="wer"), *slices))
    assert lost(scores) == "0.012 in accuracy and 0.5 in wer and 0.2 in accuracy of slice b"
    assert lost(Scores((part(0.012, -0.01),))) == "0.012 in accuracy"


def test_what_would_decide_is_said_of_what_does_not_hold() -> None:
    made = trial("mixed")
    sure, open_ = (part(0.01, -0.01, level=0.05, p_value=value, needed=4000) for value in (0.01, 0.2))
    said = undecided(made, Scores((sure, replace(open_, metric="wer"))))
    assert said == (
        "int8 may well be inside the budget, but is not proven to be: wer. About 4,000 samples for wer, of which there are "
        "1,500 would decide."
    )
    assert undecided(made, Scores((replace(open_, needed=None),))).endswith("not proven to be: accuracy.")


def test_a_speed_that_is_not_shown_is_said_with_its_interval() -> None:
    timing = Timing(9.9, 11, 10, 11, 0.99, 0.97, 1.01, 100, 8, 0.2)
    assert not_shown(replace(trial("mixed"), timing=timing)).startswith(
        "int8 holds the budget, and takes 0.990 (0.970 to 1.010) of float's time over 8 compilations, while other work had "
        "20% of the processors: that it is faster is not shown."
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"search": None, "problem": "No kernel."}, "could not be measured again: No kernel."),
        ({"timing": None, "problem": "No time."}, "could not be measured again: No time."),
        ({"drop": 0.03}, "looked inside the budget on 100 samples; on 100 of the search split it lost 0.03 in"),
        (
            {"ratio": 0.995},
            "is inside the budget on the search split, and takes 0.995 (0.985 to 1.005) of float's time",
        ),
        ({"ratio": 0.99}, "and takes 0.990 (0.980 to 1.000) of float's time"),
        ({"ratio": 0.9}, "was not walked: another plan is as fast and nearer to float."),
    ],
)
def test_why_a_plan_was_not_walked_is_said(changes: dict[str, Any], said: str) -> None:
    before, made = trial("mixed"), {name: changes[name] for name in ("drop", "ratio") if name in changes}
    now = replace(trial("mixed", **made), **{name: value for name, value in changes.items() if name not in made})
    note = why_not(before, now, judge(drop=0.01).row(CANDIDATE, now))
    assert note.startswith("int8 ")
    assert said in note
