"""The default strategy: recipes first, combined where they help, then layers put back to float."""

from dataclasses import dataclass

from ovquant.tables import Candidate, PartNames, Probe, Proposal, Table, TrialRow

PLAIN = "default"
"""The part that changes nothing: what the first real part is compared with."""


@dataclass(frozen=True)
class CoarseToFine:
    """Join the recipe parts that help, then bisect how many of the worst layers must be float.

    `joins` is how many parts are joined at most, `sweeps` how often the parts are gone through, `bases` how many
    recipes are refined layer by layer, and `margin` the share of the budget that a second, safer plan per recipe is
    asked to leave unused: search data flatter.
    """

    joins: int = 5
    sweeps: int = 2
    bases: int = 2
    margin: float = 0.5

    def propose(self, table: Table) -> Proposal | None:
        """Return the next candidate or probe, or None when nothing is left to try."""
        return self._next_recipe(table) or self._next_layer_step(table)

    def _next_recipe(self, table: Table) -> Proposal | None:
        """Go through the parts in turn and keep each that makes the best recipe so far better, until none does.

        A part that did not help at first is tried again once after the recipe has changed: parts act on each other.
        """
        base: PartNames = ()
        for _ in range(self.sweeps):
            start = base
            for part in table.parts:
                grown = Candidate((*base, part))
                if part in base or (base and part == PLAIN) or len(base) >= self.joins:
                    continue
                row = table.row(grown)
                if row is None:
                    return grown
                if _improves(table, row, table.row(Candidate(base or (PLAIN,)))):
                    base = grown.parts if part != PLAIN else base
            if base == start:
                break
        return None

    def _next_layer_step(self, table: Table) -> Proposal | None:
        recipes = [row for row in table.trials if not row.candidate.float_layers and not row.failed]
        recipes.sort(key=lambda row: (_merit(table, row), row.candidate.parts))
        for row in recipes[: self.bases]:
            parts = row.candidate.parts
            if parts not in table.layers:
                return Probe(parts)
            for margin in (0.0, self.margin):
                step = self._bisect(table, parts, -margin * table.allowed)
                if step is not None:
                    return step
        return None

    def _bisect(self, table: Table, parts: PartNames, target: float) -> Candidate | None:
        """Find the fewest layers to put back, worst first, that bring the excess to the target."""
        ranked = [row.name for row in sorted(table.layers[parts], key=lambda row: (-row.gain, row.name))]
        # At most half of the layers, one where there are two or three: with more in float there is little left to win.
        low, high = 0, len(ranked) // 2 + 1
        if _reaches(table.row(Candidate(parts)), target):
            return None
        while high - low > 1:
            # Small counts matter most, so the middle is geometric.
            middle = max(low + 1, min(high - 1, round((max(low, 1) * high) ** 0.5)))
            candidate = Candidate(parts, frozenset(ranked[:middle]))
            row = table.row(candidate)
            if row is None:
                return candidate
            low, high = (low, middle) if _reaches(row, target) else (middle, high)
        return None


def _reaches(row: TrialRow | None, target: float) -> bool:
    return row is not None and not row.failed and row.excess <= target


def _merit(table: Table, row: TrialRow | None) -> float:
    """Return how good a row is, less is better: its cost, and how far outside the budget it is in budgets."""
    if row is None or row.failed:
        return float("inf")
    unit = max(table.allowed, 1e-9)
    return row.cost + min(max(0.0, row.excess) / unit, 1e6)


def _improves(table: Table, row: TrialRow, base: TrialRow | None) -> bool:
    """Tell whether a recipe is better than the one it grew from.

    A difference in accuracy that is within the noise decides nothing: then the cheaper one is better, so that a good
    combination is not missed because one of its parts looked a little worse alone.
    """
    if row.failed or base is None or base.failed:
        return not row.failed
    if (row.excess, row.divergence) == (base.excess, base.divergence):
        return False
    if row.excess <= 0 and base.excess <= 0:
        return row.cost < base.cost
    if abs(row.excess - base.excess) <= max(row.noise, base.noise) / 2:
        return row.cost < base.cost
    return _merit(table, row) < _merit(table, base)
