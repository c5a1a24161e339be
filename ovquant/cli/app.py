"""The application: all commands, and how they are grouped."""

import sys
from typing import Annotated

import typer

from ovquant.cli.apply import apply
from ovquant.cli.benchmark import benchmark
from ovquant.cli.check import check
from ovquant.cli.compare import compare
from ovquant.cli.demo import demo
from ovquant.cli.devices import devices
from ovquant.cli.diff import diff
from ovquant.cli.errors import fault, tracebacks_wanted
from ovquant.cli.evaluate import evaluate
from ovquant.cli.export import export
from ovquant.cli.init import init
from ovquant.cli.inspect import inspect
from ovquant.cli.plan import plan
from ovquant.cli.plugins import plugins
from ovquant.cli.profile import profile
from ovquant.cli.quantize import quantize
from ovquant.cli.refresh import refresh
from ovquant.cli.report import report
from ovquant.cli.schema import schema

START = "Start here"
STAGES = "One stage at a time"
LOOK = "Look at what there is"
app = typer.Typer(
    name="ovquant",
    help="Turn a trained model into the fastest OpenVINO IR that stays inside your accuracy budget on this device.",
    epilog="Exit codes: 0 met · 1 an error · 2 an unknown command or flag · 3 float, infeasible or missed · 4 inconclusive",
    no_args_is_help=True,
    add_completion=True,
    # An error is one paragraph, told by `failing`; typer's own tracebacks would hide the cause from a bug report.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for panel, commands in (
    (START, (quantize, init, demo)),
    (STAGES, (profile, plan, apply, check, refresh, export)),
    (LOOK, (evaluate, benchmark, compare, diff, report, inspect, devices, plugins, schema)),
):
    for command in commands:
        app.command(rich_help_panel=panel)(command)


def _version(asked: bool) -> None:
    if asked:
        import ovquant

        typer.echo(ovquant.__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        # What an encoding lacks must not fail a run that is finished.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        app()
    except Exception as error:  # what `guarded` does not see: parsing and rendering
        if tracebacks_wanted():
            raise
        typer.echo(f"Error: {fault(error)}", err=True)
        sys.exit(1)
