"""The command `apply`: a plan built again on a model, measured and verified."""

from pathlib import Path
from typing import Annotated

import typer

from ovquant.cli import options
from ovquant.cli.commands import typed
from ovquant.cli.failing import guarded
from ovquant.cli.parsing import default_output, given, properties
from ovquant.cli.progress import Display
from ovquant.cli.results import show_result
from ovquant.cli.wording import exit_code


def apply(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="Build this plan.json.", show_default=False)],
    model: options.Model,
    data: Annotated[
        str,
        typer.Option(
            metavar="DATA",
            help="Calibrate on half of these samples and verify on the other half.",
            rich_help_panel=options.DATA,
            show_default=False,
        ),
    ],
    metric: options.Metric,
    max_drop: Annotated[
        str,
        typer.Option(metavar="DROP", help="Verify this drop: 1%, 1pt or 0.01.", rich_help_panel=options.BUDGET),
    ] = "1%",
    floor: options.Floor = None,
    calibration: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="Calibrate on these samples, and verify on all of --data.",
            rich_help_panel=options.DATA,
            show_default=False,
        ),
    ] = None,
    device: options.Device = "CPU",
    optimize: options.Optimize = "latency",
    batch: options.Batch = None,
    threads: options.Threads = None,
    property_: options.Properties = None,
    input_shape: options.InputShape = None,
    force: options.Force = False,
    seed: options.Seed = 0,
    output: options.Output = None,
    as_json: options.AsJson = False,
) -> None:
    """Build a plan on a model, measure it, and verify the budget."""
    with guarded(as_json=as_json, resumable=True), Display() as display:
        from ovquant import api

        result = api.apply(
            plan,
            model,
            data=data,
            metric=metric,
            max_drop=max_drop,
            floor=floor,
            calibration=calibration,
            output=output or default_output(model),
            force=force,
            progress=display.step,
            command=typed(),
            **given(
                device=device,
                optimize=optimize,
                batch=batch,
                threads=threads,
                properties=properties(property_ or ()),
                input_shape=input_shape,
                seed=seed,
            ),
        )
    show_result(result, as_json=as_json, trials=False)
    raise typer.Exit(exit_code(result.verdict))
