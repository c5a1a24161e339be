"""The command `apply`: a plan built again on a model, measured and verified."""

from pathlib import Path
from typing import Annotated

import typer

from ovquant.cli import options
from ovquant.cli.errors import guarded
from ovquant.cli.parsing import default_output, given, properties, typed
from ovquant.cli.progress import Display
from ovquant.cli.show_result import show_result
from ovquant.cli.text import exit_code


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
    metric: options.Metrics,
    max_drop: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DROP",
            help="Verify this drop: 1%, 1pt or 0.01; METRIC=DROP for one of several. By default, the budget of the plan.",
            rich_help_panel=options.BUDGET,
            show_default=False,
        ),
    ] = None,
    floor: options.Floor = None,
    confidence: options.Confidence = None,
    worst_slice: options.WorstSlice = None,
    calibration: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="Calibrate on these samples, and verify on all of --data.",
            rich_help_panel=options.DATA,
            show_default=False,
        ),
    ] = None,
    module: options.Module = None,
    retrain: options.Retrain = False,
    slice_by: options.SliceBy = None,
    group_by: options.GroupBy = None,
    device: options.Device = "CPU",
    optimize: options.Optimize = "latency",
    prompt_tokens: options.PromptTokens = 128,
    new_tokens: options.NewTokens = 64,
    trial_timeout: options.TrialTimeout = None,
    isolate: options.Isolate = None,
    batch: options.Batch = None,
    threads: options.Threads = None,
    property_: options.Properties = None,
    input_shape: options.InputShape = None,
    show_samples: options.ShowSamples = None,
    force: options.Force = False,
    seed: options.Seed = 0,
    output: options.Output = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Build a plan on a model, measure it, and verify the budget."""
    with guarded(as_json=as_json, resumable=True), Display(quiet=quiet, verbose=verbose) as display:
        import ovquant

        result = ovquant.apply(
            plan,
            model,
            data=data,
            metric=metric,
            floor=floor,
            confidence=confidence,
            worst_slice=worst_slice,
            calibration=calibration,
            module=module,
            retrain=retrain,
            output=output or default_output(model),
            force=force,
            progress=display.step,
            command=typed(),
            **given(
                max_drop=max_drop,
                slice_by=slice_by,
                group_by=group_by,
                device=device,
                optimize=optimize,
                prompt_tokens=prompt_tokens,
                new_tokens=new_tokens,
                trial_timeout=trial_timeout,
                isolate=isolate,
                batch=batch,
                threads=threads,
                properties=properties(property_ or ()),
                input_shape=input_shape,
                show_samples=show_samples,
                seed=seed,
            ),
        )
    show_result(result, as_json=as_json, trials=False, quiet=quiet)
    raise typer.Exit(exit_code(result.verdict))
