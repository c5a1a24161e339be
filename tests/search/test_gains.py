"""A search ends when it has a plan, has had some time, and has gained nothing for a while; else it does not."""

from pathlib import Path

import pytest

from ovquant.domain.table import Candidate, TrialRow, failed_row
from ovquant.search import gains
from ovquant.search.gains import AWHILE, FRUITLESS, SOON, Gains, on_its_way
from tests.search.played import Scripted, search


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(gains.time, "monotonic", lambda: now[0])
    return now


def fruitless(of: Gains, key: str | None, times: int = FRUITLESS) -> None:
    for _ in range(times):
        assert not of.take(key)


def test_another_best_plan_is_told_once(clock: list[float]) -> None:
    seen = Gains(ends=True)
    assert [seen.take(key) for key in (None, "a", "a", None, "b", "a")] == [False, True, False, False, True, True]


def test_it_ends_when_nothing_has_been_gained_for_a_while(clock: list[float]) -> None:
    seen = Gains(ends=True, begin=clock[0])
    clock[0] += 80
    assert seen.take("a")
    fruitless(seen, "a")
    clock[0] += AWHILE - 1
    assert not seen.exhausted
    clock[0] += 1
    assert seen.exhausted.startswith("The search ended after 92 s, the last 12 of which gained nothing")
    assert seen.take("b")
    assert not seen.exhausted


def test_it_goes_on_in_its_first_seconds_and_while_few_plans_were_tried(clock: list[float]) -> None:
    seen = Gains(ends=True, begin=clock[0])
    seen.take("a")
    fruitless(seen, "a")
    clock[0] += SOON - 1
    assert not seen.exhausted
    clock[0] += 1
    assert seen.exhausted
    seen.take("b")
    fruitless(seen, "b", FRUITLESS - 1)
    clock[0] += 500
    assert not seen.exhausted


def test_what_shows_the_way_is_not_fruitless(clock: list[float]) -> None:
    seen = Gains(ends=True, begin=clock[0])
    seen.take("a")
    fruitless(seen, "a", FRUITLESS - 1)
    clock[0] += 500
    assert not seen.take("a", promising=True)
    assert not seen.exhausted
    fruitless(seen, "a", 1)
    assert seen.exhausted


def test_layers_that_come_nearer_to_float_at_far_less_cost_are_waited_for() -> None:
    def row(layers: int, divergence: float, *, excess: float = 1.0, cost: float = 0.5) -> TrialRow:
        levels = frozenset((f"layer {number}", "float") for number in range(layers))
        return TrialRow(Candidate(("default",), levels), excess, cost, cost, divergence)

    before = [row(0, 0.3), row(2, 0.2, excess=0.4), row(9, 0.01, excess=-1), failed_row(row(3, 0.0).candidate)]
    assert on_its_way(row(5, 0.1), [*before, row(5, 0.1)], 0.9)
    assert not on_its_way(row(5, 0.25), before, 0.9)
    assert not on_its_way(row(5, 0.1, excess=-0.1), before, 0.9)
    assert not on_its_way(row(5, 0.1, cost=0.85), before, 0.9)
    assert not on_its_way(failed_row(row(5, 0.1).candidate), before, 0.9)


@pytest.mark.parametrize(("ends", "best"), [(False, "a"), (True, None)])
def test_it_goes_on_where_it_is_told_to_or_has_nothing_to_return(
    ends: bool, best: str | None, clock: list[float]
) -> None:
    seen = Gains(ends=ends, begin=clock[0])
    seen.take(best)
    fruitless(seen, best, 99)
    clock[0] += 1e6
    assert not seen.exhausted


def test_a_search_without_gains_ends_with_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gains, "SOON", 0.0)
    monkeypatch.setattr(gains, "AWHILE", 0.0)
    monkeypatch.setattr(gains, "FRUITLESS", 2)
    script = Scripted(tuple(Candidate((part,)) for part in ("default", "mixed", "weights", "ranges")))
    hunt, _ = search(tmp_path, script, ratios={"default": 0.5})
    hunt.gains = Gains(ends=True)
    outcome = hunt.run()
    assert [trial.plan.name for trial in outcome.trials] == ["default", "mixed", "weights"]
    assert outcome.verdict == "met"
    assert any("gained nothing; with --time-budget it goes on" in note for note in outcome.notes)
