"""The command `demo`: the main job on a real recogniser and rendered words."""

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from ovquant.cli import options
from ovquant.cli.errors import guarded
from ovquant.cli.progress import Display
from ovquant.cli.show_result import show_result
from ovquant.cli.text import exit_code, show

METRIC = "ovquant.demo.words:exact"
MAX_DROP = "2pt"
HOLDOUT_SHARE = 3
"""Held-out words per word of the search."""


def demo(
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="DIR", help="Write to this folder; an earlier demo in it is replaced."),
    ] = Path("ovquant-demo"),
    time_budget: Annotated[str, typer.Option(metavar="TIME", help="End the search after this time.")] = "6m",
    samples: Annotated[
        int,
        typer.Option(
            metavar="N", min=50, help="Render this many words to search on, and three times as many to prove."
        ),
    ] = 1000,
    as_json: options.AsJson = False,
) -> None:
    """Quantize a real text recogniser within 2 points of accuracy, and show the table."""
    with guarded(as_json=as_json, resumable=True), Display() as display:
        import ovquant
        from ovquant.demo.fetch import recogniser

        display.step("fetching the recogniser (PP-OCRv4, 11 MB) into the cache", 0, 0)
        model = recogniser()
        data, holdout = words(samples, seed=0), words(HOLDOUT_SHARE * samples, seed=1)
        command = same_command(model, data, holdout, time_budget, output)
        result = ovquant.quantize(
            model,
            data=data,
            holdout=holdout,
            metric=METRIC,
            max_drop=MAX_DROP,
            output=output,
            force=is_demo(output, model),
            time_budget=time_budget,
            progress=display.step,
            on_trial=display.trial,
            command=command,
        )
    show_result(result, as_json=as_json)
    if not as_json:
        show("", "The same by hand:", f"  {command}")
    raise typer.Exit(exit_code(result.verdict))


def words(count: int, *, seed: int) -> str:
    """Return the data as it is written on a command line."""
    return f"ovquant.demo.words:Words:count={count},seed={seed}"


def same_command(model: Path, data: str, holdout: str, time_budget: str, output: Path) -> str:
    """Return the `ovquant quantize` command that does the same."""
    parts = ["ovquant", "quantize", str(model), "--data", data, "--holdout", holdout, "--metric", METRIC]
    parts += ["--max-drop", MAX_DROP, "--time-budget", time_budget, "--force", "-o", str(output)]
    return shlex.join(parts)


def is_demo(folder: Path, model: Path) -> bool:
    """Tell whether a folder holds an earlier demo, which may be replaced."""
    try:
        found = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("model_name") == model.stem
