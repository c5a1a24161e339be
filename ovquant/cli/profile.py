"""The command `profile`: measure now, decide later."""

from pathlib import Path
from typing import Annotated

import typer

from ovquant.cli import options
from ovquant.cli.errors import guarded
from ovquant.cli.parsing import given, properties
from ovquant.cli.progress import Display
from ovquant.cli.text import print_json, show


def profile(
    model: options.Model,
    data: options.Data,
    metric: options.Metrics,
    max_drop: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DROP",
            help="Measure most closely around this drop. A plan for any other can be solved later.",
            rich_help_panel=options.BUDGET,
            show_default="1%",
        ),
    ] = None,
    calibration: options.Calibration = None,
    holdout: options.Holdout = None,
    group_by: options.GroupBy = None,
    device: options.Device = "CPU",
    optimize: options.Optimize = "latency",
    prompt_tokens: options.PromptTokens = 128,
    new_tokens: options.NewTokens = 64,
    recipe: options.Recipes = None,
    strategy: options.Strategy = None,
    time_budget: options.TimeBudget = None,
    max_trials: options.MaxTrials = None,
    trial_timeout: options.TrialTimeout = None,
    isolate: options.Isolate = None,
    executor: options.Executor = None,
    keep_float: options.KeepFloat = None,
    batch: options.Batch = None,
    threads: options.Threads = None,
    property_: options.Properties = None,
    input_shape: options.InputShape = None,
    seed: options.Seed = 0,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="Append to this file.", rich_help_panel=options.RESULT),
    ] = Path("profile.jsonl"),
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Measure recipes and layers into a profile, without touching the holdout."""
    with guarded(as_json=as_json, resumable=True), Display(quiet=quiet, verbose=verbose) as display:
        import ovquant

        path = ovquant.profile(
            model,
            data=data,
            metric=metric,
            output=output,
            calibration=calibration,
            holdout=holdout,
            progress=display.step,
            on_trial=display.trial,
            **given(
                max_drop=max_drop,
                group_by=group_by,
                device=device,
                optimize=optimize,
                prompt_tokens=prompt_tokens,
                new_tokens=new_tokens,
                recipes=recipe,
                strategy=strategy,
                time_budget=time_budget,
                max_trials=max_trials,
                trial_timeout=trial_timeout,
                isolate=isolate,
                executor=executor,
                keep_float=keep_float,
                batch=batch,
                threads=threads,
                properties=properties(property_ or ()),
                input_shape=input_shape,
                seed=seed,
            ),
        )
        measurements = len(path.read_text(encoding="utf-8").splitlines())
    if as_json:
        print_json("profile", {"profile": str(path), "measurements": measurements})
        return
    show(
        f"{path} holds {measurements} measurements. Pick a plan from it: "
        f"ovquant plan --profile {path} --max-drop {' --max-drop '.join(max_drop or ['1%'])}"
    )
