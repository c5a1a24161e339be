"""Tables to predictions: they order the work, and are recorded to be compared with what is then measured."""

import numpy as np

from ovquant.domain.table import Candidate, LayerLevel, Table, TrialRow


def predicted_cost(table: Table, candidate: Candidate) -> float:
    """Return the cost to expect, relative to float: the nearest recipe that is known, plus what each change costs.

    With nothing known it is 1, which is float's own.
    """
    base = _recipe_cost(table, candidate.parts)
    if not candidate.levels:
        return base
    costs = {row.choice: row.cost for row in table.layers.get(candidate.parts, ())}
    near = nearest(table, candidate)
    known, start = (frozenset[LayerLevel](), base) if near is None else (near.candidate.levels, near.cost)
    put = sum(costs.get(choice, 0.0) for choice in candidate.levels - known)
    taken = sum(costs.get(choice, 0.0) for choice in known - candidate.levels)
    return start + put - taken


def predicted_divergence(table: Table, candidate: Candidate) -> float | None:
    """Return the divergence to expect of a recipe that was measured, some of its layers put back; None if it was not."""
    near = nearest(table, candidate)
    if near is None:
        return None
    gains = {row.choice: row.gain for row in table.layers.get(candidate.parts, ())}
    back = sum(gains.get(choice, 0.0) for choice in candidate.levels - near.candidate.levels)
    away = sum(gains.get(choice, 0.0) for choice in near.candidate.levels - candidate.levels)
    return max(0.0, near.divergence - back + away)


def predicted_excess(table: Table, candidate: Candidate) -> float | None:
    """Return the excess to expect at the divergence to expect: no lower at more divergence, by isotonic regression."""
    # scipy takes a moment to import, and a strategy is imported when plugins are only listed.
    from scipy.optimize import isotonic_regression

    divergence = predicted_divergence(table, candidate)
    rows = sorted(usable(table), key=lambda row: row.divergence)
    if divergence is None or not rows:
        return None
    # Nothing diverges from itself: float's own excess is the budget left whole.
    places = np.array([0.0, *(row.divergence for row in rows)])
    fitted = isotonic_regression([-table.allowed, *(row.excess for row in rows)]).x
    return float(np.interp(divergence, places, fitted))


def nearest(table: Table, candidate: Candidate) -> TrialRow | None:
    """Return the measured row of the same recipe that differs in the fewest layers, or None."""
    rows = [row for row in usable(table) if row.candidate.parts == candidate.parts]
    return min(
        rows,
        key=lambda row: (
            len(row.candidate.levels ^ candidate.levels),
            sorted(row.candidate.levels),
        ),
        default=None,
    )


def usable(table: Table) -> list[TrialRow]:
    """Return the rows that have figures."""
    return [row for row in table.trials if not row.failed]


def _recipe_cost(table: Table, parts: tuple[str, ...]) -> float:
    """Return the cost of a recipe as measured, or what its parts did elsewhere, added up."""
    known = {row.candidate.parts: row.cost for row in usable(table) if not row.candidate.levels}
    if parts in known:
        return known[parts]
    if not known:
        return 1.0
    stem = next((parts[:size] for size in range(len(parts) - 1, 0, -1) if parts[:size] in known), None)
    if stem is None:
        return float(np.median(list(known.values())))
    return known[stem] + sum(_effect(known, part) for part in parts[len(stem) :])


def _effect(known: dict[tuple[str, ...], float], part: str) -> float:
    """Return the median of what a part changed wherever it was put last."""
    changes = [cost - known[parts[:-1]] for parts, cost in known.items() if parts[-1] == part and parts[:-1] in known]
    return float(np.median(changes)) if changes else 0.0
