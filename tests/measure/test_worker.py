"""A process answers calls, and whatever ends it is told to the one that asked."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from ovquant.domain.progress import silent
from ovquant.errors import DataError, LostError
from ovquant.measure.worker import UnreadableError, Worker, ended
from tests.measure.held import Held

TARGET = f"{Held.__module__}:{Held.__name__}"


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker(TARGET, silent)
    yield made
    made.close()


def test_one_object_answers_all_calls(worker: Worker) -> None:
    assert worker.call("process") != os.getpid()
    assert worker.call("add", 2) == 3
    assert worker.call("add", 2, other=5) == 7
    assert (worker.call("add", np.ones(3)) == 2).all()
    assert worker.call("calls") == 3
    assert not worker.closed


def test_what_was_started_is_waited_for_later(worker: Worker) -> None:
    worker.start("add", 2)
    assert worker.wait() == 3
    worker.start("fail", "data")
    with pytest.raises(DataError, match="^no data"):
        worker.wait()
    assert worker.call("add", 3) == 4


def test_functions_are_sent_with_what_they_hold(worker: Worker) -> None:
    held = 20
    assert worker.call("call", lambda: held + 1) == 21


def test_large_values_pass(worker: Worker) -> None:
    large = np.arange(3_000_000, dtype=np.float64)
    assert (worker.call("add", large, large) == 2 * large).all()


def test_an_exception_is_raised_here_and_the_process_goes_on(worker: Worker) -> None:
    with pytest.raises(DataError, match="^no data") as caught:
        worker.call("fail", "data")
    assert "in fail" in caught.value.__notes__[0]
    with pytest.raises(ValueError, match="^a value"):
        worker.call("fail", "value")
    with pytest.raises(RuntimeError, match="^PluginOwnError: mine"):
        worker.call("fail", "own")
    with pytest.raises(EOFError, match="^torn"):
        worker.call("fail", "end")
    with pytest.raises(RuntimeError, match="^ForeignError: far"):
        worker.call("fail", "foreign")
    with pytest.raises(RuntimeError, match="^SystemExit: enough"):
        worker.call("exit")
    with pytest.raises(AttributeError, match="nothing_such"):
        worker.call("nothing_such")
    assert worker.call("add", 1) == 2


def test_what_cannot_be_read_there_is_said(worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert worker.call("calls") == 0
    (tmp_path / "only_here.py").write_text("def found():\n    return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    import only_here  # type: ignore[import-not-found]

    with pytest.raises(UnreadableError, match="ModuleNotFoundError: No module named 'only_here'"):
        worker.call("call", only_here.found)
    assert worker.call("calls") == 0


def test_what_can_be_imported_here_can_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here_too.py").write_text("def found():\n    return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    import here_too  # type: ignore[import-not-found]

    worker = Worker(TARGET, silent)
    assert worker.call("call", here_too.found) == 1
    worker.close()


@pytest.mark.parametrize(
    ("method", "value", "cause"),
    [
        ("signalled", signal.SIGSEGV, "it crashed (signal 11, Segmentation fault)"),
        ("signalled", signal.SIGABRT, "it crashed (signal 6, Aborted)"),
        ("signalled", signal.SIGKILL, "it was killed (signal 9), as happens where memory runs out"),
        ("leave", 7, "it ended with exit status 7"),
    ],
)
def test_what_ended_it_is_said(worker: Worker, method: str, value: int, cause: str) -> None:
    with pytest.raises(LostError) as caught:
        worker.call(method, value)
    assert (str(caught.value), caught.value.hung, worker.closed) == (cause, False, True)


def test_one_that_is_lost_stays_lost(worker: Worker) -> None:
    os.kill(worker.call("process"), signal.SIGKILL)
    with pytest.raises(LostError, match="killed"):
        worker.call("calls")
    with pytest.raises(LostError, match="it was ended before"):
        worker.call("calls")


def test_no_answer_in_time_ends_it_with_all_that_it_started(worker: Worker) -> None:
    processes = [psutil.Process(worker.call(name)) for name in ("process", "child")]
    begin = time.monotonic()
    with pytest.raises(LostError, match=r"^it gave no answer within 1.5 s$") as caught:
        worker.call("hang", limit=1.5)
    assert caught.value.hung
    assert 1.4 < time.monotonic() - begin < 30
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


def test_its_death_is_seen_while_a_child_of_it_lives_on(worker: Worker) -> None:
    child = worker.call("child")
    with pytest.raises(LostError, match="Segmentation fault"):
        worker.call("signalled", signal.SIGSEGV)
    with contextlib.suppress(psutil.NoSuchProcess):
        left = psutil.Process(child)
        psutil.wait_procs([left], timeout=10)
        assert not left.is_running() or left.status() == psutil.STATUS_ZOMBIE


def test_an_interrupt_ends_it(worker: Worker) -> None:
    process = psutil.Process(worker.call("process"))

    def interrupt(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    other = Worker(TARGET, interrupt)
    with pytest.raises(KeyboardInterrupt):
        other.call("tell", 5)
    assert other.closed
    assert process.is_running()


def test_progress_is_told_and_not_too_often() -> None:
    told = list[tuple[str, int, int]]()
    worker = Worker(TARGET, lambda *what: told.append(what))
    worker.call("tell", 20_000)
    worker.close()
    assert told[0] == ("telling", 0, 20_000)
    assert told[-1] == ("telling", 20_000, 20_000)
    assert len(told) < 2_000


ASKING = """
import os, sys, time
from ovquant.domain.progress import silent
from ovquant.measure.worker import Worker

# No `if __name__ == "__main__"` is needed.
worker = Worker("tests.measure.held:Held", silent)
worker.call("printed")
print(worker.call("process"), flush=True)
worker.call("hang")
"""


def test_it_ends_with_the_one_that_asked_and_leaves_standard_output_alone(tmp_path: Path) -> None:
    script = tmp_path / "asking.py"
    script.write_text(ASKING)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as asking:
        assert asking.stdout is not None
        process = psutil.Process(int(asking.stdout.readline()))
        asking.kill()
        assert asking.wait() == -signal.SIGKILL
        psutil.wait_procs([process], timeout=10)
        assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
        assert asking.stderr is not None
        assert asking.stderr.read() == "on standard output\n"


def test_every_end_has_its_words() -> None:
    assert ended(0) == "it ended with exit status 0"
    assert ended(None) == "it stopped answering"
