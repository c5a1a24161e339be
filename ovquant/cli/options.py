"""The arguments and options that several commands share; their texts are what `--help` shows."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ovquant.cli.config import read_config
from ovquant.domain.objective import Objective

BUDGET = "Budget"
RUN = "The run"
DATA = "Data"
SEARCH = "Search"
SERVING = "Where it will serve"
RESULT = "Result"
Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="Read this model: IR, ONNX, TFLite, SavedModel, Paddle, .pt2, or FILE.py:factory.",
        show_default=False,
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Take what is not given here from this TOML file; `ovquant init` writes one.",
        rich_help_panel=RUN,
        show_default=False,
        is_eager=True,
        callback=read_config,
    ),
]
SaveConfig = Annotated[
    Path | None,
    typer.Option(
        "--save-config",
        metavar="FILE",
        help="Write the options of this run to a new TOML file.",
        rich_help_panel=RUN,
        show_default=False,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Check all that is given and say what would be done; float is timed alone.",
        rich_help_panel=RUN,
    ),
]
Data = Annotated[
    str,
    typer.Option(
        metavar="DATA",
        help="Read samples from a .npz, a folder, a table, or FILE.py:NAME; half is held out.",
        rich_help_panel=DATA,
        show_default=False,
    ),
]
Metric = Annotated[
    str,
    typer.Option(
        metavar="METRIC",
        help="Score with this metric: a name such as accuracy, or FILE.py:function.",
        rich_help_panel=BUDGET,
        show_default=False,
    ),
]
Metrics = Annotated[
    list[str],
    typer.Option(
        "--metric",
        metavar="METRIC",
        help="Score with this metric: a name such as accuracy, or FILE.py:function; repeat it for more.",
        rich_help_panel=BUDGET,
        show_default=False,
    ),
]
MaxDrop = Annotated[
    list[str] | None,
    typer.Option(
        metavar="DROP",
        help="Allow this drop: 1% of the float score, 1pt (0.01), or 0.01 in the metric's unit; METRIC=DROP for one of several.",
        rich_help_panel=BUDGET,
        show_default=False,
    ),
]
Confidence = Annotated[
    float | None,
    typer.Option(
        metavar="C",
        help="Return only a model that is proven, on held-out data, to hold the budget with this confidence, such as 0.95.",
        rich_help_panel=BUDGET,
        show_default=False,
    ),
]
WorstSlice = Annotated[
    str | None,
    typer.Option(
        metavar="DROP",
        help="Let no slice of --slice-by lose more than this.",
        rich_help_panel=BUDGET,
        show_default=False,
    ),
]
MadeFrom = Annotated[
    str | None,
    typer.Option(
        "--reference",
        metavar="MODEL",
        help="The float model that the result was made from. By default it is read from where it was.",
        show_default=False,
    ),
]
SliceBy = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Slice the data by this column, or by target, for --worst-slice.",
        rich_help_panel=DATA,
        show_default=False,
    ),
]
GroupBy = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Keep samples with the same value in this column together: one patient, speaker or document.",
        rich_help_panel=DATA,
        show_default=False,
    ),
]
MaxLatency = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Limit the median latency, such as 5ms. Without --max-drop, return the most accurate model within this limit.",
        rich_help_panel=BUDGET,
        show_default=False,
    ),
]
MaxSize = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Limit the size, such as 10MB. Without --max-drop, return the most accurate model within this limit.",
        rich_help_panel=BUDGET,
        show_default=False,
    ),
]
MaxMemory = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Limit the memory that a process takes to serve it, such as 500MB; needs --max-drop.",
        rich_help_panel=BUDGET,
        show_default=False,
    ),
]
Floor = Annotated[
    list[str] | None,
    typer.Option(
        metavar="X",
        help="Never fall below this score; METRIC=X for one of several.",
        rich_help_panel=BUDGET,
        show_default=False,
    ),
]
Calibration = Annotated[
    str | None,
    typer.Option(metavar="DATA", help="Calibrate on these samples instead.", rich_help_panel=DATA, show_default=False),
]
Holdout = Annotated[
    str | None,
    typer.Option(
        metavar="DATA",
        help="Prove the result on these samples, and search on all of --data.",
        rich_help_panel=DATA,
        show_default=False,
    ),
]
FloatReference = Annotated[
    str | None,
    typer.Option(
        "--reference",
        metavar="MODEL",
        help="The float model, where MODEL was made of it by training with quantizers in it.",
        rich_help_panel=SEARCH,
        show_default=False,
    ),
]
Device = Annotated[str, typer.Option(metavar="DEVICE", help="Serve on this device.", rich_help_panel=SERVING)]
Optimize = Annotated[
    Objective,
    typer.Option(
        help="What to optimise; first-token and next-token time a decoder while it generates.", rich_help_panel=SERVING
    ),
]
PromptTokens = Annotated[
    int,
    typer.Option(metavar="N", help="Time a decoder with prompts of this many tokens.", rich_help_panel=SERVING),
]
NewTokens = Annotated[
    int,
    typer.Option(
        metavar="N", help="Time a decoder while it takes this many tokens after a prompt.", rich_help_panel=SERVING
    ),
]
Processors = Annotated[
    Literal["this", "any"],
    typer.Option(
        help="Hold the budget on this processor, or on those with and without VNNI, which int8 answers depend on (simulated).",
        rich_help_panel=SERVING,
    ),
]
TimedFor = Annotated[
    Literal["latency", "throughput", "first-token", "next-token"],
    typer.Option(
        "--optimize",
        help="Time single requests, bursts with all requests busy, or a decoder while it generates.",
        rich_help_panel=SERVING,
    ),
]
Recipes = Annotated[
    list[str] | None,
    typer.Option(
        "--recipe",
        metavar="RECIPE",
        help="Try only this recipe, such as transformer+bias; repeat it for more.",
        rich_help_panel=SEARCH,
        show_default=False,
    ),
]
Strategy = Annotated[
    str | None,
    typer.Option(
        metavar="STRATEGY",
        help="Search this way; 'first' stops at the first plan inside the budget.",
        rich_help_panel=SEARCH,
        show_default="integer-program",
    ),
]
Executor = Annotated[
    str | None,
    typer.Option(
        metavar="EXECUTOR",
        help="Have plans scored by workers elsewhere: dask:ADDRESS, with ovquant-dask installed.",
        rich_help_panel=SEARCH,
        show_default="local",
    ),
]
Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        metavar="NAME",
        help="Search on this machine, which the executor reaches, into OUTPUT/NAME. May be given several times.",
        rich_help_panel=SEARCH,
        show_default="this machine",
    ),
]
Train = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Train the numbers of int4 weights for this long, such as 10m, where the plan then may win; needs torch.",
        rich_help_panel=SEARCH,
        show_default=False,
    ),
]
Trainer = Annotated[
    str | None,
    typer.Option(metavar="TRAINER", help="Train in this way.", rich_help_panel=SEARCH, show_default="end-to-end"),
]
Module = Annotated[
    str | None,
    typer.Option(
        metavar="MODULE",
        help="The PyTorch module that MODEL was exported from, to train: FILE.py:factory, or a folder of Transformers.",
        rich_help_panel=SEARCH,
        show_default=False,
    ),
]
TrainData = Annotated[
    str | None,
    typer.Option(
        metavar="DATA",
        help="Train on these samples instead of the search half; no labels are needed.",
        rich_help_panel=DATA,
        show_default=False,
    ),
]
Retrain = Annotated[
    bool,
    typer.Option(
        "--retrain",
        help="Train the plan's numbers anew, with --module, instead of taking those in plan.safetensors.",
        rich_help_panel=SEARCH,
    ),
]
TimeBudget = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="End the search after this time, such as 30m, with the best plan so far; else once nothing is gained for a while.",
        rich_help_panel=SEARCH,
        show_default=False,
    ),
]
MaxTrials = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="End the search after this many plans, with the best so far.",
        rich_help_panel=SEARCH,
        show_default=False,
    ),
]
TrialTimeout = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Give up a plan whose measurement takes longer. By default, 10 min and 40 times what float took.",
        rich_help_panel=SEARCH,
        show_default=False,
    ),
]
Isolate = Annotated[
    bool | None,
    typer.Option(
        "--isolate/--no-isolate",
        help="Measure in a process of its own, so that a crash costs one plan.",
        rich_help_panel=SEARCH,
        show_default="isolate",
    ),
]
Pareto = Annotated[
    bool,
    typer.Option(
        "--pareto",
        help="Save every plan that no other beats in both accuracy and speed, too.",
        rich_help_panel=RESULT,
    ),
]
KeepFloat = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME|TYPE|REGEX",
        help="Keep these operations in float; repeat it for more.",
        rich_help_panel=SEARCH,
        show_default=False,
    ),
]
Batch = Annotated[
    int | None,
    typer.Option(metavar="N", help="Serve this many samples at once.", rich_help_panel=SERVING, show_default=False),
]
Threads = Annotated[
    int | None,
    typer.Option(metavar="N", help="Serve with this many threads.", rich_help_panel=SERVING, show_default=False),
]
Properties = Annotated[
    list[str] | None,
    typer.Option(
        "--property",
        metavar="KEY=VALUE",
        help="Compile with this OpenVINO property; repeat it for more.",
        rich_help_panel=SERVING,
        show_default=False,
    ),
]
InputShape = Annotated[
    str | None,
    typer.Option(
        metavar="SHAPE",
        help="Fix the input shapes: [1,3,224,224], or ids[1,16],mask[1,16].",
        rich_help_panel=SERVING,
        show_default=False,
    ),
]
ShowSamples = Annotated[
    bool | None,
    typer.Option(
        "--show-samples/--no-show-samples",
        help="Show in result.json and the report what the samples hold that are lost.",
        rich_help_panel=RESULT,
        show_default="show-samples",
    ),
]
AllowFloat = Annotated[
    bool,
    typer.Option("--allow-float", help="Exit with 0 when the float model is the answer, too.", rich_help_panel=RESULT),
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Replace an earlier output of ovquant, and nothing else.", rich_help_panel=RESULT),
]
Seed = Annotated[int, typer.Option(metavar="N", help="Split and draw samples with this seed.", rich_help_panel=SEARCH)]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="DIR",
        help="Write the result to this new folder.",
        rich_help_panel=RESULT,
        show_default="MODEL-ovquant",
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document instead of a table.", rich_help_panel=RESULT)
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", help="Print only what came out, in three lines, and no progress.", rich_help_panel=RESULT
    ),
]
Verbose = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Print a line for each step as it begins.", rich_help_panel=RESULT),
]
