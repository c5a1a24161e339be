"""Trials as a judge sees them: who is inside, who is best, who is on the front, and what a strategy may know."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from ovquant.domain.table import Candidate, LayerRow, PairRow, TrialRow, failed_row
from ovquant.domain.trial import Trial
from ovquant.search.judge import Judge
from ovquant.search.standings import Judged, Offer, Standings, front, spread
from tests.search.trials import CANDIDATE, judge, trial

OFFER = Offer(("a", "b"), frozenset({"b"}), frozenset({"a"}), 7)


def standings(*trials: Trial, by: Judge | None = None) -> Standings:
    """Return standings of trials, each the candidate of its name."""
    made = Standings(by or judge(drop=0.01), OFFER)
    made.trials = {Candidate((item.plan.name,)): item for item in trials}
    return made


def names(pairs: Sequence[Judged]) -> list[str]:
    return [made.plan.name for _, made in pairs]


SAFE, QUICK = trial("safe", ratio=0.7, divergence=0.1), trial("quick", ratio=0.5, divergence=0.3)
OUTSIDE, SLOW, BROKEN = (
    trial("outside", drop=0.02, ratio=0.4),
    trial("slow", ratio=0.995),
    Trial(QUICK.plan, problem="no"),
)


def test_every_trial_has_its_row() -> None:
    made = standings(SAFE, OUTSIDE, replace(BROKEN, plan=BROKEN.plan.renamed("broken")))
    assert [row for row, _ in made.rows()] == [
        made.judge.row(Candidate(("safe",)), SAFE),
        made.judge.row(Candidate(("outside",)), OUTSIDE),
        failed_row(Candidate(("broken",))),
    ]


def test_inside_are_those_that_hold_the_budget_and_are_surely_better_than_float() -> None:
    assert names(standings(SAFE, OUTSIDE, SLOW, QUICK, replace(BROKEN, plan=SLOW.plan)).inside()) == ["safe", "quick"]


def test_the_best_is_the_cheapest_inside_then_the_nearest_to_float() -> None:
    assert standings(OUTSIDE, SLOW).best() is None
    assert standings(SAFE, QUICK, OUTSIDE).best() is QUICK
    nearer = trial("z", ratio=0.5, divergence=0.2)
    assert standings(QUICK, nearer, SAFE).best() is nearer
    twin = trial("a", ratio=0.5, divergence=0.2)
    assert standings(nearer, twin).best() is twin
    # Two candidates can come to one plan.
    made = standings(twin)
    made.trials[CANDIDATE] = made.trials[Candidate(("b",))] = twin
    assert made.best() is twin


def test_trials_of_the_same_plan_are_put_in_place_of_those_before() -> None:
    made = Standings(judge(drop=0.01), OFFER)
    quick = replace(QUICK, plan=replace(QUICK.plan, layers={"one": "f32"}))
    made.trials = {Candidate(("a",)): SAFE, Candidate(("b",)): quick, Candidate(("c",)): quick}
    better = replace(quick, seconds=5.0)
    made.update([better])
    assert list(made.trials.values()) == [SAFE, better, better]
    made.update([])
    assert list(made.trials.values()) == [SAFE, better, better]


# The table --------------------------------------------------------------------------------------------------------------


LAYERS = (LayerRow("one", 0.05, 0.02), LayerRow("two", 0.01, -0.01))
PAIRS = (PairRow("one", "two", 0.07, 0.01),)


def test_a_strategy_knows_the_offer_and_the_rows() -> None:
    made = standings(SAFE, OUTSIDE)
    table = made.table()
    assert (table.parts, table.alone, table.free, table.seed) == (("a", "b"), {"b"}, {"a"}, 7)
    assert table.allowed == 0.01
    assert Offer(("a",)) == Offer(("a",), frozenset(), frozenset(), 0)
    assert table.trials == tuple(row for row, _ in made.rows())
    assert (table.layers, table.pairs) == ({}, {})


def test_layers_are_as_they_were_measured_where_a_drop_is_held() -> None:
    made = standings(SAFE)
    made.layers, made.pairs = {("safe",): LAYERS}, {("safe",): PAIRS}
    assert dict(made.table().layers) == {("safe",): LAYERS}
    assert dict(made.table().pairs) == {("safe",): PAIRS}


def test_under_limits_they_change_places_and_nothing_is_free() -> None:
    made = standings(trial("x", drop=0.09, divergence=0.1), by=judge(max_size_bytes=60))
    made.layers, made.pairs = {("x",): LAYERS}, {("x",): PAIRS}
    table = made.table()
    # The share that was lost is 0.1, as is the divergence that is taken off it.
    assert [(row.name, row.gain, row.cost) for row in table.layers[("x",)]] == [
        ("one", -0.02, pytest.approx(-0.05)),
        ("two", 0.01, pytest.approx(-0.01)),
    ]
    assert [(row.gain, row.cost) for row in table.pairs[("x",)]] == [(-0.01, pytest.approx(-0.07))]
    assert table.free == frozenset()
    assert table.allowed == 0.1


@pytest.mark.parametrize("tried", [(), (replace(trial("x"), timing=None),)])
def test_layers_of_a_recipe_that_was_never_timed_stay_as_they_are(tried: tuple[Trial, ...]) -> None:
    made = standings(*tried, by=judge(max_size_bytes=60))
    made.layers, made.pairs = {("x",): LAYERS}, {("x",): PAIRS}
    assert dict(made.table().layers) == {("x",): LAYERS}
    assert dict(made.table().pairs) == {("x",): PAIRS}


def test_a_recipe_whose_divergence_is_unknown_gains_nothing() -> None:
    made = standings(replace(trial("x", drop=0.09), divergence=None), by=judge(max_size_bytes=60))
    made.layers = {("x",): LAYERS}
    assert [row.cost for row in made.table().layers[("x",)]] == [0.0, 0.0]


# The front --------------------------------------------------------------------------------------------------------------


def test_the_front_gives_a_tie_to_the_safer_plan() -> None:
    pairs = []
    for name, divergence, ratio in (("safe", 0.1, 0.6), ("tie", 0.2, 0.595), ("faster", 0.3, 0.4), ("worse", 0.4, 0.5)):
        made = trial(name, ratio=ratio, divergence=divergence)
        pairs.append((judge(drop=0.01).row(CANDIDATE, made), made))
    assert [made.plan.name for _, made in front(pairs, margin=0.01)] == ["safe", "faster"]
    assert [made.plan.name for _, made in front(pairs)] == ["safe", "tie", "faster"]


def rows(*figures: tuple[float, float, float]) -> list[Judged]:
    """Return rows of divergence, excess and cost, named by their place."""
    made = []
    for place, (divergence, excess, cost) in enumerate(figures):
        row = TrialRow(CANDIDATE, excess, cost, cost + 0.01, divergence)
        made.append((row, Trial(SAFE.plan.renamed(str(place)))))
    return made


def test_of_equally_near_plans_the_one_further_inside_comes_first_then_the_name() -> None:
    assert names(front(rows((0.1, -0.01, 0.5), (0.1, -0.02, 0.6)))) == ["1", "0"]
    assert names(front(rows((0.1, -0.02, 0.5), (0.1, -0.01, 0.6)))) == ["0"]
    assert names(front(list(reversed(rows((0.1, 0.0, 0.5), (0.1, 0.0, 0.5)))))) == ["0"]
    assert front([]) == []


def test_what_costs_the_same_as_a_safer_plan_is_not_kept() -> None:
    assert names(front(rows((0.1, 0.0, 0.5), (0.2, 0.0, 0.5), (0.3, 0.0, 0.4)))) == ["0", "2"]
    assert names(front(rows((0.3, 0.0, 0.4), (0.2, 0.0, 0.5), (0.1, 0.0, 0.5)))) == ["2", "0"]
    # The upper end of the third is the cost of the first.
    assert names(front(rows((0.1, 0.0, 0.5), (0.2, 0.0, 0.495)), margin=0.01)) == ["0"]
    assert names(front(rows((0.1, 0.0, 0.5), (0.2, 0.0, 0.494)), margin=0.01)) == ["0", "1"]


def test_what_may_be_as_fast_as_the_fastest_contends() -> None:
    plans = [
        trial("safe", ratio=0.6, divergence=0.1),
        trial("fast", ratio=0.5, divergence=0.2),
        trial("near", ratio=0.505, divergence=0.3),
        trial("equal", ratio=0.5, divergence=0.4),
        trial("slower", ratio=0.55, divergence=0.5),
    ]
    made = standings(*plans)
    assert [item.plan.name for _, item in made.contending()] == ["safe", "fast", "near"]
    assert [item.plan.name for _, item in made.contending(2)] == ["safe", "fast"]


def test_the_next_fastest_contends_too_where_the_machine_was_in_another_state() -> None:
    def timed(name: str, ratio: float, divergence: float, float_ms: float) -> Trial:
        made = trial(name, ratio=ratio, divergence=divergence)
        assert made.timing is not None
        return replace(made, timing=replace(made.timing, float_p50_ms=float_ms))

    def contend(*plans: Trial) -> list[str]:
        return [item.plan.name for _, item in standings(*plans).contending()]

    fast = timed("fast", 0.5, 0.2, 15.0)
    assert contend(fast, timed("next", 0.6, 0.3, 10.0), timed("last", 0.7, 0.4, 10.0)) == ["fast", "next"]
    assert contend(fast, timed("next", 0.6, 0.3, 14.5), timed("last", 0.7, 0.4, 10.0)) == ["fast"]


@pytest.mark.parametrize(
    ("count", "most", "kept"),
    [
        (0, 4, []),
        (4, 4, [0, 1, 2, 3]),
        (5, 4, [0, 1, 3, 4]),
        (7, 4, [0, 2, 4, 6]),
        (9, 2, [0, 8]),
    ],
)
def test_of_many_some_are_kept_the_first_and_the_last_among_them(count: int, most: int, kept: list[int]) -> None:
    found = spread(rows(*[(place / 10, 0.0, 0.5) for place in range(count)]), most)
    assert names(found) == [str(place) for place in kept]
