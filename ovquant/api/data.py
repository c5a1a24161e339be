"""Data to splits, which fit the model and its metrics."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import openvino

from ovquant import runtime
from ovquant.api.options import Options
from ovquant.api.prepare import Prepared
from ovquant.domain.cache import Room
from ovquant.domain.handed_on import attached
from ovquant.domain.progress import Progress, silent, told
from ovquant.domain.sample import Sample, own_tokens
from ovquant.domain.split import Splits, split_data, with_training
from ovquant.errors import MetricError
from ovquant.measure.keys import check_keys, key_notes, targets_hint
from ovquant.measure.pixels import pixel_doubts
from ovquant.measure.rows import rows_of
from ovquant.measure.texts import check_tokens
from ovquant.plugins.datasets import open_dataset
from ovquant.plugins.metrics import ResolvedMetric

CACHE_BYTES, CACHE_SHARE = 512 * 2**20, 0.1
"""The memory that samples may take which are slow to read, and the share of what is free at most."""


def open_splits(
    data: Any,
    settings: Options,
    *,
    model: openvino.Model | None = None,
    calibration: Any = None,
    holdout: Any = None,
    training: Any = None,
    tokenizer: Path | None = None,
    progress: Progress = silent,
) -> Splits:
    """Open the data and give each sample its role; by the model it is told whether they come in batches.

    tokenizer: the model's own.
    """
    notes: list[str] = []

    def samples(given: Any) -> Any:
        return None if given is None else _opened(given, settings, model, tokenizer, notes)

    step = told(progress, "comparing samples by content")
    splits = split_data(
        samples(data),
        holdout=samples(holdout),
        calibration=samples(calibration),
        seed=settings.seed,
        slice_by=settings.slice_by,
        group_by=settings.group_by,
        step=step,
        room=_room(),
    )
    splits = splits if training is None else with_training(splits, samples(training), step=step)
    return replace(splits, notes=(*notes, *splits.notes))


def join_splits(
    known: Splits,
    data: Any,
    settings: Options,
    *,
    model: openvino.Model,
    calibration: Any = None,
    holdout: Any = None,
    tokenizer: Path | None = None,
) -> Splits:
    """Open the data and give each sample the role that another process has given it; see `attached`."""

    def samples(given: Any) -> Any:
        return None if given is None else _opened(given, settings, model, tokenizer, [])

    return attached(known, samples(data), holdout=samples(holdout), calibration=samples(calibration), room=_room())


def _opened(
    given: Any, settings: Options, model: openvino.Model | None, tokenizer: Path | None, notes: list[str]
) -> Any:
    """Return data as a dataset of single samples, and add what is to be said of them to the notes."""
    dataset = open_dataset(given, tokenizer=tokenizer)
    if model is None:
        return dataset
    found, more = rows_of(dataset, model, settings.deployment())
    notes.extend(more)
    return found


def _room() -> Room:
    return Room(min(CACHE_BYTES, int(CACHE_SHARE * runtime.free_bytes())))


def check_data(prepared: Prepared, splits: Splits, *, scored: Sequence[str] = ("search", "holdout")) -> None:
    """Raise DataError or MetricError early, before anything is measured, when the data do not fit.

    scored: the roles whose samples need targets, where the metric does.
    """
    roles = [("search", splits.search), ("holdout", splits.holdout), ("calibration", splits.calibration)]
    roles += [] if splits.training is None else [("training", splits.training)]
    for role, samples in roles:
        sample = samples[0]
        check_sample(prepared.model, prepared.metrics if role in scored else (), sample, f"{role} data")
        check_tokens(prepared.model, samples, f"{role} data")


def check_sample(model: openvino.Model, metrics: Sequence[ResolvedMetric], sample: Sample, whose: str = "data") -> None:
    """Raise DataError or MetricError where the first sample does not fit the model, or has no target for a metric."""
    what = f"the first sample of the {whose}"
    check_keys(model.inputs, sample, what)
    runtime.fit(model.inputs, sample, what=what)
    for metric in metrics:
        own = metric.reads_texts and own_tokens(sample) is not None
        if not metric.compares_with_float and sample.target is None and not own:
            hint = targets_hint(model.inputs, sample)
            raise MetricError(f"The metric {metric.name} needs targets and the {whose} have none. {hint}")


def with_doubts(prepared: Prepared, splits: Splits) -> Splits:
    """Return splits with what may be wrong with the data: as notes where no metric would show that it is."""
    found = tuple(pixel_doubts(prepared.model, splits.search))
    notes = (*splits.notes, *key_notes(prepared.model.inputs, splits.search[0]))
    if all(metric.compares_with_float for metric in prepared.metrics):
        return replace(splits, notes=(*notes, *found))
    return replace(splits, notes=notes, doubts=found)
