"""What a process holds in tests of workers: it answers, fails, crashes or hangs as it is asked to."""

import os
import signal
import subprocess
import sys
import time
from typing import Any

from ovquant.domain.progress import Progress
from ovquant.errors import DataError


class PluginOwnError(DataError):
    """An error of a plugin's own, after one of ovquant's."""


class ForeignError(Exception):
    """An exception of a module that the other side may not have."""


class Held:
    """Answers calls."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._calls = progress, 0

    def add(self, one: Any, other: Any = 1) -> Any:
        self._calls += 1
        return one + other

    def calls(self) -> int:
        return self._calls

    def process(self) -> int:
        return os.getpid()

    def call(self, function: Any) -> Any:
        return function()

    def tell(self, count: int) -> None:
        for done in range(count + 1):
            self._progress("telling", done, count)

    def fail(self, kind: str) -> None:
        raise {
            "data": DataError("no data"),
            "value": ValueError("a value"),
            "foreign": ForeignError("far"),
            "end": EOFError("torn"),
            "own": PluginOwnError("mine"),
        }[kind]

    def exit(self) -> None:
        sys.exit("enough")

    def leave(self, status: int) -> None:
        os._exit(status)

    def signalled(self, number: int) -> None:
        os.kill(os.getpid(), number)

    def hang(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)

    def child(self) -> int:
        return subprocess.Popen(["sleep", "600"]).pid

    def printed(self) -> None:
        print("on standard output")
