"""The command `benchmark`: several models timed in turn, in one run."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ovquant.cli import options
from ovquant.cli.errors import guarded
from ovquant.cli.parsing import given, properties
from ovquant.cli.progress import Display
from ovquant.cli.text import print_json, show, table_of
from ovquant.plugins.reports.figures import file_size, per_second, speedup, speedup_interval

if TYPE_CHECKING:
    from ovquant.api.benchmark import Contender

PER = {
    "latency": "ms per request",
    "throughput": "ms per request, all requests busy",
    "first-token": "ms to the first token",
    "next-token": "ms per token",
}


def benchmark(
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL...", help="Time these models; ratios are to the first.", show_default=False),
    ],
    data: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="Run on these samples instead of random inputs.", show_default=False),
    ] = None,
    seconds: Annotated[float, typer.Option(metavar="S", help="Measure for this many seconds in all.", min=0.1)] = 10.0,
    device: options.Device = "CPU",
    optimize: options.TimedFor = "latency",
    prompt_tokens: options.PromptTokens = 128,
    new_tokens: options.NewTokens = 64,
    batch: options.Batch = None,
    threads: options.Threads = None,
    property_: options.Properties = None,
    input_shape: options.InputShape = None,
    as_json: options.AsJson = False,
) -> None:
    """Time several models in turn, and tell their ratios with intervals."""
    with guarded(as_json=as_json), Display() as display:
        import ovquant

        display.step(f"timing {len(models)} models in turn for {seconds:g} s", 0, 0)
        found = ovquant.benchmark(
            models,
            data=data,
            seconds=seconds,
            **given(
                device=device,
                optimize=optimize,
                prompt_tokens=prompt_tokens,
                new_tokens=new_tokens,
                batch=batch,
                threads=threads,
                properties=properties(property_ or ()),
                input_shape=input_shape,
            ),
        )
    if as_json:
        print_json(
            "benchmark", {"device": device, "objective": optimize, "models": [contender_json(item) for item in found]}
        )
        return
    per = PER[optimize]
    columns = {
        "model": False,
        "p50": True,
        "p95": True,
        "speed-up": True,
        "95 % interval": True,
        "memory": True,
        "": False,
    }
    rows = [contender_row(item, first=item is found[0]) for item in found]
    show(
        table_of(
            f"{per} on {device}, {found[0].timing.rounds} rounds in turn over {found[0].timing.heats} compilations",
            columns,
            rows,
        ),
        *(throughput_lines(found) if optimize == "throughput" else ()),
        *planned_lines(found),
    )


def throughput_lines(contenders: "Sequence[Contender]") -> list[str]:
    """Say how many samples a second each model takes with all requests busy."""
    return [f"{item.name}: {per_second(item.timing.p50_ms)}" for item in contenders]


def planned_lines(contenders: "Sequence[Contender]") -> list[str]:
    """Say which models are compiled with properties of their plans."""
    told = {item.name: ", ".join(f"{name}={value}" for name, value in item.properties.items()) for item in contenders}
    return [f"{name} is compiled with {with_what}, as its plan says." for name, with_what in told.items() if with_what]


def contender_json(contender: "Contender") -> dict[str, object]:
    """Return plain values: times in milliseconds, and the ratio to the first model."""
    timing = {name.replace("float_", "first_"): value for name, value in asdict(contender.timing).items()}
    speed = {"speedup": contender.timing.speedup, "decided": contender.timing.decided}
    return {
        "model": contender.name,
        **timing,
        **speed,
        "memory_bytes": contender.memory_bytes,
        "properties": dict(contender.properties),
    }


def contender_row(contender: "Contender", *, first: bool) -> list[str]:
    """Return one line of the table."""
    timing = contender.timing
    times = [contender.name, f"{timing.p50_ms:.3g}", f"{timing.p95_ms:.3g}"]
    memory = "" if contender.memory_bytes is None else file_size(contender.memory_bytes)
    if first:
        return [*times, "1.00×", "", memory, "what the others are compared with"]
    return [
        *times,
        speedup(timing.ratio),
        speedup_interval(timing),
        memory,
        "" if timing.decided else "not decided: noise exceeds the difference",
    ]
