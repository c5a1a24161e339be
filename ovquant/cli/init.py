"""The command `init`: a configuration for a model, to be looked at and changed."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ovquant.cli import options
from ovquant.cli.errors import guarded
from ovquant.cli.text import show

if TYPE_CHECKING:
    import openvino

TEMPLATE = """\
# ovquant quantize --config {file}
# Flags that are given beside win. Paths are as seen from where the command runs.

model = {model}
# inputs:  {inputs}
# outputs: {outputs}

# Some hundred samples or more, half of which are held out: a .npz, a folder of images, a table, or FILE.py:NAME.
{data}
# holdout = "others.npz"      # instead of half of the data

# {about}
# Others: {metrics}, or FILE.py:function.
metric = {metric}
max-drop = "1%"               # of float's score; 1pt is a hundredth, 0.01 is in the metric's unit
# confidence = 0.95           # prove it, instead of going by the point estimate

device = "CPU"                # here are: {devices}
optimize = {optimize}
# time-budget = "10m"         # else the search ends when nothing is gained for a while

output = {output}
"""


def init(
    model: options.Model,
    data: Annotated[
        str | None, typer.Option(metavar="DATA", help="Write this as the data.", rich_help_panel=options.DATA)
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Write to this new file.")] = Path(
        "ovquant.toml"
    ),
) -> None:
    """Look at a model, and write a commented configuration for `ovquant quantize --config`."""
    with guarded(as_json=False):
        text = suggested(model, data, output)
        from ovquant.errors import OutputError

        try:
            with output.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError as error:
            raise OutputError(f"'{output}' is there already. Give another file with -o.") from error
        except OSError as error:
            raise OutputError(f"'{output}' cannot be written: {error.strerror}.") from error
    missing = "" if data else "Fill in the data, then: "
    show(f"Written to {output}. {missing}ovquant quantize --config {output}")


def suggested(model: str, data: str | None, output: Path) -> str:
    """Return a configuration, with what can be known of the model filled in."""
    import openvino

    from ovquant.api.prepare import load_named
    from ovquant.cli.parsing import default_output
    from ovquant.plugins.registry import Registry

    loaded = load_named(model)
    generates = _generates(loaded)
    return TEMPLATE.format(
        file=output,
        model=json.dumps(model),
        inputs=_ports(loaded.inputs),
        outputs=_ports(loaded.outputs),
        data=f"data = {json.dumps(data)}" if data else '# data = "val.npz"',
        about=(
            "The share of next tokens that are float's; texts need no labels."
            if generates
            else "How near outputs are to float's, which needs no labels; with labels take what counts, such as accuracy."
        ),
        metrics=", ".join(sorted(Registry("metrics").working())),
        metric=json.dumps("agreement" if generates else "fidelity"),
        devices=", ".join(openvino.Core().available_devices),
        optimize=json.dumps("next-token" if generates else "latency"),
        output=json.dumps(str(default_output(model))),
    )


def _ports(ports: Any) -> str:
    from ovquant.graph.names import names_of

    return "; ".join(
        f"{name} {port.get_element_type().get_type_name()} {port.get_partial_shape()}"
        for name, port in zip(names_of(ports), ports, strict=True)
    )


def _generates(model: "openvino.Model") -> bool:
    """Tell whether a model is one that generates text."""
    from ovquant import runtime
    from ovquant.errors import UsageError

    try:
        runtime.check_generates(model.inputs)
    except UsageError:
        return False
    return any("logits" in port.get_names() for port in model.outputs)
