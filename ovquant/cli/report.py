"""The command `report`: a saved result's reports, rendered again."""

from pathlib import Path
from typing import Annotated

import typer

from ovquant.cli import options
from ovquant.cli.errors import guarded
from ovquant.cli.text import print_json, show


def report(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Render the reports of the result in this folder.", show_default=False)
    ],
    as_json: options.AsJson = False,
) -> None:
    """Render a saved result's reports again; nothing is measured."""
    with guarded(as_json=as_json):
        import ovquant

        files = ovquant.report(folder)
    if as_json:
        print_json("report", {"reports": [str(file) for file in files]})
        return
    show(f"Written: {', '.join(map(str, files))}.")
