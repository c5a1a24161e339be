"""Models as they are, beside each other: their scores, and their times."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ovquant import runtime
from ovquant.budgets import Budget, Drop
from ovquant.building import Progress, silent
from ovquant.comparing import Comparing, resampler
from ovquant.datasets import open_dataset
from ovquant.evaluating import Evaluation, evaluate_all
from ovquant.metrics import metric_name, resolve_metric
from ovquant.repetition import check_repetition
from ovquant.runs import load_float, model_name, read_options
from ovquant.stopwatch import race_heats
from ovquant.trials import Timing


@dataclass(frozen=True)
class Comparison:
    """A model's score on data, and its drop against a reference where one was given."""

    metric: str
    higher_is_better: bool
    evaluation: Evaluation
    reference: Evaluation | None = None
    drop: float | None = None
    low: float | None = None
    high: float | None = None
    method: str = ""


def evaluate(
    model: Any, *, data: Any, metric: Any, reference: Any = None, progress: Progress = silent, **options: Any
) -> Comparison:
    """Score a model on data, beside a reference if given; the drop has a paired 95 % interval, and how it was made.

    The model runs at the device's default precision, the reference in f32.
    """
    settings = read_options(options)
    runtime.check_device(settings.device)
    scorer, samples = resolve_metric(metric), open_dataset(data)
    check_repetition(samples)
    deployment = settings.deployment()
    compiled = runtime.compile_model(load_float(model, settings), deployment)
    truth = (
        None
        if reference is None
        else runtime.compile_model(load_float(reference, settings), deployment, extra=runtime.REFERENCE)
    )
    # Without a reference there is no drop to resample.
    how: dict[str, Any] = {"metrics": [scorer], "reference": truth}
    how |= {"resample": resampler(len(samples), seed=settings.seed) if truth is not None else None}
    (mine,) = evaluate_all(compiled, samples, **how, step=lambda done, total: progress("evaluating", done, total))
    name = metric_name(scorer)
    if truth is None:
        return Comparison(name, scorer.higher_is_better, mine)
    (theirs,) = evaluate_all(truth, samples, **how, step=lambda done, total: progress("reference", done, total))
    score = Comparing([scorer], [name]).score([mine], [theirs], "holdout", Budget(max_drop=Drop(0.0)))
    return Comparison(name, scorer.higher_is_better, mine, theirs, score.drop, score.low, score.high, score.method)


HEATS, MOST_ROUNDS, TIMED_REQUESTS = 8, 400, 16


@dataclass(frozen=True)
class Contender:
    """One model of a benchmark; the ratios in `timing` are to the first model."""

    name: str
    timing: Timing


def benchmark(models: Sequence[Any], *, data: Any = None, seconds: float = 10.0, **options: Any) -> list[Contender]:
    """Time models in turn, on samples of the data or on random inputs of fixed shapes.

    seconds: time in all, compilation aside; it is spread over heats, in each of which all models are compiled anew and have
    another order. Returns one Contender per model; ratios are to the first, with intervals over heats. `optimize`
    "throughput" times bursts with all requests busy. Raises DataError when the shapes are dynamic and no data given.
    """
    settings = read_options(options)
    runtime.check_device(settings.device)
    makers = [partial(runtime.compile_model, load_float(model, settings), settings.deployment()) for model in models]
    first, *others = (make() for make in makers)
    samples = open_dataset(data) if data is not None else runtime.random_samples(first, seed=settings.seed)
    requests = runtime.requests_of(first, samples, TIMED_REQUESTS)
    # The others must take the samples too; what is timed is compiled in the heats.
    for other in others:
        runtime.requests_of(other, samples, 1)
    del first, others
    timings = race_heats(
        makers,
        lambda _: requests,
        objective=settings.optimize,
        seconds=seconds,
        heats=HEATS,
        most=MOST_ROUNDS,
        seed=settings.seed,
    )
    names = [model_name(model) if not isinstance(model, str | Path) else str(model) for model in models]
    return [Contender(name, timing) for name, timing in zip(names, timings, strict=True)]


__all__ = ["Comparison", "Contender", "benchmark", "evaluate"]
