"""Plans to models on disk: quantized once per recipe, layers switched, written as IR."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openvino

from ovquant import runtime
from ovquant.content import content_digest
from ovquant.plans import Plan, Recipe
from ovquant.quantization import Quantized, Validation, quantize
from ovquant.splits import Splits, draw

Progress = Callable[[str, int, int], None]
"""Called with what is being done, and how much of how much is done."""

KEPT_RECIPES = 2
"""Quantized models that are kept in memory, so that layers can be switched without calibrating again."""


RUNTIME_OPTIONS = ("DYNAMIC_QUANTIZATION_GROUP_SIZE", "KV_CACHE_PRECISION")
"""The properties that openvino takes from a model's own runtime_options; it ignores all others there."""


def with_runtime_options(model: openvino.Model, properties: Mapping[str, str]) -> openvino.Model:
    """Return a model, as a copy where it must be, that holds those of its properties that travel with it."""
    travelling = [name for name in RUNTIME_OPTIONS if name in properties]
    copy = model.clone() if travelling else model
    for name in travelling:
        copy.set_rt_info(properties[name], ["runtime_options", name])
    return copy


def silent(what: str, done: int, total: int) -> None:
    """Show no progress."""


def told(progress: Progress, what: str) -> Callable[[int, int], None]:
    """Return a progress callback that says what is being done."""
    return lambda done, total: progress(what, done, total)


@dataclass
class Builder:
    """Builds the plans of one float model; `folder` receives them, one folder per plan.

    `key` returns all that a plan's built model depends on, so that what another run left there is used only where it is
    the same. `validation` returns what a recipe needs to score models while it quantizes, None for most.
    """

    model: openvino.Model
    splits: Splits
    folder: Path
    key: Callable[[Plan], Mapping[str, Any]]
    validation: Callable[[Recipe], Validation | None]
    seed: int = 0
    device: str = "CPU"
    progress: Progress = silent
    _quantized: dict[str, Quantized] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def quantized(self, recipe: Recipe) -> Quantized:
        """Return the model quantized by a recipe, calibrating at most once while it stays in memory."""
        if recipe.key not in self._quantized:
            samples = draw(self.splits.calibration, recipe.calibration_size, seed=self.seed)
            requests = runtime.Requests(self.model.inputs, samples, told(self.progress, "calibrating"))
            # Room is made first: a quantized model can be large.
            while len(self._quantized) >= KEPT_RECIPES:
                self._quantized.pop(next(iter(self._quantized)))
            self._quantized[recipe.key] = quantize(
                self.model, recipe, calibration=requests, validation=self.validation(recipe)
            )
        return self._quantized[recipe.key]

    def hold(self, recipe: Recipe) -> None:
        """Let another recipe leave memory before this one."""
        if recipe.key in self._quantized:
            self._quantized[recipe.key] = self._quantized.pop(recipe.key)

    def build(self, plan: Plan) -> Path:
        """Build a plan, write it as IR and return the path of its model.xml; what is there already is used."""
        path = self._place(plan) / "model.xml"
        if not path.exists():
            model = self._finished(plan)
            partial_folder = path.parent.with_suffix(".partial")
            shutil.rmtree(partial_folder, ignore_errors=True)
            partial_folder.mkdir()
            openvino.save_model(
                model,
                partial_folder / "model.xml",
                compress_to_fp16=plan.compress_to_fp16,
            )
            partial_folder.rename(path.parent)
        return path

    def _finished(self, plan: Plan) -> openvino.Model:
        """Return a plan's model as it is saved: with what travels in it."""
        model = self.model if plan.recipe is None else self.quantized(plan.recipe).build(sorted(plan.layers))
        model = with_runtime_options(model, plan.properties)
        return runtime.mark(model, runtime.int8_arithmetic(self.device)) if plan.runs_int8 else model

    def discard(self, plan: Plan) -> None:
        """Delete the built files of a plan that is out of the running."""
        shutil.rmtree(self._place(plan), ignore_errors=True)

    def _place(self, plan: Plan) -> Path:
        return self.folder / content_digest(self.key(plan))[:16]
