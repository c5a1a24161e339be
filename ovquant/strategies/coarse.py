"""The coarse half of a search: recipe parts, alone, all together, and then one changed at a time."""

from collections.abc import Iterator

from ovquant.tables import Candidate, Table, TrialRow

PLAIN = "default"
"""The part that changes nothing: what a recipe without parts is written as."""
HOPELESS = 4.0
"""A part that made the outputs diverge this many times more than the plain recipe is not tried again."""
CLEARLY = 0.1
"""The share by which divergences must differ to decide what scores cannot."""


def next_recipe(table: Table, *, most: int) -> Candidate | None:
    """Return the next recipe to try, at most so many in all, or None when none is left.

    Each part is tried alone, then all parts that did no harm together: parts act on each other, and what helps only
    beside another part is found from there. Then one part at a time is put in or left out, as long as that helps.
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
    return _climb(table, min(starts, key=lambda row: (merit(table, row), row.candidate.parts)), most)


def _climb(table: Table, start: TrialRow, most: int) -> Candidate | None:
    """Follow the changes that help from what is known, and return the first that is not known."""
    current = start
    for _ in range(most):
        for change in _changes(table, current.candidate):
            row = table.row(change)
            if row is None:
                return change
            if improves(table, row, current):
                current = row
                break
        else:
            return None
    return None


def _changes(table: Table, candidate: Candidate) -> Iterator[Candidate]:
    """Yield the recipes with one part more or less; parts that stand alone, and hopeless ones, are not added."""
    chosen = frozenset(candidate.parts) - {PLAIN}
    if chosen & table.alone:
        return
    hopeless = _hopeless(table)
    for part in table.parts:
        if part != PLAIN and part not in table.alone and (part in chosen or part not in hopeless):
            changed = _in_order(table, chosen ^ {part})
            if changed.parts:
                yield changed


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
    plain = table.row(Candidate((PLAIN,)))
    limit = float("inf") if plain is None or plain.failed else HOPELESS * plain.divergence
    rows = [(part, table.row(Candidate((part,)))) for part in table.parts]
    return {part for part, row in rows if row is not None and (row.failed or row.divergence > limit)}


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
