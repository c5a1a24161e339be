"""Make one contender's model of one case in this process, and write down what it took.

    python examples/benchmark/contenders.py CASE CONTENDER FOLDER OPTIONS

The suite calls this; OPTIONS is JSON, the fields of Task behind `folder`. FOLDER receives the model and made.json.
"""

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from cases import ALL, Case
from counting import Counts, count
from data import opened

import ovquant
from ovquant.graph.normalise import normalised

CALIBRATION = 300
KINDS = ("default", "mixed", "transformer")
F32 = {"INFERENCE_PRECISION_HINT": "f32"}


@dataclass(frozen=True)
class Task:
    """What is to be made: `limit` cuts the data short, which is for checking the harness alone."""

    case: Case
    folder: Path
    time_budget: str | None = None
    strategy: str | None = None
    f32: bool = False
    limit: int | None = None

    @property
    def search(self) -> Any:
        """Open the search data."""
        return opened(self.case.search, self.limit)

    @property
    def calibration(self) -> list[int]:
        """Return which samples of the search data calibrate; all contenders with a calibration take the same."""
        return [int(pick) for pick in np.random.default_rng(0).permutation(len(self.search))[:CALIBRATION]]


def load(case: Case) -> openvino.Model:
    """Return the float model as ovquant reads it."""
    from ovquant.plugins.loaders import load_model

    return load_model(case.model())


def save(model: openvino.Model, folder: Path) -> dict[str, Any]:
    """Write a model's IR; all constants stay as they are."""
    openvino.save_model(model, folder / "model.xml", compress_to_fp16=False)
    return {"model": "model.xml"}


def calibration(task: Task, model: openvino.Model) -> Any:
    """Return the calibration data as NNCF takes them."""
    import nncf

    from ovquant.runtime import fit

    data = task.search
    return nncf.Dataset(task.calibration, lambda index: fit(model.inputs, data[index]))


def make_float(task: Task) -> dict[str, Any]:
    """Save the float model."""
    return save(load(task.case), task.folder)


def make_nncf(task: Task, kind: str = "default", *, normal: bool = False, tuned: bool = False) -> dict[str, Any]:
    """Quantize with plain nncf.quantize: its defaults, its mixed preset, or its transformer type.

    normal: take the normal form of the model, not the graph as it was read. tuned: histograms for ranges, and accurate biases. Both
    are what somebody does by hand who knows openvino and NNCF well.
    """
    import nncf
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    model = load(task.case)
    model = normalised(model).model if normal else model
    more: dict[str, Any] = {
        "default": {},
        "mixed": {"preset": nncf.QuantizationPreset.MIXED},
        "transformer": {"model_type": nncf.ModelType.TRANSFORMER},
    }[kind]
    if tuned:
        ranges = nncf.AdvancedQuantizationParameters(
            activations_range_estimator_params=RangeEstimatorParametersSet.HISTOGRAM
        )
        more |= {"fast_bias_correction": False, "advanced_parameters": ranges}
    return save(nncf.quantize(model, calibration(task, model), subset_size=CALIBRATION, **more), task.folder)


def make_accuracy_control(task: Task) -> dict[str, Any]:
    """Quantize with NNCF's accuracy control; the search data validate, at the same budget."""
    import nncf

    from ovquant.measure.evaluate import evaluate
    from ovquant.plugins.metrics import resolve_metrics

    model, data, metric = load(task.case), task.search, resolve_metrics(task.case.metric)[0]
    drop = ovquant.Drop.parse(task.case.max_drop)

    def validate(compiled: openvino.CompiledModel, picks: Iterable[int]) -> tuple[float, list[float]]:
        result = evaluate(compiled, [data[pick] for pick in picks], metric=metric)
        return result.score, list(result.items or ())

    made = nncf.quantize_with_accuracy_control(
        model,
        calibration_dataset=calibration(task, model),
        validation_dataset=nncf.Dataset(list(range(len(data)))),
        validation_fn=validate,
        max_drop=drop.value,
        drop_type=nncf.DropType.RELATIVE if drop.relative else nncf.DropType.ABSOLUTE,
        subset_size=CALIBRATION,
    )
    return save(made, task.folder)


def make_ovquant(task: Task) -> dict[str, Any]:
    """Search with ovquant; its result's folder becomes the contender's."""
    options = {"time_budget": task.time_budget, "properties": F32 if task.f32 else None}
    options |= {} if task.strategy is None else {"strategy": task.strategy}
    result = ovquant.quantize(
        task.case.model(),
        data=task.search,
        holdout=opened(task.case.holdout, task.limit),
        metric=task.case.metric,
        max_drop=task.case.max_drop,
        output=task.folder / "result",
        **options,
    )
    for file in list(result.folder.iterdir()):
        file.rename(task.folder / file.name)
    shutil.rmtree(task.folder / "result", ignore_errors=True)
    properties = dict(result.plan.properties)
    plan = {"verdict": result.verdict, "plan": result.plan.name, "trials": len(result.trials)}
    return {"model": "model.xml", "properties": properties, "notes": list(result.notes), **plan}


def make_ort(task: Task, kind: str = "float") -> dict[str, Any]:
    """Copy the ONNX model, or quantize it with onnxruntime."""
    from onnx_models import quantize

    source, target = Path(task.case.model()), task.folder / "model.onnx"
    if kind == "float":
        shutil.copyfile(source, target)
    else:
        data = task.search
        method = "MinMax" if kind == "int8" else kind
        quantize(source, target, (data[pick] for pick in task.calibration), load(task.case).inputs, method=method)
    return {"model": target.name}


def prepare(task: Task) -> dict[str, Any]:
    """Fetch and train what the case needs: the model, and the first sample of all its data."""
    load(task.case)
    return {"samples": [len(opened(text)) for text in (task.case.search, task.case.holdout, task.case.fresh)]}


MAKERS: Mapping[str, Callable[[Task], dict[str, Any]]] = {
    "prepare": prepare,
    "float": make_float,
    "nncf-default": make_nncf,
    "nncf-mixed": partial(make_nncf, kind="mixed"),
    "nncf-transformer": partial(make_nncf, kind="transformer"),
    **{f"hand-{kind}": partial(make_nncf, kind=kind, normal=True) for kind in KINDS},
    **{f"hand-{kind}-tuned": partial(make_nncf, kind=kind, normal=True, tuned=True) for kind in KINDS},
    "ort-float": make_ort,
    "ort-int8": partial(make_ort, kind="int8"),
    "ort-int8-percentile": partial(make_ort, kind="Percentile"),
    "ort-int8-entropy": partial(make_ort, kind="Entropy"),
    "ovquant": make_ovquant,
    "nncf-accuracy-control": make_accuracy_control,
}


def write(folder: Path, counts: Counts, begin: float, more: Mapping[str, Any]) -> None:
    """Write made.json."""
    values = {"seconds_inside": time.monotonic() - begin, **counts.to_json(), **more}
    (folder / "made.json").write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def main(name: str, contender: str, folder: Path, options: Mapping[str, Any]) -> None:
    """Make the contender; when asked to end, write what was counted until then."""
    counts, begin = count(), time.monotonic()

    def stop(_number: int, _frame: object) -> None:
        write(folder, counts, begin, {})
        os._exit(1)

    signal.signal(signal.SIGTERM, stop)
    maker = MAKERS["ovquant" if contender.startswith("ovquant") else contender]
    more = maker(Task(ALL[name], folder, **options))
    write(folder, counts, begin, {**more, "search_samples": len(opened(ALL[name].search, options.get("limit")))})


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), json.loads(sys.argv[4]))
