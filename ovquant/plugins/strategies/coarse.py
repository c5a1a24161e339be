"""The coarse half of a search: recipe parts, put in while they do no harm, then left out where they do no good."""

from ovquant.domain.table import (
    HARM,
    IN_F32,
    PLAIN,
    SAVING,
    TRAINED,
    UNROUNDED,
    WEIGHTS,
    Calibration,
    Candidate,
    PartNames,
    Table,
    TrialRow,
)

CLEARLY = 0.1
"""The share by which divergences must differ to decide what scores cannot."""


def next_recipe(table: Table, *, most: int) -> Candidate | Calibration | None:
    """Return the next recipe to try, at most so many in all, or to have its numbers chosen, or None when none is left.

    The opening comes first, and each part that decides its operations is left out once. Where what is best of these is outside the
    budget its numbers are chosen: they cost nothing when the model is served. Outside the budget every part that does no harm is put in: parts
    act on each other, and what helps only beside another part is found from there. Inside it, only what is cheaper, or safer at the
    same cost while little of the budget is left. Then each part is left out once more, and stays out where that is no worse. Where
    what is best then is not safely inside, noise included, its numbers are chosen.
    """
    if sum(not row.candidate.levels for row in table.trials) >= most:
        return None
    if TRAINED in table.alone and table.row(Candidate((TRAINED,))) is None:
        # It is there, and takes no calibration.
        return Candidate((TRAINED,))
    wish, current = _opened(table)
    if wish is not None:
        return wish
    joinable = [part for part in table.parts if part not in table.alone and part != UNROUNDED]
    for part in joinable:
        if current is not None and _needless(table, part, current):
            continue
        change = _in_order(table, _chosen(current) | {part})
        row = table.row(change)
        if row is None:
            return change
        if not row.failed and (current is None or improves(table, row, current) or _harmless(table, row, current)):
            current = row
    if (apart := _apart(table) or _taught(table)) is not None:
        return apart
    for part in reversed(joinable):
        if current is None or part not in _chosen(current) or _needless(table, part, current):
            continue
        change = _in_order(table, _chosen(current) - {part})
        row = table.row(change)
        if row is None and change.parts:
            return change
        if row is not None and (improves(table, row, current) or _as_good(row, current)):
            current = row
    return None if current is None else _with_numbers(table, current)[0]


def _opened(table: Table) -> tuple[Candidate | Calibration | None, TrialRow | None]:
    """Return what is to be done first for the opening, if anything, and the best that came of it."""
    if not table.opening:
        return None, None
    opening = Candidate(table.opening)
    current = table.row(opening)
    if current is None or current.failed:
        return (opening if current is None else None), None
    if (change := in_f32(table)) is not None:
        row = table.row(change)
        if row is None:
            return change, current
        if improves(table, row, current):
            current = row
    # It is likely to be accurate, need not be so, and need not be the fastest: what decides its operations is left out once.
    for part in (part for part in table.opening if part not in table.free):
        change = _in_order(table, _chosen(current) - {part})
        row = table.row(change)
        if row is None and change.parts:
            return change, current
        if row is not None and improves(table, row, current):
            current = row
    return (None, current) if current.inside else _with_numbers(table, current)


def in_f32(table: Table) -> Candidate | None:
    """Return the opening with all that it does not quantize in f32, where the opening is outside the budget and that may be why."""
    row = table.row(Candidate(table.opening)) if table.opening and IN_F32 in table.parts else None
    if row is None or row.failed or row.inside:
        return None
    return _in_order(table, _chosen(row) | {IN_F32})


def _with_numbers(table: Table, row: TrialRow) -> tuple[Candidate | Calibration | None, TrialRow]:
    """Return what is to be done first for the best numbers for a recipe's operations, if anything, and the better recipe."""
    # Few samples flatter, and what is chosen here costs nothing when it is served.
    safe = table.comfortable(row) and row.excess + row.noise <= 0
    # Numbers change no cost.
    beaten = any(other.inside and table.comfortable(other) and other.cost_high < row.cost for other in table.trials)
    if not table.free or not table.opening or safe or beaten or row.cost >= 1:
        return None, row
    found = table.calibrations.get(table.operations(row.candidate.parts))
    if found is None:
        return Calibration(row.candidate.parts), row
    if not found or found[0].parts == row.candidate.parts:
        return None, row
    best = Candidate(found[0].parts)
    other = table.row(best)
    if other is None:
        return best, row
    return None, other if improves(table, other, row) else row


