"""The fastest OpenVINO IR for this device that stays inside your accuracy budget, proven on held-out data."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ovquant.api import Checked as Checked
    from ovquant.api import Options as Options
    from ovquant.api import apply as apply
    from ovquant.api import check as check
    from ovquant.api import export as export
    from ovquant.api import plan as plan
    from ovquant.api import profile as profile
    from ovquant.api import quantize as quantize
    from ovquant.api import refresh as refresh
    from ovquant.budgets import Budget as Budget
    from ovquant.budgets import Drop as Drop
    from ovquant.contending import Comparison as Comparison
    from ovquant.contending import Contender as Contender
    from ovquant.contending import benchmark as benchmark
    from ovquant.contending import evaluate as evaluate
    from ovquant.errors import DataError as DataError
    from ovquant.errors import DeviceError as DeviceError
    from ovquant.errors import MetricError as MetricError
    from ovquant.errors import ModelError as ModelError
    from ovquant.errors import OutputError as OutputError
    from ovquant.errors import OvquantError as OvquantError
    from ovquant.errors import PluginError as PluginError
    from ovquant.errors import UnknownPluginError as UnknownPluginError
    from ovquant.errors import UsageError as UsageError
    from ovquant.inspecting import Inspection as Inspection
    from ovquant.inspecting import inspect as inspect
    from ovquant.live import AsyncInferQueue as AsyncInferQueue
    from ovquant.live import Core as Core
    from ovquant.live import DriftError as DriftError
    from ovquant.live import DriftWarning as DriftWarning
    from ovquant.live import GuardedModel as GuardedModel
    from ovquant.live import NotServedWarning as NotServedWarning
    from ovquant.live import RecordedModel as RecordedModel
    from ovquant.live import compile_model as compile_model
    from ovquant.live import guard as guard
    from ovquant.live import record as record
    from ovquant.plans import Plan as Plan
    from ovquant.plans import Recipe as Recipe
    from ovquant.protocols import Sample as Sample
    from ovquant.results import Result as Result
    from ovquant.trials import Score as Score
    from ovquant.trials import Timing as Timing
    from ovquant.trials import Trial as Trial

    __version__: str

_HOMES = {
    "ovquant.api": (
        "Checked",
        "Options",
        "apply",
        "check",
        "export",
        "plan",
        "profile",
        "quantize",
        "refresh",
    ),
    "ovquant.budgets": ("Budget", "Drop"),
    "ovquant.contending": ("Comparison", "Contender", "benchmark", "evaluate"),
    "ovquant.errors": (
        "DataError",
        "DeviceError",
        "MetricError",
        "ModelError",
        "OutputError",
        "OvquantError",
        "PluginError",
        "UnknownPluginError",
        "UsageError",
    ),
    "ovquant.inspecting": ("Inspection", "inspect"),
    "ovquant.live": (
        "AsyncInferQueue",
        "Core",
        "DriftError",
        "DriftWarning",
        "GuardedModel",
        "NotServedWarning",
        "RecordedModel",
        "compile_model",
        "guard",
        "record",
    ),
    "ovquant.plans": ("Plan", "Recipe"),
    "ovquant.protocols": ("Sample",),
    "ovquant.results": ("Result",),
    "ovquant.trials": ("Score", "Timing", "Trial"),
}
"""Where each public name lives; a module is imported when one of its names is first asked for."""

__all__ = [
    "AsyncInferQueue",
    "Budget",
    "Checked",
    "Comparison",
    "Contender",
    "Core",
    "DataError",
    "DeviceError",
    "DriftError",
    "DriftWarning",
    "Drop",
    "GuardedModel",
    "Inspection",
    "MetricError",
    "ModelError",
    "NotServedWarning",
    "Options",
    "OutputError",
    "OvquantError",
    "Plan",
    "PluginError",
    "Recipe",
    "RecordedModel",
    "Result",
    "Sample",
    "Score",
    "Timing",
    "Trial",
    "UnknownPluginError",
    "UsageError",
    "__version__",
    "apply",
    "benchmark",
    "check",
    "compile_model",
    "evaluate",
    "export",
    "guard",
    "inspect",
    "plan",
    "profile",
    "quantize",
    "record",
    "refresh",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: openvino and nncf take seconds to load."""
    import importlib
    from importlib.metadata import version

    if name == "__version__":
        value: Any = version("ovquant")
    else:
        home = next((module for module, names in _HOMES.items() if name in names), None)
        if home is None:
            raise AttributeError(f"module 'ovquant' has no attribute '{name}'")
        value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
