"""What all measurements of a run share, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ovquant.domain.layer import FLOAT
from ovquant.domain.objective import Objective
from ovquant.domain.plan import NormalForm, Plan
from ovquant.domain.split import Splits
from ovquant.plugins.metrics import ResolvedMetric
from ovquant.runtime import PRECISION, REFERENCE, Deployment


@dataclass(frozen=True)
class Conditions:
    """One float model, data, metrics and a device, by what identifies them; it can be sent to another process.

    `fingerprint` is the float model's. `circumstances` are what outputs and times depend on beside model, plan and data.
    `splits` need no samples and `metrics` no plugins here. `metric_key` tells the metrics from others, and `primary_key` the
    first of them, by which accuracy control builds. `compressed` tells that the float model's weights are stored in few bits,
    and `normal` how its normal form was made, if it was. `elsewhere` is the int8
    arithmetic that the device has not, "" where it cannot be simulated.
    """

    fingerprint: str
    deployment: Deployment
    circumstances: Mapping[str, str]
    splits: Splits
    metrics: tuple[ResolvedMetric, ...]
    metric_key: Any
    primary_key: Any
    objective: Objective
    seed: int
    compressed: bool = False
    normal: NormalForm | None = None
    elsewhere: str = ""

    @cached_property
    def float_plan(self) -> Plan:
        """Return float as it is served."""
        return float_plan(self.deployment)

    @cached_property
    def reference_plan(self) -> Plan:
        """Return float in f32, which drops are against."""
        return reference_plan(self.deployment)

    def effective(self, plan: Plan) -> Plan:
        """Return a plan without the properties that say what the device does anyway: to compute float in f32."""
        if self.circumstances["precision"] != REFERENCE[PRECISION]:
            return plan
        return replace(plan, properties={k: v for k, v in plan.properties.items() if (k, v) not in REFERENCE.items()})

    def is_reference(self, plan: Plan) -> bool:
        """Tell whether a plan is float in f32, whether that is asked for or the device's default."""
        return self.effective(plan).key == self.effective(self.reference_plan).key

    def key(self, plan: Plan) -> dict[str, Any]:
        """Return what a measurement of a plan depends on, whatever is measured: also what its model is built from."""
        key = {
            "model": self.fingerprint,
            "plan": plan.key,
            "batch": self.deployment.batch,
            "device": self.deployment.device,
            "circumstances": self.circumstances,
            "calibration": self.splits.calibration.inputs,
            "seed": self.seed,
        }
        if plan.recipe is not None and plan.recipe.trainer:
            key |= {"search": self.splits.lessons.inputs}
        if plan.recipe is not None and plan.recipe.algorithm == "accuracy-control":
            # It is built by what it scores.
            key |= {"search": self.splits.search.fingerprint, "metric": self.primary_key}
        return key


def float_plan(deployment: Deployment) -> Plan:
    """Return the plan of float as a deployment serves it."""
    return Plan(FLOAT, properties=dict(deployment.properties))


def reference_plan(deployment: Deployment) -> Plan:
    """Return the plan of float in f32."""
    return Plan("float-f32", properties={**deployment.properties, **deployment.reference})
