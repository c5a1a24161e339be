"""The command `inspect`: what a model's plan says, and what the device really runs."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from ovquant.cli import options
from ovquant.cli.errors import guarded
from ovquant.cli.parsing import given, properties
from ovquant.cli.text import details, print_json, show, table_of
from ovquant.plugins.reports.figures import decimal

if TYPE_CHECKING:
    from ovquant.api.inspect import Inspection
    from ovquant.domain.operation import Operation, Quantizer
    from ovquant.domain.plan import Plan


COLUMNS = {
    "operation": False,
    "type": False,
    "planned": False,
    "runs in": False,
    "primitive": False,
    "quantizers": False,
}


def inspect(
    model: options.Model,
    device: options.Device = "CPU",
    batch: options.Batch = None,
    property_: options.Properties = None,
    input_shape: options.InputShape = None,
    as_json: options.AsJson = False,
) -> None:
    """Show each layer's precision, planned and really executed, with scales and zero points."""
    with guarded(as_json=as_json):
        import ovquant

        chosen = given(batch=batch, properties=properties(property_ or ()), input_shape=input_shape)
        found = ovquant.inspect(model, device=device, **chosen)
    if as_json:
        print_json("inspect", asdict(found))
        return
    rows = [operation_row(operation) for operation in found.operations]
    show(details(summary(found)), "", table_of("Operations with weights or quantizers", COLUMNS, rows))


def summary(found: "Inspection") -> dict[str, str]:
    """Return what is worth knowing before the table."""
    used = ", ".join(f"{name} {count}" for name, count in found.executed.items())
    planned = ", ".join(f"{name} {count}" for name, count in found.planned.items())
    return {
        "model": found.model,
        **({} if found.plan is None else plan_rows(found.plan)),
        "device": f"{found.device.device}: {found.device.full_name}",
        "capabilities used": ", ".join(found.used) or "none beyond plain f32",
        "operations planned": planned or "none with weights",
        "primitives executed": used,
    }


def plan_rows(plan: "Plan") -> dict[str, str]:
    """Return what a plan is called, and its recipe as it is typed and in full."""
    recipe = {} if plan.recipe is None else plan.recipe.to_json()
    full = ", ".join(f"{name} {value}" for name, value in recipe.items() if value not in (None, []))
    taught = {} if plan.taught is None else {"training": plan.taught.told}
    return {"plan": plan.full_title, "recipe": plan.name, "in full": full, **taught}


def operation_row(operation: "Operation") -> list[str]:
    """Return one line of the table."""
    return [
        operation.name,
        operation.type,
        operation.planned,
        operation.executed,
        operation.primitive,
        "; ".join(quantizer_text(quantizer) for quantizer in operation.quantizers),
    ]


def quantizer_text(quantizer: "Quantizer") -> str:
    """Return `weights i8 scale 0.01…0.02 zero 0`."""
    parts = [f"{quantizer.of} {quantizer.type}"]
    if quantizer.scale_min is not None and quantizer.scale_max is not None:
        parts.append(f"scale {_span(quantizer.scale_min, quantizer.scale_max)}")
    if quantizer.zero_min is not None and quantizer.zero_max is not None:
        parts.append(f"zero {_span(quantizer.zero_min, quantizer.zero_max)}")
    return " ".join(parts)


def _span(low: float, high: float) -> str:
    return decimal(low) if low == high else f"{low:.3g}…{high:.3g}"
