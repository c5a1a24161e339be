"""Real trials of layers put back: a path of choices is bisected for the budget, then single layers are changed."""

import math
from collections.abc import Sequence

from ovquant.protocols import Candidate, Levels, PartNames, Table, TrialRow, bisect_path, nearest, switched
from ovquant_qubo.interactions import Quadratic


def next_on_path(table: Table, parts: PartNames, model: Quadratic, path: Sequence[Levels]) -> Candidate | None:
    """Bisect the path for the first plan inside the budget; None when it is found or no cheaper plan is left."""
    worth = min((row.cost for row in table.trials if row.inside), default=1.0)
    plans = [Candidate(parts, levels) for levels in path]
    return bisect_path(table, plans, cost=lambda plan: predicted_cost(table, model, plan), worth=worth)


def next_change(table: Table, parts: PartNames, model: Quadratic, *, steps: int) -> Candidate | None:
    """Change one layer of the best plan inside the budget, where that is predicted to be cheaper and not too far off.

    Each better plan that is found is the next to be changed; None after `steps` changes of one that did not help.
    """
    inside = [row for row in table.trials if row.inside and row.candidate.parts == parts]
    best = min(inside, key=lambda row: (row.cost, sorted(row.candidate.levels)), default=None)
    if best is None:
        return None
    changes = _changes(table, model, best)
    if sum(table.row(change) is not None for change in changes) >= steps:
        return None
    return next((change for change in changes if table.row(change) is None), None)


def predicted_cost(table: Table, model: Quadratic, candidate: Candidate) -> float:
    """Return the cost to expect of a candidate: that of the nearest plan measured, and what the layers change.

    Unlike the core's prediction it counts pairs.
    """
    near = nearest(table, candidate)
    if near is None:
        return 1.0
    return near.cost + model.cost(candidate.levels) - model.cost(near.candidate.levels)


def _changes(table: Table, model: Quadratic, best: TrialRow) -> list[Candidate]:
    """Return the single changes predicted to be cheaper than the best plan, the cheapest first."""
    parts, levels = best.candidate.parts, best.candidate.levels
    cost, gain, edge = model.cost(levels), model.gain(levels), _edge(table, best)
    found = []
    for choice in model.choices:
        changed = switched(levels, choice)
        saved = cost - model.cost(changed)
        if saved > 0 and best.divergence + gain - model.gain(changed) < edge:
            found.append((-saved, choice, Candidate(parts, changed)))
    return [candidate for *_, candidate in sorted(found, key=lambda item: item[:2])]


def _edge(table: Table, best: TrialRow) -> float:
    """Return the least divergence of the plans of the same recipe that are outside, among those further off."""
    rows = [row for row in table.trials if row.candidate.parts == best.candidate.parts and not row.failed]
    return min(
        (row.divergence for row in rows if row.excess > 0 and row.divergence > best.divergence), default=math.inf
    )
