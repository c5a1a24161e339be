"""A result's model beside other ones: it is compiled as its plan says, since only so is it what was measured."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from ovquant.api.options import Options
from ovquant.domain.plan import Plan
from ovquant.domain.typed import read_json
from ovquant.errors import UsageError
from ovquant.runtime import Deployment


def plan_beside(model: Any) -> Plan | None:
    """Return the plan of a result's model, given as its file or its folder; None for all others."""
    if not isinstance(model, str | Path):
        return None
    path = Path(model) / "model.xml" if Path(model).is_dir() else Path(model)
    plan = path.with_name("plan.json")
    return Plan.load(plan) if path.name == "model.xml" and path.is_file() and plan.is_file() else None


def as_planned(model: Any, settings: Options) -> Deployment:
    """Return where and how a model is served: a result's with the properties of its plan too."""
    deployment = settings.deployment()
    return replace(deployment, properties={**deployment.properties, **planned_properties(model, settings)})


def planned_properties(model: Any, settings: Options) -> dict[str, str]:
    """Return the properties of a result's plan that are not given otherwise; none for another model, or another device's result."""
    try:
        plan = plan_beside(model)
    except UsageError:
        # Another program's file of that name says nothing here.
        return {}
    if plan is None or _device(Path(model)) not in ("", settings.device):
        return {}
    own = settings.deployment().properties
    return {name: value for name, value in plan.properties.items() if name not in own}


def planned_note(model: Any, settings: Options) -> list[str]:
    """Say with what a result's model is compiled since its plan says so, if anything."""
    told = ", ".join(f"{name}={value}" for name, value in sorted(planned_properties(model, settings).items()))
    return [f"'{model}' is compiled with {told}, as its plan says."] if told else []


def _device(model: Path) -> str:
    """Return the device that a result is for; "" where nothing says so."""
    folder = model if model.is_dir() else model.parent
    try:
        return str(read_json((folder / "compile.json").read_text(encoding="utf-8"))["device"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
