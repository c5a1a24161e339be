"""The command `evaluate`: the score of a model, and its drop against a reference."""

from typing import TYPE_CHECKING, Annotated

import typer

from ovquant.cli import options
from ovquant.cli.errors import guarded
from ovquant.cli.parsing import given, properties
from ovquant.cli.progress import Display
from ovquant.cli.text import details, drop_text, note_rows, print_json, show
from ovquant.plugins.reports.figures import decimal

if TYPE_CHECKING:
    from ovquant.api.evaluate import Comparison


def evaluate(
    model: options.Model,
    data: Annotated[str, typer.Option(metavar="DATA", help="Score on all of these samples.", show_default=False)],
    metric: options.Metric,
    reference: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Compare with this model, run in f32.", show_default=False)
    ] = None,
    device: options.Device = "CPU",
    batch: options.Batch = None,
    threads: options.Threads = None,
    property_: options.Properties = None,
    input_shape: options.InputShape = None,
    as_json: options.AsJson = False,
) -> None:
    """Score a model on data, and tell the drop against a reference."""
    with guarded(as_json=as_json), Display() as display:
        import ovquant

        found = ovquant.evaluate(
            model,
            data=data,
            metric=metric,
            reference=reference,
            progress=display.step,
            **given(
                device=device,
                batch=batch,
                threads=threads,
                properties=properties(property_ or ()),
                input_shape=input_shape,
            ),
        )
    if as_json:
        print_json("evaluate", comparison_json(found, model, reference))
        return
    show(details(comparison_rows(found, model, reference)))


def comparison_json(found: "Comparison", model: str, reference: str | None) -> dict[str, object]:
    """Return plain values: scores, samples and the drop."""
    return {
        "model": model,
        "reference": reference,
        "metric": found.metric,
        "higher_is_better": found.higher_is_better,
        "samples": found.evaluation.samples,
        "score": found.evaluation.score,
        "reference_score": None if found.reference is None else found.reference.score,
        "drop": found.drop,
        "drop_low": found.low,
        "drop_high": found.high,
        "interval_by": found.method,
        "notes": list(found.notes),
    }


def comparison_rows(found: "Comparison", model: str, reference: str | None) -> dict[str, str]:
    """Return the same as texts."""
    samples = f"on {found.evaluation.samples} samples"
    rows = {"model": model, found.metric: f"{decimal(found.evaluation.score)} {samples}"}
    notes = note_rows(found.notes)
    if found.reference is None or found.drop is None:
        return {**rows, **notes}
    better = "" if found.higher_is_better else "; lower scores are better"
    return {
        **rows,
        "reference": str(reference),
        f"{found.metric} of the reference": f"{decimal(found.reference.score)} {samples}",
        "drop": f"{drop_text(found.drop, found.low, found.high, found.method)}{better}",
        **notes,
    }
