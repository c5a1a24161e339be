"""The command `check`: a saved result verified again."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ovquant.cli import options
from ovquant.cli.errors import guarded
from ovquant.cli.progress import Display
from ovquant.cli.show_result import requirement_table
from ovquant.cli.text import details, exit_code, note_rows, print_json, show, speedup_text, times_text
from ovquant.plugins.reports.sentences import checked_sentence

if TYPE_CHECKING:
    from ovquant.domain.result import Checked


def check(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Verify the result in this folder.", show_default=False)
    ],
    data: Annotated[
        str,
        typer.Option(
            metavar="DATA", help="Verify on all of these samples.", rich_help_panel=options.DATA, show_default=False
        ),
    ],
    reference: options.MadeFrom = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METRIC",
            help="Score with this metric. By default, with that of the result.",
            rich_help_panel=options.BUDGET,
            show_default=False,
        ),
    ] = None,
    confidence: options.Confidence = None,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="DEVICE",
            help="Serve on this device. By default, on that of the result.",
            rich_help_panel=options.SERVING,
            show_default=False,
        ),
    ] = None,
    seed: options.Seed = 0,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Verify a saved result again: on new data, another device or a new OpenVINO."""
    with guarded(as_json=as_json), Display(quiet=quiet, verbose=verbose) as display:
        import ovquant

        found = ovquant.check(
            folder,
            data=data,
            metric=metric or None,
            reference=reference,
            device=device,
            confidence=confidence,
            seed=seed,
            progress=display.step,
        )
    if as_json:
        print_json("check", found.to_json())
    else:
        show_checked(found, quiet=quiet)
    raise typer.Exit(exit_code(found.verdict))


def show_checked(found: "Checked", *, quiet: bool) -> None:
    """Print a check for a person, quiet in one sentence."""
    sentence = f"{found.verdict.capitalize()}: {checked_sentence(found)}"
    if quiet:
        show(sentence)
        return
    rows = {
        "budget": str(found.budget),
        "time": times_text(found.timing),
        "speed-up": speedup_text(found.timing),
        "served on": ", ".join(f"{name} {value}" for name, value in found.served.items()),
    }
    show(
        sentence,
        "",
        requirement_table(found.score),
        "",
        details({**rows, **note_rows(found.notes)}),
    )
