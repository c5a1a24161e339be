"""What a search would do, without doing it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Unpack

from ovquant import runtime
from ovquant.api.options import QuantizeOptions, check_slices, read_options
from ovquant.api.quantize import limited
from ovquant.api.run import Run
from ovquant.api.session import Given, opened
from ovquant.domain.budget import Drop, Drops, Floors, read_budget
from ovquant.domain.files import TemporaryFolder
from ovquant.domain.plan import Plan
from ovquant.domain.profile import Profile
from ovquant.domain.progress import Progress, silent
from ovquant.measure.workbench import Workbench


@dataclass(frozen=True)
class Preview:
    """A run that was opened and not begun.

    `operations` counts those of what would be quantized by type, `samples` those of each role. `recipes` are what would be tried, the
    `opening` first, as far as what is found does not make it pointless. `float_ms` is float's median time, and `scoring_seconds` about
    how long it takes to score float and one plan on all data; calibrations and the search come on top.
    """

    model: str
    operations: Mapping[str, int]
    samples: Mapping[str, int]
    metrics: tuple[str, ...]
    budget: str
    device: str
    objective: str
    opening: str
    recipes: tuple[str, ...]
    float_ms: float
    scoring_seconds: float
    notes: tuple[str, ...]


def preview(
    model: Any,
    *,
    data: Any,
    metric: Any,
    max_drop: Drops = None,
    floor: Floors = None,
    max_latency: str | float | None = None,
    max_size: str | int | None = None,
    max_memory: str | int | None = None,
    worst_slice: str | float | Drop | None = None,
    confidence: float | None = None,
    calibration: Any = None,
    holdout: Any = None,
    progress: Progress = silent,
    **options: Unpack[QuantizeOptions],
) -> Preview:
    """Open all that a search needs, check that it fits, and tell what would be done; float is timed for some seconds.

    The arguments are those of `quantize`, and errors the same. Nothing is written.
    """
    settings = read_options(options, QuantizeOptions, of=preview)
    given = Given(model, metric, settings, data, {"calibration": calibration, "holdout": holdout})
    folder = TemporaryFolder()
    with opened(given, progress) as (session, described):
        budget = read_budget(
            max_drop,
            floor,
            max_latency,
            max_size,
            metrics=described.names,
            worst_slice=None if worst_slice is None else Drop.parse(worst_slice),
            confidence=confidence,
        )
        budget = limited(budget, max_memory)
        check_slices(budget, settings)
        session.open()
        bench = Workbench(session.instruments(folder.path, Profile()))
        search = Run(described, settings, budget, bench, 0.0).search(lambda trial: None)
        conditions, offer = bench.conditions, search.offer
        timing = bench.timing(conditions.float_plan, heats=1)
        splits = conditions.splits
        counted = len(splits.search) + 2 * len(splits.holdout)
        device = runtime.capabilities(settings.device)

        def title(*parts: str) -> str:
            return Plan("+".join(parts), search.read(parts)).full_title

        return Preview(
            model=described.name,
            operations=dict(described.operations),
            samples={role: len(getattr(splits, role)) for role in ("search", "holdout", "calibration")},
            metrics=tuple(described.names),
            budget=str(budget),
            device=f"{device.device}: {device.full_name}",
            objective=settings.optimize,
            opening=title(*offer.opening) if offer.opening else "",
            recipes=tuple(title(part) for part in offer.parts if part not in offer.free),
            float_ms=timing.float_p50_ms,
            scoring_seconds=counted * timing.float_p50_ms / 1000,
            notes=(*described.notes, *splits.notes),
        )
