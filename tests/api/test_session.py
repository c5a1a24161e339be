"""A run opens what it was given, here or in another process, and what it finds is the same."""

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest

from ovquant.api.options import Options
from ovquant.api.prepare import Described
from ovquant.api.session import Bounded, Given, IsolatedSession, LocalSession, opened, packed
from ovquant.domain.profile import Profile
from ovquant.domain.progress import silent
from ovquant.errors import DataError, MetricError, ModelError, UsageError
from ovquant.measure.instruments import Local
from ovquant.measure.isolated import Isolated
from ovquant.measure.worker import UnreadableError
from ovquant.protocols import Job, Task
from tests.api.models import linear, samples, unlabelled


@pytest.fixture
def net(tmp_path: Path) -> Path:
    openvino.save_model(linear(), tmp_path / "net.xml", compress_to_fp16=False)
    return tmp_path / "net.xml"


def given(model: Any = None, **changes: Any) -> Given:
    made = Given(model or linear(), "accuracy", Options(isolate=True), samples(120), {})
    return replace(made, **changes)


def test_both_find_the_same(tmp_path: Path, net: Path) -> None:
    for model in (linear(), net, str(net)):
        found = []
        for isolate in (True, False):
            asked = given(
                model, settings=Options(isolate=isolate, strategy=lambda table: None), metric=["accuracy", "f1"]
            )
            with opened(asked, silent) as (session, described):
                session.open()
                instruments = session.instruments(tmp_path / "trials", Profile(tmp_path / "profile.jsonl"))
                assert isinstance(instruments, Isolated if isolate else Local)
                plain = replace(described, metrics=tuple(replace(item, plugin=None) for item in described.metrics))
                values = {name: getattr(plain, name) for name in Described.__dataclass_fields__}
                # Other processors are simulated by processes alone.
                assert bool(instruments.conditions.elsewhere) is isolate
                found.append((values, replace(instruments.conditions, elsewhere=""), list(instruments.notes)))
        assert found[0] == found[1]
        assert found[0][0]["source"] == ("" if isinstance(model, openvino.Model) else str(net))


def test_errors_are_those_of_what_was_given(tmp_path: Path) -> None:
    for isolate in (True, False):
        settings = Options(isolate=isolate)
        with (
            pytest.raises(ModelError, match="nowhere.xml' does not exist"),
            opened(given("nowhere.xml", settings=settings), silent),
        ):
            pass
        with pytest.raises(UsageError, match="nonsense"), opened(given(metric="nonsense", settings=settings), silent):
            pass
        bare = given(data=unlabelled(samples(120)), settings=settings)
        with opened(bare, silent) as (session, _), pytest.raises(MetricError, match="needs targets"):
            session.open()
        few = given(data=samples(10), settings=settings)
        with opened(few, silent) as (session, _), pytest.raises(DataError, match="too few to split"):
            session.open()


def test_a_process_that_is_lost_is_replaced_by_one_that_read_the_same(tmp_path: Path) -> None:
    with opened(given(), silent) as (session, _):
        session.open()
        instruments = session.instruments(tmp_path / "trials", Profile(tmp_path / "profile.jsonl"))
        plan = instruments.conditions.float_plan
        assert isinstance(instruments, Isolated)
        before = instruments.evaluation(plan, "search")
        worker = session._worker  # type: ignore[attr-defined]
        os.kill(worker._process.pid, signal.SIGKILL)
        assert instruments.evaluation(plan, "search") == before
        assert instruments.traits(plan)["size_bytes"] > 0
        assert session._worker is not worker  # type: ignore[attr-defined]
    assert session._worker.closed  # type: ignore[attr-defined]


def test_the_environment_turns_it_off_and_the_option_wins(monkeypatch: pytest.MonkeyPatch, net: Path) -> None:
    def kind(isolate: bool | None) -> type:
        with opened(given(net, settings=Options(isolate=isolate)), silent) as (session, _):
            return type(session)

    monkeypatch.setenv("OVQUANT_ISOLATE", "0")
    assert (kind(None), kind(True)) == (LocalSession, IsolatedSession)
    monkeypatch.delenv("OVQUANT_ISOLATE")
    assert (kind(None), kind(False)) == (IsolatedSession, LocalSession)


def test_data_that_are_too_large_are_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ovquant.api.session.MOST_BYTES", 10_000)
    large = given("net.xml", data=(np.zeros((100, 1024), np.float32), np.zeros(100)))
    with pytest.raises(UnreadableError, match=r"more than 0.0 GB; give the data by a path"):
        packed(large, tmp_path)


def test_bytes_are_bounded() -> None:
    file = Bounded(10)
    file.write(b"12345")
    file.write(np.arange(5, dtype=np.uint8))
    assert len(file.getvalue()) == 10
    with pytest.raises(OverflowError):
        file.write(b"1")


@dataclass(frozen=True)
class Elsewhere:
    """An executor whose one worker is not let go."""

    @property
    def summary(self) -> str:
        return "Has a worker that stays."

    def gather(self, job: Job) -> "Stuck":
        return Stuck()


class Stuck:
    workers = ("one",)

    def run(self, tasks: Sequence[Task], done: Callable[[int, str], None]) -> list[Any]:
        raise NotImplementedError

    def close(self) -> None:
        raise RuntimeError("it is stuck")


def test_workers_that_cannot_be_let_go_are_told() -> None:
    session = IsolatedSession(given(settings=Options(isolate=True, executor=Elsewhere())), silent)
    session.prepare()
    with pytest.warns(UserWarning, match="may go on for a while, .*: it is stuck$"):
        session.close()
