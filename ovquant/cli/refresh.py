"""The command `refresh`: a saved result calibrated again on new data."""

from pathlib import Path
from typing import Annotated

import typer

from ovquant.cli import options
from ovquant.cli.errors import guarded
from ovquant.cli.parsing import typed
from ovquant.cli.progress import Display
from ovquant.cli.show_result import show_result
from ovquant.cli.text import exit_code


def refresh(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Calibrate the result in this folder again.", show_default=False)
    ],
    data: Annotated[
        str,
        typer.Option(
            metavar="DATA",
            help="Calibrate on half of these samples, such as a recording, and verify on the other half.",
            rich_help_panel=options.DATA,
            show_default=False,
        ),
    ],
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METRIC",
            help="Verify by this metric. By default, the result's own for data with targets, and fidelity for data without.",
            rich_help_panel=options.BUDGET,
            show_default=False,
        ),
    ] = None,
    max_drop: options.MaxDrop = None,
    confidence: options.Confidence = None,
    reference: options.MadeFrom = None,
    seed: options.Seed = 0,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Calibrate a saved result again on new data; only a plan that holds replaces it."""
    with guarded(as_json=as_json), Display(quiet=quiet, verbose=verbose) as display:
        import ovquant

        result = ovquant.refresh(
            folder,
            data=data,
            metric=metric or None,
            max_drop=max_drop or None,
            confidence=confidence,
            reference=reference,
            seed=seed,
            progress=display.step,
            command=typed(),
        )
    show_result(result, as_json=as_json, trials=False, quiet=quiet)
    raise typer.Exit(exit_code(result.verdict))
