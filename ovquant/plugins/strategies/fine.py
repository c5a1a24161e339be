"""The fine half of a search: which layers of a recipe are put back, and to which level.

A strategy brings a path: choices of layers from the cheapest plan to the safest. The path is bisected by real trials, then
single layers are changed until no change makes the best plan cheaper.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

from ovquant.domain.prediction import predicted_cost, predicted_excess, usable
from ovquant.domain.table import (
    SAVING,
    Candidate,
    LayerRow,
    Levels,
    Probe,
    Proposal,
    Table,
    TrialRow,
    switched,
)
from ovquant.plugins.strategies.coarse import best_recipes, in_f32

Path = Callable[[tuple[LayerRow, ...]], tuple[Levels, ...]]
"""The layers of a recipe to choices of those put back, from the cheapest to the safest, none twice."""
SLACK = 0.03
"""How wrong a predicted cost may be, relative to float, before a plan is not worth building."""


def next_pinned(table: Table, path: Path, *, margin: float) -> Proposal | None:
    """Where float as the device computes it is outside the budget, look for the layers of it to keep in f32.

    That takes no calibration, so it comes right after the opening, and after what takes none either: the opening with the rest in f32.
    """
    if not table.pinning or (table.opening and table.row(Candidate(table.opening)) is None):
        return None
    beside = in_f32(table)
    if beside is not None and table.row(beside) is None:
        return beside
    whole = Candidate((table.pinning,))
    row = table.row(whole)
    if row is None:
        return whole
    return None if row.failed else _next_on_path(table, row, path, margin)


def next_on_paths(table: Table, path: Path, *, bases: int, margin: float) -> Proposal | None:
    """Bisect the path of each of the best recipes for the budget, then for a safer share of it.

    So is that of a cheaper variant of one, which comes before what costs more than it.
    """
    variant, refined = _variant(table), 0
    for row in best_recipes(table):
        parts = row.candidate.parts
        if refined == bases:
            break
        if parts == (table.pinning,):
            continue
        step = None if variant is None or variant.cost > row.cost else _next_on_path(table, variant, path, margin)
        step = step or _next_on_path(table, row, path, margin)
        if step is not None:
            return step
        # A recipe without layers, such as one by accuracy control, has nothing to put back: the next one does.
        refined += bool(table.layers[parts])
    return None if variant is None else _next_on_path(table, variant, path, margin)


def _variant(table: Table) -> TrialRow | None:
    """Return the best recipe that is a cheaper variant, outside the budget, of one that is inside: between them lie mixtures.

    Such are weights in four bits beside weights in eight.
    """
    cheapest = min((row.cost for row in table.trials if row.inside and not row.candidate.levels), default=0.0)
    for row in best_recipes(table):
        part, *others = (name for name in row.candidate.parts if name != table.training)
        plain = table.row(Candidate((part.partition(":")[0],)))
        if others or part not in table.alone or plain is None or plain.candidate == row.candidate or not plain.inside:
            continue
        if row.excess > 0 and row.cost < cheapest - SAVING:
            return row
    return None


def _next_on_path(table: Table, row: TrialRow, path: Path, margin: float) -> Proposal | None:
    """Have the layers of a recipe measured, then bisect its path for the budget and for a safer share of it."""
    parts = row.candidate.parts
    if parts not in table.layers:
        return Probe(parts)
    plans = [Candidate(parts, levels) for levels in path(table.layers[parts])]
    cost = partial(predicted_cost, table)
    steps = (
        bisect_path(table, plans, cost=cost, worth=_worth(table), target=target)
        for target in (0.0, -margin * table.allowed)
    )
    return next((step for step in steps if step is not None), None)


def next_change(table: Table, *, steps: int) -> Candidate | None:
    """Change one layer of the cheapest plan that is accurate enough, where the change is predicted to make it cheaper.

    Each better plan that is found is the next to be changed; the search ends where no change helps (1-opt), or after
    `steps` changes of the plans that are as cheap as the best: what saves less than counts is no reason to start anew.
    """
    accurate = [row for row in usable(table) if row.excess <= 0]
    inside = [row for row in accurate if row.candidate.parts in table.layers]
    best = min(inside, key=lambda row: (row.cost, row.divergence, sorted(row.candidate.levels)), default=None)
    if best is None:
        return None
    equals = (row for row in inside if row.cost < best.cost + SAVING)
    tried = {change for row in equals for change in _changes(table, row) if table.row(change) is not None}
    if len(tried) >= steps:
        return None
    return next((change for change in _changes(table, best) if table.row(change) is None), None)


def _changes(table: Table, row: TrialRow) -> list[Candidate]:
    """Return the single changes that should save time within the budget, those that save the most first."""
    parts, levels = row.candidate.parts, row.candidate.levels
    costs = {layer.choice: layer.cost for layer in table.layers[parts]}
    found = []
    for choice in costs:
        changed = Candidate(parts, switched(levels, choice))
        gone, come = levels - changed.levels, changed.levels - levels
        saving = sum(costs.get(old, 0.0) for old in gone) - sum(costs[new] for new in come)
        if saving < SAVING:
            continue
        excess = predicted_excess(table, changed)
        # A prediction this far outside has never been wrong enough to build the plan for.
        if gone and excess is not None and excess > max(row.noise, table.allowed):
            continue
        found.append((-saving, choice, changed))
    return [changed for *_, changed in sorted(found, key=lambda item: item[:2])]


def _worth(table: Table) -> float:
    """Return the predicted cost that a plan must stay under to be worth building.

    Beside a plan that is safe enough it must be cheaper; else it may also be safer at about the same cost.
    """
    best = min((row for row in table.trials if row.inside), key=lambda row: row.cost, default=None)
    if best is None:
        return 1.0 + SLACK
    return best.cost - SAVING if table.comfortable(best) else best.cost + SLACK


def bisect_path(
    table: Table,
    plans: Sequence[Candidate],
    *,
    cost: Callable[[Candidate], float],
    worth: float,
    target: float = 0.0,
) -> Candidate | None:
    """Return the plan of a path that halves what is open between the last outside the target and the first inside.

    plans: from the cheapest to the safest. cost: predicts a plan's cost relative to float; what reaches `worth` is not
    built. target: the excess to reach, in the metric's unit. Returns None when nothing is left to try.
    """
    known = [(place, row) for place, plan in enumerate(plans) if (row := table.row(plan)) is not None]
    high = min((place for place, row in known if not row.failed and row.excess <= target), default=len(plans))
    low = max((place for place, row in known if place < high), default=-1)
    # What is predicted to cost more than a plan inside the budget is not worth building.
    high = min((place for place in range(low + 1, high) if cost(plans[place]) >= worth), default=high)
    if high - low <= 1:
        return None
    # The first plans put few layers back, and mostly that is enough: so the middle is geometric.
    return plans[max(low + 1, min(high - 1, round(math.sqrt((low + 2) * (high + 1))) - 2))]