def _needless(table: Table, part: str, row: TrialRow) -> bool:
    """Tell whether a recipe need not be tried with or without a part: numbers are chosen apart, and f32 only makes safer."""
    return part == IN_F32 and row.inside if part not in table.free else bool(table.opening) or table.comfortable(row)


def _apart(table: Table) -> Candidate | None:
    """Return the next of the recipes that no part goes with, stored weights also with activations as they are."""
    for part in (part for part in table.parts if part in table.alone):
        if table.row(Candidate((part,))) is None and not _hopeless(table, part):
            return Candidate((part,))
        if (unrounded := _unrounded(table, part)) is not None:
            return unrounded
    return None


def _hopeless(table: Table, part: str) -> bool:
    """Tell whether a part is a variant of one that was tried and is of no use: it failed, or is no better than float.

    Recipes that were asked for, where there is no opening, are all tried.
    """
    if not table.opening:
        return False
    plain = table.row(Candidate((part.partition(":")[0],)))
    return plain is not None and plain.candidate.parts != (part,) and (plain.failed or plain.cost >= 1)


def _unrounded(table: Table, part: str) -> Candidate | None:
    """Return weights that are stored and a little outside the budget with activations as they are, where that is not known yet."""
    row, change = table.row(Candidate((part,))), _in_order(table, frozenset({part, UNROUNDED}))
    stored = part.partition(":")[0] == WEIGHTS and UNROUNDED in table.parts
    if not stored or row is None or row.failed or table.row(change) is not None:
        return None
    near = 0 < row.excess <= max(table.allowed, row.noise)
    return change if near and row.cost < 1 else None


def _taught(table: Table) -> Candidate | None:
    """Return the recipe whose numbers are to be trained, where they may be and that is not known yet.

    It is the one in four bits that would win if it were inside the budget, and is nearest to it: training changes numbers alone.
    """
    if not table.training or any(table.training in row.candidate.parts for row in table.trials):
        return None
    cheapest = min((row.cost for row in table.trials if row.inside), default=1.0)
    stored = [row for row in table.trials if not row.candidate.levels and _is_few_bits(row.candidate.parts)]
    if not table.opening:
        # What was asked for is trained as it is asked for.
        return None
    losers = [row for row in stored if not row.failed and row.excess > 0 and row.cost < cheapest - SAVING]
    best = min(losers, key=lambda row: (row.excess, row.cost), default=None)
    return None if best is None else Candidate((*best.candidate.parts, table.training))


def _is_few_bits(parts: PartNames) -> bool:
    """Tell whether a recipe stores weights in four bits in a way that training can go on from, and is that alone."""
    kind, _, how = parts[0].partition(":")
    return (
        kind == WEIGHTS
        and len(parts) == 1
        and "bits=4" in how.split(",")
        and not {"awq=true", "gptq=true"} & {*how.split(",")}
    )


def _chosen(row: TrialRow | None) -> frozenset[str]:
    return frozenset() if row is None else frozenset(row.candidate.parts) - {PLAIN}


def _harmless(table: Table, row: TrialRow, base: TrialRow) -> bool:
    """Tell whether a recipe that should be safer got no worse in accuracy, as far as can be told, nor slower than float.

    One inside the budget pays nothing for being safer.
    """
    if table.comfortable(base) or row.cost >= max(1.0, base.cost):
        return False
    if (row.excess, row.divergence, row.cost) == (base.excess, base.divergence, base.cost):
        # The same model: a part that changes nothing is none.
        return False
    if base.excess <= 0:
        return row.excess <= 0 and row.cost <= base.cost_high and row.divergence < (1 - CLEARLY) * base.divergence
    return row.excess - base.excess <= max(row.noise, base.noise) / 2 and row.divergence <= HARM * base.divergence


def _as_good(row: TrialRow, base: TrialRow) -> bool:
    """Tell whether a recipe with a part less is no worse: a part that does nothing only costs time to calibrate."""
    if row.failed or (row.excess > 0 and row.excess > base.excess):
        return False
    return row.cost <= base.cost_high and row.divergence <= (1 + CLEARLY) * base.divergence


def _in_order(table: Table, chosen: frozenset[str]) -> Candidate:
    parts = tuple(part for part in table.parts if part in chosen - {PLAIN})
    return Candidate(parts or ((PLAIN,) if PLAIN in table.parts else ()))


def best_recipes(table: Table) -> list[TrialRow]:
    """Return the recipes that were measured with no layer put back, best first."""
    recipes = [row for row in table.trials if not row.candidate.levels and not row.failed]
    return sorted(recipes, key=lambda row: (merit(table, row), row.divergence, row.candidate.parts))


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
