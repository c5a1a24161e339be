"""The recipe half of the search: each part alone, then those that helped joined one by one."""

from ovquant.tables import Candidate, PartNames, Table, TrialRow

PLAIN = "default"
"""The part that changes nothing: it is joined with none, since without it a recipe is the same."""


def next_recipe(table: Table, *, most: int) -> Candidate | None:
    """Return the next recipe to try, at most so many in all, or None when none is left.

    Joining is greedy: it begins with the best part, and of the others that helped each stays joined if that is better.
    """
    if sum(not row.candidate.float_layers for row in table.trials) >= most:
        return None
    for part in table.parts:
        if table.row(Candidate((part,))) is None:
            return Candidate((part,))
    helpful = _helpful(table)
    if not helpful:
        return None
    current = helpful[0]
    for other in helpful[1:]:
        joined = _joined(table, current.candidate.parts + other.candidate.parts)
        row = table.row(joined)
        if row is None:
            return joined
        if not row.failed and _rank(table, row) < _rank(table, current):
            current = row
    return None


def best_recipe(table: Table) -> TrialRow | None:
    """Return the best recipe that was measured with no layer put back, None if all failed."""
    built = [row for row in table.trials if not row.candidate.float_layers and not row.failed]
    return min(built, key=lambda row: (_rank(table, row), row.candidate.parts), default=None)


def _helpful(table: Table) -> list[TrialRow]:
    """Return the parts that can be joined and alone were better than the plain recipe, best first."""
    plain = table.row(Candidate((PLAIN,)))
    rows = [table.row(Candidate((part,))) for part in table.parts if part != PLAIN and part not in table.alone]
    found = [
        row
        for row in rows
        if row is not None
        and not row.failed
        and (plain is None or plain.failed or _rank(table, row) < _rank(table, plain))
    ]
    return sorted(found, key=lambda row: (_rank(table, row), row.candidate.parts))


def _joined(table: Table, chosen: PartNames) -> Candidate:
    return Candidate(tuple(part for part in table.parts if part in chosen))


def _rank(table: Table, row: TrialRow) -> tuple[float, float]:
    """Return how good a row is, less is better: its cost and how many budgets it is outside, then its divergence."""
    unit = max(table.allowed, 1e-9)
    return row.cost + min(max(0.0, row.excess) / unit, 1e6), row.divergence
