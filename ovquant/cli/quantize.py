"""The command `quantize`: the whole way from model, data and budget to an IR."""

from typing import Any

import typer

from ovquant.cli import options
from ovquant.cli.compare import show_compared
from ovquant.cli.config import save_config
from ovquant.cli.errors import guarded
from ovquant.cli.parsing import default_output, given, properties, typed
from ovquant.cli.progress import Display
from ovquant.cli.show_preview import show_preview
from ovquant.cli.show_result import show_result
from ovquant.cli.text import exit_code
from ovquant.errors import UsageError


def quantize(
    context: typer.Context,
    model: options.Model,
    data: options.Data,
    metric: options.Metrics,
    max_drop: options.MaxDrop = None,
    floor: options.Floor = None,
    confidence: options.Confidence = None,
    worst_slice: options.WorstSlice = None,
    max_latency: options.MaxLatency = None,
    max_size: options.MaxSize = None,
    max_memory: options.MaxMemory = None,
    calibration: options.Calibration = None,
    holdout: options.Holdout = None,
    reference: options.FloatReference = None,
    train: options.Train = None,
    trainer: options.Trainer = None,
    module: options.Module = None,
    train_data: options.TrainData = None,
    slice_by: options.SliceBy = None,
    group_by: options.GroupBy = None,
    device: options.Device = "CPU",
    optimize: options.Optimize = "latency",
    prompt_tokens: options.PromptTokens = 128,
    new_tokens: options.NewTokens = 64,
    processors: options.Processors = "this",
    recipe: options.Recipes = None,
    strategy: options.Strategy = None,
    time_budget: options.TimeBudget = None,
    max_trials: options.MaxTrials = None,
    trial_timeout: options.TrialTimeout = None,
    isolate: options.Isolate = None,
    executor: options.Executor = None,
    target: options.Targets = None,
    keep_float: options.KeepFloat = None,
    batch: options.Batch = None,
    threads: options.Threads = None,
    property_: options.Properties = None,
    input_shape: options.InputShape = None,
    allow_float: options.AllowFloat = False,
    pareto: options.Pareto = False,
    show_samples: options.ShowSamples = None,
    force: options.Force = False,
    seed: options.Seed = 0,
    output: options.Output = None,
    config: options.Config = None,
    save_config_to: options.SaveConfig = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Find the fastest model inside an accuracy budget, and prove it on held-out data."""
    with guarded(as_json=as_json, resumable=True), Display(quiet=quiet, verbose=verbose) as display:
        import ovquant
        from ovquant.api.targets import quantize_for

        if save_config_to is not None:
            save_config(context, save_config_to)

        chosen = given(
            device=device,
            optimize=optimize,
            prompt_tokens=prompt_tokens,
            new_tokens=new_tokens,
            processors=processors,
            recipes=recipe,
            strategy=strategy,
            time_budget=time_budget,
            max_trials=max_trials,
            trial_timeout=trial_timeout,
            isolate=isolate,
            executor=executor,
            train=train,
            trainer=trainer,
            pareto=pareto or None,
            show_samples=show_samples,
            keep_float=keep_float,
            batch=batch,
            threads=threads,
            properties=properties(property_ or ()),
            input_shape=input_shape,
            slice_by=slice_by,
            group_by=group_by,
            seed=seed,
        )
        limits: dict[str, Any] = {
            "max_drop": max_drop,
            "floor": floor,
            "confidence": confidence,
            "worst_slice": worst_slice,
            "max_latency": max_latency,
            "max_size": max_size,
            "max_memory": max_memory,
        }
        roles: dict[str, Any] = {"data": data, "calibration": calibration, "holdout": holdout}
        place = output or default_output(model)
        more: dict[str, Any] = {"reference": reference, "module": module, "train_data": train_data}
        more |= {"force": force, "progress": display.step, "command": typed()}
        if dry_run and target:
            raise UsageError("--dry-run looks at this machine alone. Leave --target out.")
        if dry_run:
            found = ovquant.preview(
                reference or model, metric=metric, **roles, **limits, **chosen, progress=display.step
            )
        elif target:
            asked = {"metric": metric, **roles, **limits, **more, "executor": "local", **chosen}
            results = list(quantize_for(target, model, output=place, done=display.target, **asked).values())
        else:
            asked = {"metric": metric, **roles, **limits, **more, **chosen}
            results = [ovquant.quantize(model, output=place, on_trial=display.trial, **asked)]
    if dry_run:
        show_preview(found, place, as_json=as_json)
        return
    if len(results) > 1:
        show_compared(ovquant.compare([result.folder for result in results]), as_json=as_json)
    else:
        show_result(results[0], as_json=as_json, quiet=quiet)
    # Limits alone ask for the most accurate model within them, which float is.
    floats = allow_float or results[0].budget.max_drop is None
    raise typer.Exit(max(exit_code(result.verdict, allow_float=floats) for result in results))
