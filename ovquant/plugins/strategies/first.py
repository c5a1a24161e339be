"""A strategy that stops at the first plan inside the budget."""

from dataclasses import dataclass

from ovquant.domain.table import Candidate, Proposal, Table


@dataclass(frozen=True)
class First:
    """Try the recipe parts one at a time and stop at the first that is inside the budget and faster than float."""

    def propose(self, table: Table) -> Proposal | None:
        """Return the next untried part, or None once one holds or all are tried."""
        if any(row.inside for row in table.trials):
            return None
        tried = {row.candidate for row in table.trials}
        return next((candidate for part in table.parts if (candidate := Candidate((part,))) not in tried), None)
