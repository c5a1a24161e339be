"""The command `plan`: a budget solved from measurements that exist."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ovquant.cli import options
from ovquant.cli.errors import guarded
from ovquant.cli.parsing import given
from ovquant.cli.text import details, drop_text, exit_code, print_json, score_change, show, speedup_text, times_text
from ovquant.domain.objective import Objective
from ovquant.plugins.reports.figures import speedup

if TYPE_CHECKING:
    from ovquant.domain.trial import Trial


def plan(
    profile: Annotated[
        Path,
        typer.Option(metavar="FILE", help="Read the measurements of `ovquant profile` or of a result."),
    ],
    max_drop: options.MaxDrop = None,
    floor: options.Floor = None,
    max_latency: options.MaxLatency = None,
    max_size: options.MaxSize = None,
    optimize: Annotated[
        Objective | None,
        typer.Option(
            help="What to optimise. By default, what the profile was measured for.",
            rich_help_panel=options.SERVING,
            show_default=False,
        ),
    ] = None,
    strategy: options.Strategy = None,
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
    """Solve a profile again for a budget, running nothing."""
    with guarded(as_json=as_json):
        import ovquant
        from ovquant.api.plan import profile_budget
        from ovquant.domain.place import new_file

        refuse_file(output, force=force)
        budget = profile_budget(profile, max_drop, floor, max_latency=max_latency, max_size=max_size)
        found = ovquant.plan(profile, budget, **given(strategy=strategy, optimize=optimize))
        with new_file(output, is_plan) as made:
            found.plan.save(made)
    if as_json:
        print_json("trial", {"file": str(output), **found.to_json()})
    else:
        show_plan(found, output, str(budget))
    raise typer.Exit(exit_code("float" if found.plan.is_float else "met", allow_float=allow_float))


def refuse_file(output: Path, *, force: bool) -> None:
    """Raise OutputError for a file that is there, unless it is a plan that may be replaced."""
    from ovquant.errors import OutputError

    if not output.exists():
        return
    if not is_plan(output):
        raise OutputError(
            f"'{output}' exists and is not a plan, and --force replaces nothing else. Give another file with -o."
        )
    if not force:
        raise OutputError(f"'{output}' exists. Give another file with -o, or replace it with --force.")


def is_plan(file: Path) -> bool:
    """Tell whether a file is a plan."""
    from ovquant.domain.plan import Plan
    from ovquant.errors import UsageError

    try:
        Plan.load(file)
    except UsageError:
        return False
    return True


def show_plan(found: "Trial", output: Path, budget: str) -> None:
    """Print what was picked and what was measured of it."""
    if found.plan.is_float:
        sentence = f"The float model: no plan that is better is inside the budget, {budget}, on the search data."
    elif found.search is None:
        sentence = (
            f"Predicted to be the best inside the budget, {budget}. It was never built: "
            "build and verify it with `ovquant apply`."
        )
    else:
        sentence = (
            f"The best measured plan inside the budget, {budget}, on the search data; verify it with `ovquant apply`."
        )
    rows = {
        "plan": found.plan.full_title,
        "recipe": found.plan.name,
        "score on search": score_change(found.search),
        "drop on search": drop_text(found.search.main.drop, found.search.main.low, found.search.main.high)
        if found.search
        else "",
        "time": times_text(found.timing),
        "speed-up": "" if found.plan.is_float else speedup_text(found.timing),
        "predicted speed-up": speedup(found.predicted) if found.predicted and found.timing is None else "",
        "written to": str(output),
    }
    show(sentence, "", details(rows))
