"""The command `diff`: which operation is to blame for the difference between two models."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ovquant.cli import options
from ovquant.cli.errors import guarded
from ovquant.cli.parsing import given, properties
from ovquant.cli.progress import Display
from ovquant.cli.text import print_json, show, table_of

if TYPE_CHECKING:
    from ovquant.measure.blame import Fault

COLUMNS = {
    "operation": False,
    "type": False,
    "own error": True,
    "error so far": True,
    "alone, at the outputs": True,
    "share": True,
}
MOST_SHOWN = 20


def diff(
    model: options.Model,
    other: Annotated[
        str,
        typer.Argument(
            metavar="OTHER", help="Compare this model with it: one that was made of it, or itself.", show_default=False
        ),
    ],
    data: options.Data,
    samples: Annotated[int, typer.Option(metavar="N", help="Run so many samples.", min=1)] = 8,
    device: options.Device = "CPU",
    batch: options.Batch = None,
    property_: options.Properties = None,
    input_shape: options.InputShape = None,
    as_json: options.AsJson = False,
) -> None:
    """Show which operations of a model part from another one's, and what each brings to the outputs' error.

    The first model runs in f32; --property is for the other one.
    """
    with guarded(as_json=as_json), Display() as display:
        import ovquant

        chosen = given(batch=batch, input_shape=input_shape)
        found = ovquant.diff(
            model,
            other,
            data=data,
            samples=samples,
            device=device,
            other_properties=properties(property_ or ()),
            progress=display.step,
            **chosen,
        )
    if as_json:
        print_json("diff", asdict(found))
        return
    rows = [_row(fault) for fault in found.blamed[:MOST_SHOWN]]
    title = (
        f"Operations by what each brings to the outputs' error, relative squared errors over {found.samples} samples"
    )
    show(f"The outputs are off by {found.outputs:.3g}.", "", table_of(title, COLUMNS, rows))


def _row(fault: "Fault") -> list[str]:
    effect = "" if fault.effect is None else f"{fault.effect:.3g}"
    share = "" if fault.share is None else f"{fault.share:.0%}"
    return [fault.name, fault.kind, f"{fault.own:.3g}", f"{fault.so_far:.3g}", effect, share]
