"""A small real model of two layers, data that it is right about, and a workbench for it."""

from pathlib import Path
from typing import Any

import numpy as np
import openvino
from openvino import opset13 as ops

from ovquant.domain.plan import Plan
from ovquant.domain.profile import Profile
from ovquant.domain.recipe import Recipe
from ovquant.domain.sample import Sample
from ovquant.domain.split import Splits, split_data
from ovquant.measure.instruments import Local
from ovquant.measure.models import Models
from ovquant.measure.score import Scorer
from ovquant.measure.stopwatch import Stopwatch
from ovquant.measure.workbench import Workbench
from ovquant.plugins.metrics import resolve_metrics
from ovquant.runtime import REFERENCE, Deployment

WIDTH, HIDDEN, CLASSES = 32, 48, 6
DEPLOYMENT = Deployment("CPU", {"PERFORMANCE_HINT": "LATENCY"})
EXACT = Plan("exact", properties={**DEPLOYMENT.properties, **REFERENCE, "NUM_STREAMS": "1"})
"""A plan that answers as the reference does, and is another one."""


def weights(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    one, other = random.standard_normal((WIDTH, HIDDEN)), random.standard_normal((HIDDEN, CLASSES))
    return one.astype(np.float32), other.astype(np.float32)


def network(seed: int = 0) -> openvino.Model:
    """Return x[?,32] → first → relu → second → scores."""
    one, other = weights(seed)
    port = ops.parameter([-1, WIDTH], np.float32, name="x")
    port.output(0).get_tensor().set_names({"x"})
    first = ops.matmul(port, ops.constant(one), False, False)
    second = ops.matmul(ops.relu(first), ops.constant(other), False, False)
    for node, name in ((first, "first"), (second, "second")):
        node.set_friendly_name(name)
    made = openvino.Model([second], [port], "network")
    made.outputs[0].get_tensor().set_names({"scores"})
    return made


def samples(count: int, seed: int = 1) -> list[Sample]:
    one, other = weights()
    rows = np.random.default_rng(seed).standard_normal((count, WIDTH)).astype(np.float32)
    return [Sample(row, int((np.maximum(row @ one, 0) @ other).argmax())) for row in rows]


def splits(count: int = 120, **how: Any) -> Splits:
    return split_data(samples(count), **how)


def models(folder: Path, *, metric: Any = "accuracy", **changes: Any) -> Models:
    """Return the models of plans, built in a folder; changes are of what Models takes."""
    given: dict[str, Any] = {
        "model": network(),
        "splits": splits(),
        "metric": resolve_metrics(metric)[0],
        "deployment": DEPLOYMENT,
        "profile": Profile(folder / "profile.jsonl"),
        "folder": folder / "trials",
        **changes,
    }
    return Models(**given)


def scorer(folder: Path, metric: Any = "accuracy", **changes: Any) -> Scorer:
    return Scorer(models(folder, metric=metric, **changes), resolve_metrics(metric))


def instruments(folder: Path, metric: Any = "accuracy", **changes: Any) -> Local:
    made = scorer(folder, metric, **changes)
    return Local(made.models, made, Stopwatch(made.models, "latency"))


def bench(folder: Path, metric: Any = "accuracy", **changes: Any) -> Workbench:
    return Workbench(instruments(folder, metric, **changes))


def plan(name: str = "default", recipe: Recipe | None = None, **changes: Any) -> Plan:
    """Return a plan that is served as float is."""
    return Plan(name, recipe or Recipe(), **{"properties": dict(DEPLOYMENT.properties), **changes})


IN_F32 = plan(properties={**DEPLOYMENT.properties, **REFERENCE})
"""A quantized plan whose float is computed in f32 by every device."""
