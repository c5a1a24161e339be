"""Heats: who is raced in them, how many there are, and what is said of them together."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ovquant.domain.plan import Plan
from ovquant.domain.recipe import Recipe
from ovquant.domain.trial import Timing
from ovquant.measure import stopwatch
from ovquant.measure.stopwatch import Stopwatch, race, race_heats
from ovquant.runtime import Deployment, compile_model
from tests.measure.made import models, plan
from tests.runtime.test_timing import ROWS
from tests.runtime.test_timing import model as layered

OTHER = plan("weights", Recipe(algorithm="weights"))


def heat(ratio: float) -> Timing:
    """Return what one heat says of a plan."""
    return Timing(ratio, ratio, 1.0, 1.0, ratio, 0.0, 1e6, 10)


class Races:
    """Heats whose ratios are given, by their number; `how` is what was asked of each, and who was raced in it."""

    def __init__(self, ratios: Callable[[int], Sequence[float]]) -> None:
        self.ratios, self.how = ratios, list[dict[str, Any]]()

    def __call__(self, makers: Sequence[Any], requests: Any, **how: Any) -> list[Timing]:
        ratios = self.ratios(len(self.how))
        self.how.append({**how, "plans": [maker.args[0].name for maker in makers]})
        return [replace(heat(1.0), ratio_low=1.0, ratio_high=1.0), *map(heat, ratios)][: len(makers)]


Play = Callable[..., Races]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    """Have heats come out as a list says, heat after heat and then again, or as a function of their number."""

    def playing(*ratios: Any) -> Races:
        made = Races(ratios[0] if callable(ratios[0]) else lambda number: [ratios[number % len(ratios)]] * 9)
        monkeypatch.setattr(stopwatch, "race", made)
        return made

    return playing


def watch(folder: Path, objective: Any = "latency", **how: Any) -> Stopwatch:
    return Stopwatch(models(folder, seed=how.pop("seed", 0)), objective, **how)


# Real heats -------------------------------------------------------------------------------------------------------------


def test_a_real_difference_is_decided() -> None:
    makers = [partial(compile_model, layered(layers), Deployment()) for layers in (40, 2)]
    how = {"objective": "latency", "seconds": 1.0, "heats": 6, "most": 40}
    slow, quick = race_heats(makers, lambda _: [ROWS], **how, seed=0)  # type: ignore[arg-type]
    assert (slow.ratio, slow.ratio_low, slow.ratio_high) == (1.0, 1.0, 1.0)
    assert quick.ratio_high < 1
    assert quick.heats == 6
    assert 0 <= quick.others <= 1


def test_one_heat_compares_with_the_first_and_has_no_interval() -> None:
    makers = [partial(compile_model, layered(layers), Deployment()) for layers in (2, 40, 2)]
    how: dict[str, Any] = {"objective": "latency", "seconds": 60.0, "most": 25, "seed": 0}
    first, slow, again = race(makers, lambda _: [ROWS], **how)
    assert [timing.rounds for timing in (first, slow, again)] == [25] * 3
    assert first.ratio == 1.0
    assert slow.ratio > 1.5 > again.ratio
    assert slow.p50_ms > slow.float_p50_ms == first.p50_ms
    assert not slow.decided


def test_throughput_is_timed_in_bursts() -> None:
    makers = [partial(compile_model, layered(1), Deployment())]
    how: dict[str, Any] = {"seconds": 0.0, "most": 100, "seed": 0}
    # At least twenty single inferences, or five bursts.
    assert race(makers, lambda _: [ROWS], objective="latency", **how)[0].rounds == 20
    assert race(makers, lambda _: [ROWS], objective="throughput", **how)[0].rounds == 5


@pytest.mark.parametrize(("objective", "rounds"), [("latency", 20), ("size", 20), ("throughput", 5)])
def test_compiled_models_are_timed_as_the_objective_asks(tmp_path: Path, objective: str, rounds: int) -> None:
    made = watch(tmp_path, objective)
    compiled = [made.models.compiled(item) for item in (made.models.float_plan, plan())]
    assert made.times(compiled, 0.0, 100).shape == (rounds, 2)
    assert made.times(compiled, 60.0, 30).shape == (30, 2)
    assert (made.times(compiled, 0.0, 100) > 0).all()


def test_a_quick_plan_is_really_timed_over_twelve_compilations(tmp_path: Path) -> None:
    made = watch(tmp_path)
    found = made.timing(plan())
    assert (found.heats, found.rounds) == (12, 12 * 24)
    assert found.ratio_low < found.ratio < found.ratio_high
    assert found.p50_ms == pytest.approx(found.ratio * found.float_p50_ms, rel=0.5)
    alone = made.timing(made.models.float_plan)
    assert (alone.ratio, alone.ratio_low, alone.ratio_high, alone.heats) == (1.0, 1.0, 1.0, 1)


# What is raced ----------------------------------------------------------------------------------------------------------


def test_heats_share_the_time_and_have_seeds_of_their_own(play: Play) -> None:
    races = play(0.5, 0.7)
    how: dict[str, Any] = {"objective": "size", "seconds": 6.0, "heats": 3, "most": 9, "seed": 5}
    maker = partial(compile_model, layered(1))
    first, other = race_heats([maker, maker], lambda _: [ROWS], **how)
    assert [(item["seconds"], item["seed"], item["most"], item["objective"]) for item in races.how] == [
        (2.0, seed, 9, "size") for seed in (5, 6, 7)
    ]
    assert other == Timing.joined([heat(ratio) for ratio in (0.5, 0.7, 0.5)])
    assert (first.ratio, first.heats) == (1.0, 3)


def test_a_plan_is_raced_beside_float_and_only_as_often_as_it_takes(tmp_path: Path, play: Play) -> None:
    races = play(0.5, 0.6, 0.7, 0.8, 0.9)
    made = watch(tmp_path, seed=4, heat_seconds=0.25)
    assert made.timing(plan()) == Timing.joined([heat(ratio) for ratio in (0.5, 0.6, 0.7)])
    assert races.how == [
        {"objective": "latency", "seconds": 0.5, "most": 24, "seed": seed, "plans": ["float", "default"]}
        for seed in (4, 5, 6)
    ]
    # More heats are added to those that are known, and fewer are none.
    assert made.timing(plan(), heats=5).heats == 5
    assert [item["seed"] for item in races.how[3:]] == [7, 8]
    assert made.timing(plan(), heats=1) == heat(0.5)
    assert len(races.how) == 5


def test_what_takes_less_than_a_millisecond_is_timed_over_four_times_as_many_compilations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They take little, and differ more."""
    asked = list[int]()

    def race(makers: Sequence[Any], *_: Any, **how: Any) -> list[Timing]:
        asked.append(len(makers))
        return [replace(heat(ratio), float_p50_ms=0.99) for ratio in (1.0, (0.9, 1.2)[len(asked) % 2])][: len(makers)]

    monkeypatch.setattr(stopwatch, "race", race)
    made = watch(tmp_path)
    assert made.timing(plan()).heats == 12
    assert made.timing(plan(), heats=6).heats == 24
    assert len(asked) == 24
    assert made.final_race([plan()]).pop().heats == 128


