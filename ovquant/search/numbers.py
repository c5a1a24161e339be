"""The numbers of a recipe: ranges, biases and bits of weights, chosen by how far outputs are from float's."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from itertools import islice, product

from ovquant.domain.plan import Plan
from ovquant.domain.recipe import Recipe
from ovquant.domain.table import PLAIN, CalibrationRow, Candidate, PartNames, Table
from ovquant.measure.workbench import Workbench
from ovquant.search.standings import Standings

CLEARLY = 0.05
"""The share by which outputs must come nearer to float's for other numbers to be taken."""
FINALISTS = 2
"""Ranges that biases are corrected for, of those that come nearest to float without."""
MOST_CHOICES = 24
"""Recipes that are compared at most."""


def choose_numbers(
    parts: PartNames,
    standings: Standings,
    bench: Workbench,
    base: Plan,
    read: Callable[[PartNames], Recipe],
    until: float,
) -> None:
    """Choose the numbers of a recipe by how near its outputs come to float's.

    All ranges are compared with biases as they are, which is quick, and the nearest once more with all bits of weights and
    biases corrected in each way on offer: corrected biases make up for most of what products lose that overflow. The next
    nearest have the bits and biases that were best there. No labels are needed, and nothing is timed. What was found is put
    into the standings and the profile. base: the recipe's plan. read: makes the recipe of parts. until: when time is up, by
    time.monotonic().
    """
    table = standings.table()
    found = {parts: bench.divergence(base)}
    plans = {names: replace(base, name="+".join(names), recipe=read(names)) for names in _choices(table, parts)}
    nearest, *others = _nearest(plans, base, bench, until)

    def compare(group: Iterable[PartNames]) -> Plan:
        """Return the plan that comes nearest to float, these included."""
        best = min(found, key=lambda known: found[known])
        for names in group:
            if names in found or time.monotonic() >= until:
                continue
            found[names] = bench.divergence(plans[names])
            best = min(found, key=lambda known: found[known])
            # What is a trial may still be walked on the holdout.
            left = [plan for known, plan in plans.items() if known != best and Candidate(known) not in standings.trials]
            bench.instruments.let_go(left, plans.get(best, base))
        return plans.get(best, base)

    like = _beside_ranges(compare(nearest))
    for group in others:
        compare(names for names in group if _beside_ranges(plans[names]) == like)
    best = min(found, key=lambda names: found[names])
    best = best if found[best] < (1 - CLEARLY) * found[parts] else parts
    order = sorted(found.items(), key=lambda item: (item[0] != best, item[1]))
    rows = tuple(CalibrationRow(names, distance) for names, distance in order)
    standings.calibrations[table.operations(parts)] = rows
    key = {**bench.conditions.key(base), "parts": list(table.operations(parts))}
    bench.profile.record("calibrations", key, [asdict(row) for row in rows])


def _choices(table: Table, parts: PartNames) -> Iterator[PartNames]:
    """Yield the recipes of the same operations: at most one part of each kind that changes numbers alone."""
    kinds: dict[str, list[str]] = {}
    for part in table.parts:
        if part in table.free:
            # A part is a choice of what its plugin is for.
            kinds.setdefault(part.partition(":")[0], []).append(part)
    options = [[(), *((part,) for part in kind)] for kind in kinds.values()]
    for chosen in islice(product(*options), MOST_CHOICES):
        names = {*table.operations(parts), *(part for kind in chosen for part in kind)} - {PLAIN}
        yield tuple(part for part in table.parts if part in names) or (PLAIN,)


def _beside_ranges(plan: Plan) -> tuple[str, str]:
    """Return the numbers of a recipe that are not of ranges."""
    assert plan.recipe is not None
    return plan.recipe.seven_bits, plan.recipe.bias_correction


def _nearest(plans: dict[PartNames, Plan], base: Plan, bench: Workbench, until: float) -> list[list[PartNames]]:
    """Return the recipes of the ranges that bring outputs nearest to float's before biases are corrected, nearest first."""
    assert base.recipe is not None
    alike: dict[str, list[PartNames]] = {}
    distances: dict[str, float] = {}
    for names, plan in plans.items():
        assert plan.recipe is not None
        bare = replace(plan, recipe=replace(plan.recipe.uncorrected, seven_bits=base.recipe.seven_bits))
        alike.setdefault(bare.key, []).append(names)
        if bare.key not in distances and (not distances or time.monotonic() < until):
            distances[bare.key] = bench.divergence(bare)
            if bare.key != plan.key:
                bench.instruments.let_go([bare])
    order = sorted(distances, key=lambda key: distances[key])[:FINALISTS]
    return [alike[key] for key in order]
