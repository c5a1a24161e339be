"""A process that is lost is the failure of the plan that was measured, and the profile knows it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ovquant.domain.budget import Budget, Drop
from ovquant.domain.profile import Profile
from ovquant.domain.recipe import Recipe
from ovquant.errors import DataError, LostError, MetricError
from ovquant.measure.conditions import Conditions
from ovquant.measure.isolated import LIMIT_SECONDS, LIMIT_TIMES, Isolated
from tests.measure.made import instruments, plan, splits

CRASH = LostError("it crashed")
HUNG = LostError("it gave no answer within 3 s", hung=True)
OTHER = plan("other", Recipe(preset="mixed"))


class Processes:
    """Processes that are started one after the other, and answer as they are told to."""

    def __init__(self, conditions: Conditions, *answers: Any) -> None:
        self.conditions, self.answers = conditions, list(answers)
        self.started, self.asked = 0, list[tuple[Any, ...]]()
        self.limits = list[float]()

    def __call__(self) -> tuple[Any, Conditions]:
        self.started += 1
        return self, self.conditions

    def call(self, what: str, method: str, *arguments: Any, limit: float = -1.0, **named: Any) -> Any:
        assert what == "measure"
        self.asked.append((method, *arguments))
        self.limits.append(limit)
        answer = self.answers.pop(0) if self.answers else "answered"
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer


@pytest.fixture
def conditions(tmp_path: Path) -> Conditions:
    return instruments(tmp_path / "conditions").conditions


def isolated(folder: Path, processes: Processes, **how: Any) -> Isolated:
    return Isolated(processes, Profile(folder / "profile.jsonl"), **how)


def causes(made: Isolated) -> list[Any]:
    return [value["causes"] for _, value in made.profile.entries("lost")]


ASKED: list[tuple[str, Callable[[Isolated], Any]]] = [
    ("timing", lambda made: made.timing(plan(), heats=5)),
    ("score", lambda made: made.score(plan(), "search", Budget(Drop(0.1)), glance=True)),
    ("evaluation", lambda made: made.evaluation(plan(), "holdout")),
    ("traits", lambda made: made.traits(plan(), scoring=True)),
    ("details", lambda made: made.details(plan())),
    ("served", lambda made: made.served(plan())),
    ("layers", lambda made: made.layers(plan(), 0.5, 10.0, ("float",), gains=True)),
    ("pairs", lambda made: made.pairs(plan(), ["a", "b"], (), 0.5, 10.0)),
    ("build", lambda made: made.build(plan())),
]


@pytest.mark.parametrize(("method", "ask"), ASKED)
def test_each_measurement_is_tried_twice(
    tmp_path: Path, conditions: Conditions, method: str, ask: Callable[[Isolated], Any]
) -> None:
    processes = Processes(conditions, CRASH)
    made = isolated(tmp_path, processes)
    assert ask(made) in ("answered", Path("answered"), None)
    assert [asked[:2] for asked in processes.asked] == [(method, plan())] * 2
    assert (processes.started, causes(made), made.notes) == (2, [["it crashed"]], [])


def test_then_the_plan_is_left_out_whatever_is_asked_of_it(tmp_path: Path, conditions: Conditions) -> None:
    processes = Processes(conditions, CRASH, 1, LostError("it was killed"))
    made = isolated(tmp_path, processes)
    verdict = "int8 cost the process that measured it, and is left out: it was killed."
    assert made.timing(plan()) == 1
    for _ in range(2):
        with pytest.raises(LostError, match=verdict):
            made.traits(plan())
    assert (made.notes, len(processes.asked)) == ([verdict], 3)
    assert made.timing(OTHER) == "answered"
    again = isolated(tmp_path, Processes(conditions))
    with pytest.raises(LostError, match=verdict):
        again.timing(plan())
    assert again.notes == [verdict]


def test_what_gives_no_answer_is_not_asked_again(tmp_path: Path, conditions: Conditions) -> None:
    processes = Processes(conditions, HUNG)
    made = isolated(tmp_path, processes)
    with pytest.raises(LostError, match="left out: it gave no answer within 3 s"):
        made.timing(plan())
    assert len(processes.asked) == 1


def test_float_that_is_lost_when_it_is_compiled_otherwise_is_another_plan(
    tmp_path: Path, conditions: Conditions
) -> None:
    made = isolated(tmp_path, Processes(conditions, HUNG))
    plain = replace(conditions.float_plan, properties={})
    with pytest.raises(LostError, match="float model was lost: it gave no answer"):
        made.score(plain, "holdout", Budget(Drop(0.1)))
    assert made.served(conditions.float_plan) == "answered"


def test_float_ends_the_run_and_is_tried_again_by_the_next(tmp_path: Path, conditions: Conditions) -> None:
    made = isolated(tmp_path, Processes(conditions, CRASH, CRASH))
    with pytest.raises(LostError, match=r"^The process that measured the float model was lost: it crashed.$"):
        made.evaluation(conditions.reference_plan, "search")
    assert causes(made) == []
    assert isolated(tmp_path, Processes(conditions)).timing(conditions.float_plan) == "answered"


def test_an_error_that_comes_back_is_raised_and_costs_no_process(tmp_path: Path, conditions: Conditions) -> None:
    processes = Processes(conditions, MetricError("no score"))
    made = isolated(tmp_path, processes)
    with pytest.raises(MetricError, match="no score"):
        made.timing(plan())
    assert (processes.started, causes(made)) == (1, [])


def test_the_finalists_are_timed_again_once(tmp_path: Path, conditions: Conditions) -> None:
    made = isolated(tmp_path, Processes(conditions, CRASH))
    assert made.final_race([plan(), OTHER]) == "answered"
    lost = isolated(tmp_path, Processes(conditions, CRASH, CRASH))
    with pytest.raises(LostError, match="process that timed the finalists was lost: it crashed"):
        lost.final_race([plan(), OTHER])
    assert causes(lost) == []


def test_data_that_are_read_otherwise_the_second_time_are_an_error(tmp_path: Path, conditions: Conditions) -> None:
    processes = Processes(conditions, CRASH)
    made = isolated(tmp_path, processes)
    processes.conditions = replace(conditions, splits=splits(80))
    with pytest.raises(DataError, match="not the same when they were read again"):
        made.timing(plan())


def test_what_only_makes_room_is_not_worth_a_process(tmp_path: Path, conditions: Conditions) -> None:
    processes = Processes(conditions, CRASH, CRASH)
    made = isolated(tmp_path, processes)
    made.let_go([plan()], plan())
    made.let_go([plan()])
    assert ([asked[0] for asked in processes.asked], processes.started, causes(made)) == (["let_go"], 1, [])


def test_a_damaged_profile_knows_no_losses(tmp_path: Path, conditions: Conditions) -> None:
    made = isolated(tmp_path, Processes(conditions))
    made.profile.record("lost", conditions.key(plan()), "torn")
    assert made.timing(plan()) == "answered"


def test_what_was_half_written_is_dropped(tmp_path: Path, conditions: Conditions) -> None:
    def torn() -> Any:
        with (tmp_path / "profile.jsonl").open("a") as file:
            file.write('{"schema": 2, "kind": "tim')
        raise LostError("it crashed")

    made = isolated(tmp_path, Processes(conditions, torn))
    made.timing(plan())
    assert [value for _, value in Profile(tmp_path / "profile.jsonl").entries("lost")] == [{"causes": ["it crashed"]}]


def test_the_limit_follows_from_what_float_took(
    tmp_path: Path, conditions: Conditions, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("ovquant.measure.isolated.time.monotonic", lambda: clock[0])

    def slow() -> str:
        clock[0] += 8.0
        return "answered"

    processes = Processes(conditions, "quick", slow, "quick")
    made = isolated(tmp_path, processes)
    for item in (plan(), conditions.float_plan, conditions.float_plan, plan()):
        made.timing(item)
    infinite = float("inf")
    assert processes.limits == [LIMIT_SECONDS, infinite, infinite, LIMIT_SECONDS + LIMIT_TIMES * 8.0]
    made.final_race([plan(), OTHER])
    assert processes.limits[-1] == 2 * processes.limits[-2]
    # A run that goes on finds in the profile what it would measure of float, and measures nothing.
    later = Processes(conditions)
    isolated(tmp_path, later).timing(plan())
    assert later.limits == [LIMIT_SECONDS + LIMIT_TIMES * 8.0]
    asked = Processes(conditions)
    own = isolated(tmp_path, asked, trial_timeout=5.0)
    own.timing(plan())
    own.timing(conditions.float_plan)
    assert asked.limits == [5.0, 5.0]
    ended = Processes(conditions)
    isolated(tmp_path, ended, float_limit=7.0).timing(conditions.float_plan)
    assert ended.limits == [7.0]
