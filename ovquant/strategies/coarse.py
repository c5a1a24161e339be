"""The coarse half of a search: recipe parts, alone, all together, and then one changed at a time."""

from ovquant.tables import Candidate, Table, TrialRow

PLAIN = "default"
"""The part that changes nothing: what a recipe without parts is written as."""
HOPELESS = 4.0
"""A part alone that is this many times further outside, or from float, than the plain recipe is not tried again."""
CLEARLY = 0.1
"""The share by which divergences must differ to decide what scores cannot."""


def next_recipe(table: Table, *, most: int) -> Candidate | None:
    """Return the next recipe to try, at most so many in all, or None when none is left.

    Each part is tried alone, then all parts that did no harm together: parts act on each other, and what helps only
    beside another part is found from there. Then each part is left out or put in once, and what helps stays.
    """
    if sum(not row.candidate.float_layers for row in table.trials) >= most:
        return None
    for part in table.parts:
        if table.row(Candidate((part,))) is None:
            return Candidate((part,))
    harmless = _harmless(table)
    joined = _in_order(table, frozenset(harmless))
    if len(harmless) > 1 and table.row(joined) is None:
        return joined
    starts = [row for part in table.parts if (row := table.row(Candidate((part,)))) and not row.failed]
    starts += [row] if (row := table.row(joined)) and not row.failed else []
    if not starts:
        return None
    return _climb(table, min(starts, key=lambda row: (merit(table, row), row.candidate.parts)))


def _climb(table: Table, current: TrialRow) -> Candidate | None:
    """Leave each part out, then put each other one in; return the first such change that is not known."""
    if frozenset(current.candidate.parts) & table.alone:
        return None
    hopeless = _hopeless(table)
    joinable = [part for part in table.parts if part != PLAIN and part not in table.alone]
    outs = [part for part in reversed(joinable) if part in current.candidate.parts]
    ins = [part for part in joinable if part not in current.candidate.parts and part not in hopeless]
    for part in (*outs, *ins):
        change = _in_order(table, frozenset(current.candidate.parts) - {PLAIN} ^ {part})
        row = table.row(change)
        if row is None and change.parts:
            return change
        if row is not None and (improves(table, row, current) or (part in outs and _as_good(row, current))):
            current = row
    return None


def _as_good(row: TrialRow, base: TrialRow) -> bool:
    """Tell whether a recipe with a part less is no worse: a part that does nothing only costs time to calibrate."""
    if row.failed or (row.excess > 0 and row.excess > base.excess):
        return False
    return row.cost <= base.cost_high and row.divergence <= (1 + CLEARLY) * base.divergence


def _in_order(table: Table, chosen: frozenset[str]) -> Candidate:
    parts = tuple(part for part in table.parts if part in chosen)
    return Candidate(parts or ((PLAIN,) if PLAIN in table.parts else ()))


def _harmless(table: Table) -> list[str]:
    """Return the parts that made accuracy, as far as can be told, no worse than the plain recipe alone."""
    plain = table.row(Candidate((PLAIN,)))
    found = []
    for part in table.parts:
        row = table.row(Candidate((part,)))
        if part == PLAIN or part in table.alone or row is None or row.failed or part in _hopeless(table):
            continue
        if plain is None or plain.failed or row.excess - plain.excess <= max(row.noise, plain.noise):
            found.append(part)
    return found


def _hopeless(table: Table) -> set[str]:
    """Return the parts that failed alone, or did many times more harm than the plain recipe."""
    plain = table.row(Candidate((PLAIN,)))
    rows = [(part, table.row(Candidate((part,)))) for part in table.parts]
    if plain is None or plain.failed:
        return {part for part, row in rows if row is not None and row.failed}
    worst = HOPELESS * max(plain.excess, table.allowed)
    return {
        part
        for part, row in rows
        if row is not None and (row.failed or row.excess > worst or row.divergence > HOPELESS * plain.divergence > 0)
    }


def best_recipes(table: Table, count: int) -> list[TrialRow]:
    """Return the best recipes that were measured with no layer put back, best first."""
    recipes = [row for row in table.trials if not row.candidate.float_layers and not row.failed]
    return sorted(recipes, key=lambda row: (merit(table, row), row.candidate.parts))[:count]


def merit(table: Table, row: TrialRow) -> float:
    """Return how good a row is, less is better: its cost, and how far outside the budget it is in budgets."""
    unit = max(table.allowed, 1e-9)
    return row.cost + min(max(0.0, row.excess) / unit, 1e6)


def improves(table: Table, row: TrialRow, base: TrialRow) -> bool:
    """Tell whether a recipe is better than another.

    Inside the budget the cheaper one is. Outside, a difference in accuracy that is within the noise decides nothing;
    then a clear difference in divergence does, and else the cost.
    """
    if row.failed or (row.excess, row.divergence) == (base.excess, base.divergence):
        return False
    if row.excess <= 0 and base.excess <= 0:
        return row.cost_high < base.cost
    if abs(row.excess - base.excess) > max(row.noise, base.noise) / 2:
        return merit(table, row) < merit(table, base)
    if abs(row.divergence - base.divergence) > CLEARLY * max(row.divergence, base.divergence):
        return row.divergence < base.divergence
    return row.cost_high < base.cost
