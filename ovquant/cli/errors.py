"""Errors of a command, told in one paragraph: no traceback for what the user can put right."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

import typer

from ovquant.cli.text import print_json
from ovquant.errors import OvquantError
from ovquant.plugins.reports.figures import printable

INTERRUPTED = 130
"""What a shell expects of a program that Ctrl-C ended."""


@contextmanager
def guarded(*, as_json: bool, resumable: bool = False) -> Iterator[None]:
    """Run a command's work: end in exit code 1 and a paragraph for errors, and keep stray prints off stdout.

    resumable: the same command goes on where it was stopped, and the user is told so.
    """
    out = sys.stdout
    try:
        # Metrics, models and libraries may print; standard output is for the result alone.
        with redirect_stdout(sys.stderr):
            yield
    except (typer.Exit, BrokenPipeError):
        raise
    except KeyboardInterrupt:
        again = " The same command goes on from here." if resumable else ""
        typer.echo(f"Stopped.{again}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except OvquantError as error:
        message = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
        _tell(message, type(error).__name__, as_json=as_json, out=out)
    except MemoryError as error:
        message = (
            f"Memory ran out{f': {error}' if str(error) else ''}. Give fewer samples at once, or a machine with more."
        )
        _tell(message, "memory", as_json=as_json, out=out)
    except Exception as error:
        if tracebacks_wanted():
            raise
        _tell(fault(error), "unexpected", as_json=as_json, out=out)


def tracebacks_wanted() -> bool:
    """Tell whether the user asked for the traceback of a fault."""
    return os.environ.get("OVQUANT_TRACEBACK") == "1"


def fault(error: Exception) -> str:
    """Say that an error is ours, and ask for a report."""
    text = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")
    return (
        f"{text}. This is a fault in ovquant, or in a plugin. Please report it with what OVQUANT_TRACEBACK=1 shows when "
        "the command is run again."
    )


def _tell(message: str, kind: str, *, as_json: bool, out: object) -> None:
    typer.echo(f"Error: {printable(message)}", err=True)
    if as_json:
        print_json("error", {"error": message, "kind": kind}, out)
    raise typer.Exit(1) from None
