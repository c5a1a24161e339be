"""What a search has gained, and when it has gone on for long enough without."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from ovquant.domain.table import TrialRow

SOON = 30.0
"""Seconds that a search has in any case."""
AWHILE, FRUITLESS = 12.0, 3
"""Seconds, and proposals, that have gained nothing when a search ends for it."""

WORTH = 0.9
"""The share of the best plan's cost that one on its way into the budget may have at most, so that it is waited for."""


def on_its_way(row: TrialRow, rows: Iterable[TrialRow], cheapest: float) -> bool:
    """Tell whether a plan with layers put back is far cheaper than the best, and nearer to float than all of its recipe that are outside.

    By outputs, whose divergence falls with each layer: a score can rise before it falls.
    """
    others = [
        other.divergence for other in rows if other.candidate != row.candidate and not other.failed and other.excess > 0
    ]
    outside = not row.failed and row.excess > 0
    return outside and row.divergence < min(others, default=float("inf")) and row.cost < WORTH * cheapest


@dataclass
class Gains:
    """The best plan so far, by its key, and how long it has been the best.

    With `ends` a search that has a plan to return ends when it has gained nothing for a while; else it goes on as long as its strategy.
    """

    ends: bool = False
    best: str = ""
    begin: float = field(default_factory=time.monotonic)
    last: float = 0.0
    fruitless: int = 0

    def take(self, key: str | None, *, promising: bool = False) -> bool:
        """Take what is the best plan after another proposal, None where there is none, and tell whether it is another one.

        promising: though it gained nothing, it shows where something may be gained, and so is not fruitless.
        """
        if key is None or key == self.best:
            self.fruitless += not promising
            return False
        self.best, self.last, self.fruitless = key, time.monotonic(), 0
        return True

    @property
    def exhausted(self) -> str:
        """Say that the search has gone on for long enough, or nothing."""
        now = time.monotonic()
        if not self.ends or not self.best or now - self.begin < SOON:
            return ""
        if self.fruitless < FRUITLESS or now - self.last < AWHILE:
            return ""
        return (
            f"The search ended after {now - self.begin:.0f} s, the last {now - self.last:.0f} of which gained nothing; with "
            "--time-budget it goes on for as long as you say."
        )
