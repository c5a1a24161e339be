"""Solve a profile again for a new budget."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from ovquant.api.options import DEFAULT_STRATEGY
from ovquant.domain.budget import Budget, Drops, Floors, read_budget
from ovquant.domain.objective import Objective
from ovquant.domain.profile import Profile
from ovquant.domain.trial import Trial
from ovquant.errors import UsageError
from ovquant.plugins.registry import Registry
from ovquant.search.replay import Record, resolve


def plan(
    profile: str | Path,
    budget: Budget | None = None,
    *,
    max_drop: Drops = None,
    floor: Floors = None,
    max_latency_ms: str | float | None = None,
    max_size_bytes: str | int | None = None,
    strategy: Any = DEFAULT_STRATEGY,
    optimize: Objective | None = None,
) -> Trial:
    """Solve a profile again for a budget; nothing is run, and `apply` then builds and verifies the plan.

    The strategy goes on from what was measured. The trial returned is a measured one, or one with `predicted` alone
    where a plan that was never built is predicted to be cheaper; float where none is inside. optimize: what the profile
    was measured for unless given; "size" can always be asked for. Raises UsageError when the profile holds no trials, or
    trials of several runs.
    """
    path = Path(profile)
    budget = budget or profile_budget(path, max_drop, floor, max_latency=max_latency_ms, max_size=max_size_bytes)
    if budget.max_memory_bytes is not None:
        raise UsageError("Profiles do not hold the memory that plans take. Leave max_memory out, or use quantize.")
    record = Record.read(Profile(path))
    found = resolve(record, budget, Registry("strategies").resolve(strategy), optimize)
    return replace(found, plan=replace(found.plan, budget=replace(budget, metric=record.metrics[0]).to_json()))


def profile_budget(
    profile: str | Path, max_drop: Drops, floor: Floors, *, max_latency: str | float | None, max_size: str | int | None
) -> Budget:
    """Return the budget for a profile's metrics, which are named as they are in it."""
    path = Path(profile)
    if not path.exists():
        raise UsageError(
            f"The profile '{path}' does not exist. Give the profile.jsonl of a result or of `ovquant profile`."
        )
    metrics = Record.read(Profile(path)).metrics
    return read_budget(max_drop, floor, max_latency, max_size, metrics=metrics)
