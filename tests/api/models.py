"""A small real classifier, data that it is right about, and a workbench for it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from openvino import opset13 as ops

from ovquant.api.data import open_splits
from ovquant.api.options import Options
from ovquant.api.prepare import instruments_in, prepare
from ovquant.api.run import Run
from ovquant.domain.budget import Budget, Drop
from ovquant.domain.profile import Profile
from ovquant.domain.progress import silent
from ovquant.domain.sample import Sample
from ovquant.measure.workbench import Workbench

WIDTH, CLASSES = 1024, 6
QUICK: dict[str, Any] = {"strategy": "first", "recipes": ["default"], "optimize": "size"}
"""One recipe, judged by size: what it gains does not depend on the machine or its noise."""


def directions(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((WIDTH, CLASSES)).astype(np.float32)


def linear(seed: int = 0) -> openvino.Model:
    """Return x[?,1024] → head → scores, which int8 changes a little."""
    port = ops.parameter([-1, WIDTH], np.float32, name="x")
    port.output(0).get_tensor().set_names({"x"})
    head = ops.matmul(port, ops.constant(directions(seed)), False, False)
    head.set_friendly_name("head")
    made = openvino.Model([head], [port], "linear")
    made.outputs[0].get_tensor().set_names({"scores"})
    return made


def samples(count: int, seed: int = 1) -> list[Sample]:
    """Return samples that `linear()` is right about."""
    rows = np.random.default_rng(seed).standard_normal((count, WIDTH)).astype(np.float32)
    return [Sample(row, int((row @ directions()).argmax())) for row in rows]


def unlabelled(data: Sequence[Sample]) -> list[Sample]:
    return [Sample(sample.inputs) for sample in data]


def run_in(
    folder: Path, *, metric: Any = "accuracy", budget: Budget | None = None, begin: float = 0.0, **options: Any
) -> Run:
    """Return a run of the classifier that builds and records in a folder."""
    settings = Options(**options)
    prepared = prepare(linear(), metric, settings)
    splits = open_splits(samples(120), settings)
    profile = Profile(folder / "profile.jsonl")
    bench = Workbench(instruments_in(folder / "trials", prepared, splits, settings, profile, silent))
    return Run(prepared, settings, budget or Budget(Drop(0.1)), bench, begin)
