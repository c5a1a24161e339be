"""Find the fastest model inside a budget, or measure for it."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from ovquant.api.options import Options, ProfileOptions, QuantizeOptions, check_slices, read_options
from ovquant.api.result import Result
from ovquant.api.run import Run
from ovquant.api.session import Given, opened
from ovquant.api.train import written_trained
from ovquant.api.workspace import Work
from ovquant.domain.budget import Budget, Drop, Drops, Floors, read_budget
from ovquant.domain.files import TemporaryFolder
from ovquant.domain.place import writing
from ovquant.domain.profile import Profile
from ovquant.domain.progress import Progress, silent
from ovquant.domain.table import TRAIN
from ovquant.domain.trial import Trial
from ovquant.domain.units import size_bytes
from ovquant.errors import UsageError
from ovquant.measure.workbench import Workbench
from ovquant.plugins.loaders.torch import Torch, is_program
from ovquant.plugins.recipes import split_parts


def quantize(
    model: Any,
    *,
    data: Any,
    metric: Any,
    max_drop: Drops = None,
    floor: Floors = None,
    worst_slice: str | float | Drop | None = None,
    confidence: float | None = None,
    max_latency: str | float | None = None,
    max_size: str | int | None = None,
    max_latency_ms: float | None = None,
    max_size_bytes: int | None = None,
    max_memory: str | int | None = None,
    budget: Budget | None = None,
    calibration: Any = None,
    holdout: Any = None,
    reference: Any = None,
    module: Any = None,
    train_data: Any = None,
    output: str | Path | None = None,
    force: bool = False,
    progress: Progress = silent,
    on_trial: Callable[[Trial], None] = lambda trial: None,
    command: str = "",
    **options: Unpack[QuantizeOptions],
) -> Result:
    """Find the fastest model inside an accuracy budget and prove it on held-out data.

    model: a path, an openvino.Model or a torch.nn.Module; it is not changed. data: a path, a sequence of samples, a
    DataLoader or a dataset; half is held out unless `holdout` is given. metric: a name or a function, or several, all of
    whose budgets must hold. max_drop: "1%" (relative), "1pt" or 0.01 (absolute), or a mapping of these by metric.
    worst_slice: what no slice of the data, made by the option slice_by, may lose more of. confidence: how sure the budget
    must be held on the holdout, such as 0.95; without it the point estimates decide. max_latency
    (of the median: "5ms", or a number of milliseconds) and max_size ("10MB", or bytes) limit the returned model; without
    max_drop the most accurate plan within them is returned. max_memory ("500MB", or bytes) limits what a process that serves it
    grows by. max_latency_ms, max_size_bytes: the same as numbers. budget: all
    of that in one, in place of them. reference: the float model, where `model` is what was made of it by training with quantizers in
    it (see `fake_quantize`): that is one contender then, beside what the reference is quantized to, and drops and speeds are against
    the reference. module: the torch.nn.Module that the model was exported from, FILE.py:factory or a folder of Transformers, which the
    option train needs where the model is none itself; train_data: what is trained on, by default the search half. options: see Options. With `output`, work in progress is kept in OUTPUT.partial and the same call continues it.
    Raises OvquantError with the cause.
    """
    begin = time.monotonic()
    settings = read_options(options, QuantizeOptions, of=quantize)
    work = Work(output, force=force, inputs=(model, reference, module, data, calibration, holdout, train_data))
    given = Given(
        model, metric, settings, data, {"calibration": calibration, "holdout": holdout, "training": train_data}
    )
    if trains(settings):
        given = replace(given, module=module_of(model, module, needed=settings.train is not None))
    trained = TemporaryFolder()
    if reference is not None:
        given = replace(given, model=reference, trained=written_trained(model, data, trained.path))
    with opened(given, progress) as (session, described):
        asked = read_budget(
            max_drop,
            floor,
            either(max_latency, max_latency_ms, "max_latency"),
            either(max_size, max_size_bytes, "max_size"),
            metrics=described.names,
            worst_slice=None if worst_slice is None else Drop.parse(worst_slice),
            confidence=confidence,
            budget=budget,
        )
        asked = limited(asked, max_memory)
        check_slices(asked, settings)
        session.open()
        with work:
            bench = Workbench(session.instruments(work.folder / "trials", work.profile()))
            run = Run(described, settings, asked, bench, begin, command)
            outcome = run.search(on_trial, on_best=lambda trial: work.keep_best(bench, trial)).run()
            return run.finish(outcome, work)


def trains(settings: Options) -> bool:
    """Tell whether numbers may be trained: otherwise no module need be sent to the process that measures, which then needs no torch."""
    parts = (part for recipe in settings.recipes for part in split_parts(recipe))
    return settings.train is not None or any(part.partition(":")[0] == TRAIN for part in parts)


def module_of(model: Any, module: Any, *, needed: bool) -> Any:
    """Return the PyTorch module that a model was exported from, which can be the model itself; raises UsageError where one is needed."""
    if module is None and Torch().accepts(model) and not is_program(model) and not str(model).endswith(".pt2"):
        module = model
    if module is None and needed:
        raise UsageError(
            "--train needs the PyTorch module that the model was exported from, whose weights are the same. Give it as --module: "
            "FILE.py:factory, or a folder that Transformers reads."
        )
    return module


def limited(budget: Budget, max_memory: str | int | None) -> Budget:
    """Return a budget that limits memory too; raises UsageError where it does already."""
    if max_memory is None:
        return budget
    if budget.max_memory_bytes is not None:
        raise UsageError("The memory is limited by the budget, and by max_memory; give one.")
    return replace(budget, max_memory_bytes=size_bytes(max_memory, "--max-memory"))


def either(one: Any, other: Any, name: str) -> Any:
    """Return what is given under one of two names; raises UsageError for both."""
    if one is not None and other is not None:
        raise UsageError(f"{name} is given twice, by two names; give it once.")
    return other if one is None else one


def profile(
    model: Any,
    *,
    data: Any,
    metric: Any,
    output: str | Path,
    max_drop: Drops = "1%",
    calibration: Any = None,
    holdout: Any = None,
    progress: Progress = silent,
    on_trial: Callable[[Trial], None] = lambda trial: None,
    **options: Unpack[ProfileOptions],
) -> Path:
    """Measure recipes and layers on the search split, into a profile.jsonl that `plan` reads; the holdout is not touched.

    max_drop: where the strategy should look closest; any budget can be solved from the profile afterwards.
    """
    begin = time.monotonic()
    settings, target = read_options(options, ProfileOptions, of=profile), Path(output)
    given = Given(model, metric, settings, data, {"calibration": calibration, "holdout": holdout})
    with opened(given, progress) as (session, described):
        budget = read_budget(max_drop, metrics=described.names)
        session.open()
        with writing(target), tempfile.TemporaryDirectory(prefix="ovquant-") as folder:
            target.parent.mkdir(parents=True, exist_ok=True)
            bench = Workbench(session.instruments(Path(folder), Profile(target)))
            search = Run(described, settings, budget, bench, begin).search(on_trial, to_the_end=True)
            search.explore()
    return target
