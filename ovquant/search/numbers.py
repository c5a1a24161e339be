"""The numbers of a recipe: ranges, biases and bits of weights, chosen by how far outputs are from float's."""

import time
from collections.abc import Callable
from dataclasses import asdict, replace

from ovquant.domain.plan import Plan, Recipe
from ovquant.domain.table import PLAIN, CalibrationRow, Candidate, PartNames
from ovquant.measure.workbench import Workbench
from ovquant.search.standings import Standings

CLEARLY = 0.05
"""The share by which outputs must come nearer to float's for other numbers to be taken."""


def choose_numbers(
    parts: PartNames,
    standings: Standings,
    bench: Workbench,
    base: Plan,
    read: Callable[[PartNames], Recipe],
    until: float,
) -> None:
    """Change the numbers of a recipe one kind after the other, keeping what brings outputs clearly nearer to float's.

    What was chosen is put into the standings and the profile. No labels are needed, and nothing is timed. base: the recipe's plan.
    read: makes the recipe of parts. until: when time is up, by time.monotonic().
    """

    def plan(chosen: PartNames) -> Plan:
        return replace(base, name="+".join(chosen), recipe=read(chosen))

    table, offered = standings.table(), standings.offer.parts
    best, found = parts, {parts: bench.divergence(base)}
    for kind in dict.fromkeys(_kind(part) for part in offered if part in table.free):
        options = [part for part in offered if part in table.free and _kind(part) == kind]
        for option in ([], *([part] for part in options)):
            chosen = set(best) - set(options) | set(option)
            change = tuple(part for part in offered if part in chosen) or (PLAIN,)
            if change in found or time.monotonic() >= until:
                continue
            found[change] = bench.divergence(plan(change))
            left, best = (best, change) if found[change] < (1 - CLEARLY) * found[best] else (change, best)
            # What is a trial may still be walked on the holdout.
            bench.instruments.let_go([] if Candidate(left) in standings.trials else [plan(left)], plan(best))
    order = sorted(found.items(), key=lambda item: (item[0] != best, item[1]))
    rows = tuple(CalibrationRow(names, distance) for names, distance in order)
    standings.calibrations[table.operations(parts)] = rows
    key = {**bench.conditions.key(base), "parts": list(table.operations(parts))}
    bench.profile.record("calibrations", key, [asdict(row) for row in rows])


def _kind(part: str) -> str:
    """Return what a part is a choice of: the name of its plugin."""
    return part.partition(":")[0]
