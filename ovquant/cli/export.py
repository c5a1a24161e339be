"""The command `export`: a saved result in the shape that another program reads."""

from pathlib import Path
from typing import Annotated

import typer

from ovquant.cli import options
from ovquant.cli.errors import guarded
from ovquant.cli.text import print_json, show


def export(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Export the result in this folder.", show_default=False)
    ],
    to: Annotated[
        str,
        typer.Option(
            metavar="EXPORTER",
            help="Write this: zip, model-server, optimum:source=FOLDER, or with ovquant-onnx installed onnx.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="PATH", help="Write to this new place.", show_default=False)
    ],
    force: options.Force = False,
    as_json: options.AsJson = False,
) -> None:
    """Write a saved result in the shape that another program reads."""
    with guarded(as_json=as_json):
        import ovquant

        written = ovquant.export(folder, to=to, output=output, force=force)
    if as_json:
        print_json("export", {"exported": str(written)})
        return
    show(f"Written to {written}.")
