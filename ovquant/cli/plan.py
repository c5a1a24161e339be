"""The command `plan`: a budget solved from measurements that exist."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ovquant.cli import options
from ovquant.cli.failing import guarded
from ovquant.cli.output import facts, print_json, show
from ovquant.cli.wording import drop_text, exit_code, score_change, speedup_text, times_text

if TYPE_CHECKING:
    from ovquant.trials import Trial


def plan(
    profile: Annotated[
        Path,
        typer.Option(metavar="FILE", help="Read the measurements of `ovquant profile` or of a result."),
    ],
    max_drop: options.MaxDrop,
    floor: options.Floor = None,
    allow_float: options.AllowFloat = False,
    force: options.Force = False,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write the plan to this file.", rich_help_panel=options.RESULT
        ),
    ] = Path("plan.json"),
    as_json: options.AsJson = False,
) -> None:
    """Pick the fastest measured plan inside a budget, running nothing."""
    with guarded(as_json=as_json):
        from ovquant import api
        from ovquant.errors import OutputError

        if output.exists() and not force:
            raise OutputError(f"'{output}' exists. Give another file with -o, or replace it with --force.")
        found = api.plan(profile, max_drop=max_drop, floor=floor)
        found.plan.save(output)
    if as_json:
        print_json({"file": str(output), **found.to_json()})
    else:
        show_plan(found, output, max_drop)
    raise typer.Exit(exit_code("float" if found.plan.is_float else "met", allow_float=allow_float))


def show_plan(found: "Trial", output: Path, max_drop: str) -> None:
    """Print what was picked and what was measured of it."""
    if found.plan.is_float:
        sentence = f"No measured plan that is faster than float has a drop of at most {max_drop} on the search data."
    else:
        sentence = f"The fastest measured plan with a drop of at most {max_drop} on the search data; verify it with `ovquant apply`."
    rows = {
        "plan": found.plan.name,
        "score on search": score_change(found.search),
        "drop on search": drop_text(found.search.drop, found.search.low, found.search.high) if found.search else "",
        "time": times_text(found.timing),
        "speed-up": "" if found.plan.is_float else speedup_text(found.timing),
        "written to": str(output),
    }
    show(sentence, "", facts(rows))
