"""Real trials of layers in float: a path of choices is bisected for the budget, then single layers are changed."""

import math
from collections.abc import Sequence

from ovquant.protocols import Candidate, PartNames, Table, TrialRow, bisect_path, nearest
from ovquant_qubo.interactions import Quadratic


def next_on_path(table: Table, parts: PartNames, model: Quadratic, path: Sequence[frozenset[str]]) -> Candidate | None:
    """Bisect the path for the first plan inside the budget; None when it is found or no cheaper plan is left."""
    worth = min((row.cost for row in table.trials if row.inside), default=1.0)
    plans = [Candidate(parts, floats) for floats in path]
    return bisect_path(table, plans, cost=lambda plan: predicted_cost(table, model, plan), worth=worth)


def next_change(table: Table, parts: PartNames, model: Quadratic, *, steps: int) -> Candidate | None:
    """Change one layer of the best plan inside the budget, where that is predicted to be cheaper and not too far off.

    Each better plan that is found is the next to be changed; None after `steps` changes of one that did not help.
    """
    inside = [row for row in table.trials if row.inside and row.candidate.parts == parts]
    best = min(inside, key=lambda row: (row.cost, sorted(row.candidate.float_layers)), default=None)
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
    return near.cost + model.cost(candidate.float_layers) - model.cost(near.candidate.float_layers)


def _changes(table: Table, model: Quadratic, best: TrialRow) -> list[Candidate]:
    """Return the single changes predicted to be cheaper than the best plan, the cheapest first."""
    parts, floats = best.candidate.parts, best.candidate.float_layers
    cost, gain, edge = model.cost(floats), model.gain(floats), _edge(table, best)
    found = []
    for name in model.names:
        changed = floats ^ {name}
        saved = cost - model.cost(changed)
        if saved > 0 and best.divergence + gain - model.gain(changed) < edge:
            found.append((-saved, name, Candidate(parts, changed)))
    return [candidate for *_, candidate in sorted(found, key=lambda item: item[:2])]


def _edge(table: Table, best: TrialRow) -> float:
    """Return the least divergence of the plans of the same recipe that are outside, among those further off."""
    rows = [row for row in table.trials if row.candidate.parts == best.candidate.parts and not row.failed]
    return min(
        (row.divergence for row in rows if row.excess > 0 and row.divergence > best.divergence), default=math.inf
    )
