"""What was given, to a prepared model, metrics, splits and a workbench."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openvino

from ovquant import runtime
from ovquant.api.options import Options
from ovquant.api.workspace import Work
from ovquant.domain.holdout_log import carry
from ovquant.domain.profile import Profile
from ovquant.domain.progress import Progress, silent, told
from ovquant.domain.split import Splits, split_data
from ovquant.errors import MetricError, ModelError
from ovquant.graph.keep_float import Kept, kept_operations
from ovquant.graph.names import MadeUp, with_unique_names
from ovquant.graph.precision import is_quantized
from ovquant.graph.shapes import parse_shapes, set_shapes
from ovquant.measure.models import Models
from ovquant.measure.score import Scorer
from ovquant.measure.stopwatch import Stopwatch
from ovquant.measure.workbench import Workbench
from ovquant.plugins.datasets import open_dataset
from ovquant.plugins.loaders import load_model
from ovquant.plugins.metrics import ResolvedMetric, resolve_metrics


@dataclass(frozen=True)
class Prepared:
    """A float model that is ready to be quantized, its metrics, and what must stay in float.

    `source` is the model's path, if it was given as one.
    """

    model: openvino.Model
    metrics: tuple[ResolvedMetric, ...]
    name: str
    kept: Kept
    source: str = ""

    @property
    def names(self) -> list[str]:
        """Return what the metrics are called."""
        return [metric.name for metric in self.metrics]


def prepare(model: Any, metric: Any, settings: Options) -> Prepared:
    """Load the model and the metric and check them against the device; the model that came in is not changed."""
    runtime.check_device(settings.device)
    loaded = load_float(model, settings)
    if is_quantized(loaded):
        raise ModelError(
            "The model is already quantized: it holds quantizers or low-bit weights. "
            "Give the float model that it was made from."
        )
    kept = kept_operations(loaded, settings.keep_float)
    source = str(Path(model).resolve()) if isinstance(model, str | Path) and Path(model).exists() else ""
    return Prepared(loaded, resolve_metrics(metric), model_name(model), kept, source)


def load_float(model: Any, settings: Options) -> openvino.Model:
    """Load a model as a copy with unique operation names, at the shapes and batch asked for."""
    loaded = with_unique_names(load_model(model), made_up=made_up_names(model))
    if settings.input_shape:
        loaded = set_shapes(loaded, parse_shapes(settings.input_shape))
    return runtime.with_batch(loaded, settings.batch) if settings.batch else loaded


def made_up_names(model: Any) -> MadeUp:
    """Return which operation names openvino made up for a model that was given like this. They differ each time it is made."""
    suffix = Path(model).suffix if isinstance(model, str | Path) else ""
    if suffix == ".xml":
        return "none"
    return "own" if suffix in (".onnx", ".pdmodel", ".pb") else "any"


def model_name(model: Any) -> str:
    """Return what a model is called in messages and default folder names."""
    if isinstance(model, str | Path):
        text = str(model)
        return Path(text.partition(".py:")[0]).stem if ".py:" in text else Path(text).stem
    return str(getattr(model, "friendly_name", "") or type(model).__name__)


def open_splits(
    data: Any, settings: Options, *, calibration: Any = None, holdout: Any = None, progress: Progress = silent
) -> Splits:
    """Open the data and give each sample its role."""
    opened = open_dataset(data)
    return split_data(
        opened,
        holdout=None if holdout is None else open_dataset(holdout),
        calibration=None if calibration is None else open_dataset(calibration),
        seed=settings.seed,
        slice_by=settings.slice_by,
        group_by=settings.group_by,
        step=told(progress, "comparing samples by content"),
    )


def verification_splits(data: Any, calibration: Any, settings: Options, progress: Progress = silent) -> Splits:
    """Return splits for verifying a plan: with separate calibration data, all of the data are held out."""
    if calibration is None:
        return open_splits(data, settings, progress=progress)
    return open_splits(calibration, settings, holdout=data, progress=progress)


def check_data(prepared: Prepared, splits: Splits, *, scored: Sequence[str] = ("search", "holdout")) -> None:
    """Raise DataError or MetricError early, before anything is measured, when the data do not fit.

    scored: the roles whose samples need targets, where the metric does.
    """
    for role, samples in (("search", splits.search), ("holdout", splits.holdout), ("calibration", splits.calibration)):
        sample = samples[0]
        runtime.fit(prepared.model.inputs, sample, what=f"the first sample of the {role} data")
        for metric in prepared.metrics if role in scored else ():
            if not metric.compares_with_float and sample.target is None:
                raise MetricError(
                    f"The metric {metric.name} needs targets and the {role} data have none. Add targets, or use "
                    "the label-free metric fidelity, which compares with the float model."
                )


def workbench(prepared: Prepared, splits: Splits, settings: Options, work: "Work", progress: Progress) -> Workbench:
    """Return the workbench that builds and measures in the work folder; earlier uses of holdouts are kept."""
    profile = Profile(work.folder / "profile.jsonl")
    if work.place is not None and (work.place.real / "profile.jsonl").exists():
        carry(Profile(work.place.real / "profile.jsonl"), profile)
    return workbench_in(work.folder / "trials", prepared, splits, settings, profile, progress)


def workbench_in(
    folder: Path, prepared: Prepared, splits: Splits, settings: Options, profile: Profile, progress: Progress
) -> Workbench:
    """Return the workbench that builds in a folder and records in a profile."""
    models = Models(
        model=prepared.model,
        splits=splits,
        metric=prepared.metrics[0],
        deployment=settings.deployment(),
        profile=profile,
        folder=folder,
        seed=settings.seed,
        progress=progress,
    )
    return Workbench(models, Scorer(models, prepared.metrics), Stopwatch(models, settings.optimize))
