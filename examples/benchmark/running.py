"""Run a command in a process of its own: wall time, peak memory, and an end at a cap."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

GRACE = 10.0
"""Seconds to write down what was counted, between the request to end and the kill."""


@dataclass(frozen=True)
class Ended:
    """How a process ended: seconds of wall time, peak resident memory, exit code, and whether the cap ended it."""

    seconds: float
    peak_mib: int
    code: int
    capped: bool


def run(command: Sequence[str], log: Path, *, cap: float | None = None) -> Ended:
    """Run a command with its output in a file; ask it to end at `cap` seconds, and kill it if it does not."""
    log.parent.mkdir(parents=True, exist_ok=True)
    begin, capped = time.monotonic(), False
    with log.open("wb") as output:
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            while True:
                ended, status, usage = os.wait4(child.pid, os.WNOHANG)
                if ended:
                    child.returncode = os.waitstatus_to_exitcode(status)
                    break
                passed = time.monotonic() - begin
                if cap is not None and passed > cap:
                    late, capped = passed > cap + GRACE, True
                    os.killpg(child.pid, signal.SIGKILL if late else signal.SIGTERM)
                time.sleep(0.1)
        finally:
            if child.returncode is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
    return Ended(time.monotonic() - begin, usage.ru_maxrss // 1024, child.returncode, capped)
