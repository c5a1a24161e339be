"""Commands in processes of their own that have their imports behind them: forked from one that did nothing but import.

The imports of a command that quantizes (openvino, nncf and, through it, torch) take longer than most of what a test asks of it.
"""

import atexit
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["nncf", "openvino", "ovquant.cli", "ovquant.api", "tests.forked"])


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str


def command(arguments: Sequence[str], folder: Path, environment: Mapping[str, str], *, timeout: float) -> Ended:
    """Run `ovquant` with arguments in a folder, to its end.

    Raises:
        TimeoutError: It has not ended within so many seconds; it is killed then.
    """
    with tempfile.TemporaryDirectory() as place:
        files = [str(Path(place) / name) for name in ("out", "err")]
        process = SERVER.Process(target=_command, args=(list(arguments), str(folder), dict(environment), files))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            msg = f"ovquant {' '.join(arguments)} has not ended within {timeout:g} s"
            raise TimeoutError(msg)
        return Ended(process.exitcode, *(Path(file).read_text() for file in files))


def _command(arguments: list[str], folder: str, environment: dict[str, str], files: list[str]) -> None:
    for number, file in enumerate(files, start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["ovquant", *arguments]
    from ovquant.cli import main

    try:
        main()
    finally:
        atexit._run_exitfuncs()  # a forked process leaves without them
