"""Score models beside each other."""

from dataclasses import dataclass
from typing import Any, Unpack

import openvino

from ovquant import runtime
from ovquant.api.data import check_sample
from ovquant.api.options import MeasureOptions, read_options
from ovquant.api.planned import as_planned, planned_note
from ovquant.api.prepare import load_float, tokenizer_of
from ovquant.domain.budget import Budget, Drop
from ovquant.domain.labels import label_note, labels_of
from ovquant.domain.progress import Progress, silent
from ovquant.domain.repetition import check_repetition
from ovquant.domain.sample import Dataset
from ovquant.domain.split import class_of, known_classes
from ovquant.measure.chance import chance_notes
from ovquant.measure.evaluate import REFERENCE, Evaluation, evaluate_all
from ovquant.measure.keys import key_notes
from ovquant.measure.nans import told_nan
from ovquant.measure.paired import Pairing, resampler
from ovquant.measure.pixels import pixel_doubts
from ovquant.measure.reference import Reference
from ovquant.measure.rows import rows_of
from ovquant.plugins.datasets import open_dataset
from ovquant.plugins.metrics import ResolvedMetric, resolve_metrics


@dataclass(frozen=True)
class Comparison:
    """A model's score on data, and its drop against a reference where one was given; `notes` are for the user."""

    metric: str
    higher_is_better: bool
    evaluation: Evaluation
    reference: Evaluation | None = None
    drop: float | None = None
    low: float | None = None
    high: float | None = None
    method: str = ""
    notes: tuple[str, ...] = ()


def evaluate(
    model: Any,
    *,
    data: Any,
    metric: Any,
    reference: Any = None,
    progress: Progress = silent,
    **options: Unpack[MeasureOptions],
) -> Comparison:
    """Score a model on data, beside a reference if given; the drop has a paired 95 % interval, and how it was made.

    The model runs at the device's default precision, a result's model with the properties of its plan, and the reference in f32.
    """
    settings = read_options(options, MeasureOptions, of=evaluate)
    runtime.check_device(settings.device)
    (scorer,), loaded, deployment = resolve_metrics([metric]), load_float(model, settings), as_planned(model, settings)
    samples, batches = rows_of(open_dataset(data, tokenizer=tokenizer_of(model)), loaded, deployment)
    check_repetition(samples)
    check_sample(loaded, [scorer], samples[0])
    compiled, classes = runtime.compile_model(loaded, deployment), list[str | None]()
    truth = None if reference is None else _reference(load_float(reference, settings), settings.deployment())
    # Without a reference there is no drop to resample.
    how: dict[str, Any] = {"metrics": [scorer], "reference": None if truth is None else Reference(lambda: truth)}
    how |= {"resample": resampler(len(samples), seed=settings.seed) if truth is not None else None}
    watched: dict[str, Any] = {"seen": lambda block: classes.extend(map(class_of, block.targets))}
    watched |= {"step": lambda done, total: progress("evaluating", done, total)}
    (mine,) = evaluate_all(compiled, samples, **how, **watched)
    notes = [
        *planned_note(model, settings),
        *batches,
        *_notes(loaded, samples, scorer, mine, len(set(known_classes(classes)))),
    ]
    if truth is None:
        return Comparison(scorer.name, scorer.higher_is_better, mine, notes=tuple(notes))
    how |= {"whose": REFERENCE}
    (theirs,) = evaluate_all(truth, samples, **how, step=lambda done, total: progress("reference", done, total))
    notes += [told_nan(theirs.nan, REFERENCE)] if theirs.nan else []
    score = Pairing([scorer]).scores([mine], [theirs], "holdout", Budget(max_drop=Drop(0.0))).main
    found = score.drop, score.low, score.high, score.method, tuple(notes)
    return Comparison(scorer.name, scorer.higher_is_better, mine, theirs, *found)


def _reference(model: openvino.Model, deployment: runtime.Deployment) -> runtime.Compiled:
    return runtime.compile_model(model, deployment, extra=runtime.reference_properties(model, deployment.device))


def _notes(
    model: openvino.Model, samples: Dataset, metric: ResolvedMetric, found: Evaluation, classes: int
) -> list[str]:
    """Say what the user should know about the data, and about a score on them."""
    doubts = tuple(pixel_doubts(model, samples))
    notes = [*label_note(labels_of(samples)), *key_notes(model.inputs, samples[0])]
    notes += doubts if metric.compares_with_float else ()
    notes += [told_nan(found.nan, "the model")] if found.nan else []
    return notes + chance_notes([metric], [found], classes, "the model", doubts)
