"""A process that can be lost: it holds an object and answers calls, one after the other."""

import contextlib
import ctypes
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

import cloudpickle

from ovquant.domain.progress import Progress
from ovquant.errors import LostError, OvquantError

TICK_SECONDS = 1.0
"""How long one waits before one looks whether the process is still there."""
TOLD_SECONDS = 0.1
"""Progress is told no more often than this."""
DIES_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


class UnreadableError(Exception):
    """A call that the process cannot take: what is sent refers to something that it cannot import."""


class Worker:
    """A process that holds an object of a class, given as `module:Class`; `progress` is told what the object tells.

    A call is sent by cloudpickle, and its value or its exception comes back. The process ends with this one, whatever ends
    it, and prints to standard error alone. `environment` has variables that it finds set from the start.
    """

    def __init__(self, target: str, progress: Progress, environment: Mapping[str, str] | None = None) -> None:
        self._progress = progress
        mine, theirs = socket.socketpair()
        program = (
            f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import main; main({theirs.fileno()}, {target!r})"
        )
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", program],
                pass_fds=(theirs.fileno(),),
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=2,
                # Ctrl-C is for this process, which then ends the other.
                start_new_session=True,
            )
        self._connection = Connection(mine.detach())

    def call(self, method: str, *arguments: Any, limit: float = float("inf"), **named: Any) -> Any:
        """Call a method of the object and return its value, or raise what it raises.

        limit: seconds after which the process is given up. Raises LostError with the cause where it is lost, and
        UnreadableError for arguments that it cannot read.
        """
        self.start(method, *arguments, **named)
        return self.wait(limit)

    def start(self, method: str, *arguments: Any, **named: Any) -> None:
        """Call a method and leave its answer to `wait`; raises what `call` does."""
        with self._losing():
            self._connection.send_bytes(cloudpickle.dumps((method, arguments, named)))

    def wait(self, limit: float = float("inf")) -> Any:
        """Return the answer to what was started, or raise it; raises what `call` does."""
        with self._losing():
            return self._answer(limit)

    @contextlib.contextmanager
    def _losing(self) -> Iterator[None]:
        """End the process where it did not answer, and raise LostError where it is gone."""
        if self.closed:
            raise LostError("it was ended before")
        try:
            yield
        except BaseException as error:
            # What was raised there is raised here, and the process goes on.
            if getattr(error, "answered", False):
                raise
            if isinstance(error, EOFError | ConnectionError):
                raise LostError(self._end()) from None
            self.close()
            raise

    def _answer(self, limit: float) -> Any:
        left = limit
        while True:
            begin = time.monotonic()
            if self._connection.poll(min(left, TICK_SECONDS)):
                kind, *found = pickle.loads(self._connection.recv_bytes())
                if kind == "value":
                    return found[0]
                if kind == "error":
                    found[0].answered = True
                    raise found[0]
                self._progress(*found)
            elif self._process.poll() is not None:
                raise EOFError
            # While this process is stopped no time passes.
            left -= min(time.monotonic() - begin, 2 * TICK_SECONDS)
            if left <= 0:
                self.close()
                raise LostError(f"it gave no answer within {limit:.4g} s", hung=True)

    def _end(self) -> str:
        """Return what ended the process."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        code = self._process.poll()
        self.close()
        return ended(code)

    @property
    def closed(self) -> bool:
        """Tell whether the process was ended."""
        return self._connection.closed

    def close(self) -> None:
        """End the process, and those that it has started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._connection.close()


def ended(code: int | None) -> str:
    """Say what an exit status means; code: that of subprocess, None for a process that had to be ended."""
    if code is None:
        return "it stopped answering"
    if code == -signal.SIGKILL:
        return "it was killed (signal 9), as happens where memory runs out"
    if code == -signal.SIGBUS:
        return "it crashed (signal 7, Bus error), as happens where a file is cut while it is read, or a disk is full"
    if code < 0:
        return f"it crashed (signal {-code}, {signal.strsignal(-code)})"
    return f"it ended with exit status {code}"


def main(descriptor: int, target: str) -> None:
    """Make the object and answer calls until the other end is closed."""
    _die_with_parent()
    connection = Connection(descriptor)
    answer = _Answers(connection)
    module, _, name = target.partition(":")
    with contextlib.suppress(EOFError, ConnectionError):
        held: Any = None
        while True:
            message = connection.recv_bytes()
            try:
                method, arguments, named = pickle.loads(message)
            except Exception as error:
                answer.error(UnreadableError(f"{type(error).__name__}: {error}"))
                continue
            try:
                held = held or getattr(import_module(module), name)(answer.progress)
                value = getattr(held, method)(*arguments, **named)
            except BaseException as error:
                answer.error(error)
            else:
                answer.value(value)


class _Answers:
    """What goes back over a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._told, self._what = 0.0, ""

    def value(self, value: Any) -> None:
        """Send a value."""
        self._connection.send_bytes(pickle.dumps(("value", value)))

    def error(self, error: BaseException) -> None:
        """Send an exception, or what it says where it cannot be sent."""
        error.add_note("".join(traceback.format_exception(error)))
        sent = error if _can_be_sent(error) else RuntimeError(f"{type(error).__name__}: {error}")
        sent.__cause__ = sent.__context__ = None
        self._connection.send_bytes(pickle.dumps(("error", sent)))

    def progress(self, what: str, done: int, total: int) -> None:
        """Tell how much is done, unless that was told just now."""
        now = time.monotonic()
        if what != self._what or done >= total or now - self._told > TOLD_SECONDS:
            self._told, self._what = now, what
            self._connection.send_bytes(pickle.dumps(("progress", what, done, total)))


def _can_be_sent(error: BaseException) -> bool:
    # SystemExit would end the process that it is raised in, and another module's exception may not be there.
    if not isinstance(error, Exception) or type(error).__module__ not in (
        "builtins",
        OvquantError.__module__,
        __name__,
    ):
        return False
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return False
    return True


def _die_with_parent() -> None:
    """Have this process end when the one that started it does, wherever the system can do that."""
    if sys.platform == "linux":
        call: Callable[..., int] = ctypes.CDLL(None).prctl
        call(DIES_WITH_PARENT, signal.SIGKILL)