def test_float_is_raced_alone(tmp_path: Path, play: Play) -> None:
    races = play(0.5)
    made = watch(tmp_path)
    assert made.timing(made.models.float_plan).ratio == 1.0
    assert [item["plans"] for item in races.how] == [["float"]]


def test_what_was_timed_is_not_timed_again(tmp_path: Path, play: Play) -> None:
    races = play(0.5, 0.6)
    first = watch(tmp_path).timing(plan())
    assert watch(tmp_path).timing(plan()) == first
    # Neither are plans of the same operations, whatever their weights and ranges.
    assert watch(tmp_path).timing(plan(recipe=Recipe(calibration_size=4))) == first
    assert len(races.how) == 3
    watch(tmp_path, "throughput").timing(plan())
    watch(tmp_path).timing(OTHER)
    assert len(races.how) == 9


def test_where_compiling_takes_long_three_heats_are_enough(
    tmp_path: Path, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(0.5, 0.6)
    monkeypatch.setattr(stopwatch, "HEATS_SECONDS", -1.0)
    made = watch(tmp_path)
    assert made.timing(plan(), heats=10).heats == 3
    assert made.final_race([plan()])[0].heats == 3


# The last race ----------------------------------------------------------------------------------------------------------


def two(one: Sequence[float], other: Sequence[float]) -> Callable[[int], Sequence[float]]:
    """Return the ratios of two plans in each heat."""
    return lambda number: (one[number % len(one)], other[number % len(other)])


FASTER, SLOWER, OPEN = (0.5, 0.51), (1.5, 1.51), (0.5, 2.0)


def test_it_ends_after_eight_heats_where_all_is_decided(tmp_path: Path, play: Play) -> None:
    races = play(two(FASTER, SLOWER))
    one, other = watch(tmp_path, seed=2).final_race([plan(), OTHER])
    assert [item["plans"] for item in races.how] == [["float", "default", "weights"]] * 8
    assert [item["seed"] for item in races.how] == list(range(2, 10))
    assert {(item["seconds"], item["most"]) for item in races.how} == {(1.5, 24)}
    assert one == Timing.joined([heat(ratio) for ratio in FASTER * 4], confidence=0.975)
    assert other == Timing.joined([heat(ratio) for ratio in SLOWER * 4], confidence=0.975)


def test_it_goes_on_with_ever_twice_as_many_while_it_is_open(tmp_path: Path, play: Play) -> None:
    races = play(two(FASTER, OPEN))
    one, other = watch(tmp_path).final_race([plan(), OTHER])
    assert len(races.how) == 32
    assert (one.heats, other.heats) == (32, 32)
    # All three looks together have the level of one.
    assert other == Timing.joined([heat(ratio) for ratio in OPEN * 16], confidence=1 - 0.05 / 8)
    assert not other.decided


def test_it_ends_at_the_look_that_decides(tmp_path: Path, play: Play) -> None:
    # Eight heats that vary much, and then none that does.
    play(lambda number: [(0.4, 2.3)[number % 2] if number < 8 else 0.7])
    (found,) = watch(tmp_path).final_race([plan()])
    assert found.heats == 32
    play(lambda number: [(0.5, 1.2)[number % 2] if number < 8 else 0.6])
    (found,) = watch(tmp_path / "other").final_race([plan()])
    assert (found.heats, found.decided) == (16, True)
    ratios = [(0.5, 1.2)[number % 2] for number in range(8)] + [0.6] * 8
    assert found == Timing.joined([heat(ratio) for ratio in ratios], confidence=1 - 0.05 / 4)


def test_only_the_first_ones_count_for_that(tmp_path: Path, play: Play) -> None:
    races = play(two(FASTER, OPEN))
    assert [timing.heats for timing in watch(tmp_path).final_race([plan(), OTHER], deciding=1)] == [8, 8]
    races = play(two(OPEN, FASTER))
    watch(tmp_path / "other").final_race([plan(), OTHER], deciding=1)
    assert len(races.how) == 32


def test_time_that_is_up_ends_it(tmp_path: Path, play: Play) -> None:
    play(*OPEN)
    assert watch(tmp_path).final_race([plan()], until=0.0)[0].heats == 8


def test_a_run_that_goes_on_finds_its_heats(tmp_path: Path, play: Play) -> None:
    races = play(*OPEN)
    first = watch(tmp_path).final_race([plan()])
    assert watch(tmp_path).final_race([plan()]) == first
    assert len(races.how) == 32
    # Other finalists, or another objective, are another race.
    watch(tmp_path).final_race([OTHER, plan()], until=0.0)
    watch(tmp_path, "throughput").final_race([plan()], until=0.0)
    assert len(races.how) == 48


def test_plans_of_the_same_operations_have_what_they_took_on_average(tmp_path: Path, play: Play) -> None:
    play(two((0.4,), (0.9,)))
    twins: list[Plan] = [plan(), plan("few", Recipe(calibration_size=4))]
    one, other = watch(tmp_path).final_race(twins)
    assert one == other
    assert one.ratio == pytest.approx((0.4 * 0.9) ** 0.5)
    apart = watch(tmp_path).final_race([plan(), OTHER])
    assert [timing.ratio for timing in apart] == pytest.approx([0.4, 0.9])


def test_float_among_the_finalists_is_raced_once(tmp_path: Path, play: Play) -> None:
    races = play(lambda number: [0.5])
    made = watch(tmp_path)
    (found,) = made.final_race([plan()])
    assert races.how[0]["plans"].count("float") == 1
    assert np.isclose(found.ratio, 0.5)


def test_finalists_that_are_large_are_raced_in_parts_each_with_float(tmp_path: Path, play: Play) -> None:
    races, watching = play(0.8), watch(tmp_path)
    watching.models.large = True
    plans = [plan(str(number), Recipe(calibration_size=number)) for number in range(1, 6)]
    assert len(watching.final_race(plans)) == 5
    assert [item["plans"] for item in races.how[:3]] == [["float", "1", "2"], ["float", "3", "4"], ["float", "5"]]


def test_a_plan_of_the_operations_of_what_it_is_timed_beside_takes_as_long(tmp_path: Path, play: Play) -> None:
    races, made = play(0.9, 0.8), watch(tmp_path)
    found = made.timing(plan("seven bits", Recipe(seven_bits="all")), beside=plan())
    assert (found.ratio, found.ratio_low, found.ratio_high) == (1.0, 1.0, 1.0)
    assert [how["plans"] for how in races.how] == [[plan().name]]
