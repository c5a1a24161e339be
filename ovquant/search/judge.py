"""The judge: trials to rows of a table, by what is to be made small and what must hold."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scipy.special import ndtri

from ovquant.domain.budget import Budget
from ovquant.domain.table import Candidate, LayerRow, PairRow, TrialRow, failed_row
from ovquant.domain.trial import Score, Trial

LIMIT_UNIT = 0.1
"""The share of a latency or size limit that counts like a whole budget of accuracy."""


@dataclass(frozen=True)
class Judge:
    """Reads trials for one budget and objective, beside float: as it is served, or in f32 where that alone holds the budget.

    With an allowed drop the objective is made small and the drop must hold. Without one the limits of latency and size
    must hold and the drop is made small: strategies see the same kind of table, the two having changed places.

    Where a budget must be proven at a `level` of error on `proving` samples, a row's excess holds in reserve what the
    proof will take, so that what looks inside has even odds to be proven. `served_cost` is what float as it is served costs.
    """

    budget: Budget
    objective: str
    baseline: Trial
    allowed_drop: float
    level: float | None = None
    proving: int = 0
    served_cost: float = 1.0

    @property
    def minimises_drop(self) -> bool:
        """Tell whether accuracy is made as good as the limits permit."""
        return self.budget.max_drop is None

    @property
    def by_speed(self) -> bool:
        """Tell whether the search is for the fastest plan: then one that is no faster than another is of no use."""
        return not self.minimises_drop and self.objective != "size"

    @property
    def unit(self) -> float:
        """Return the excess that counts like one whole budget."""
        return LIMIT_UNIT if self.minimises_drop else self.allowed_drop

    def cost(self, trial: Trial) -> tuple[float, float]:
        """Return the objective relative to float and the upper end of its interval."""
        if self.objective == "size":
            share = trial.size_bytes / self.baseline.size_bytes
            return share, share
        assert trial.timing is not None
        return trial.timing.ratio, trial.timing.ratio_high

    def cost_low(self, trial: Trial) -> float:
        """Return the lower end of the interval of the objective relative to float."""
        assert trial.timing is not None
        return self.cost(trial)[0] if self.objective == "size" else trial.timing.ratio_low

    def over(self, trial: Trial) -> float:
        """Return how far a trial is over the limits of latency, size and memory, as a share; zero or less holds."""
        assert trial.timing is not None
        return self.budget.over(
            latency_ms=trial.timing.p50_ms, size_bytes=trial.size_bytes, memory_bytes=trial.memory_bytes
        )

    def row(self, candidate: Candidate, trial: Trial) -> TrialRow:
        """Return a trial as a strategy sees it."""
        if trial.search is None or trial.timing is None:
            return failed_row(candidate)
        # A metric or slice with a limit of its own counts by the share of that limit.
        score, unit = trial.search.nearest, 1.0
        if len(trial.search.all) > 1 and score.allowed > 0:
            unit = self.allowed_drop / score.allowed
        noise = 0.0 if score.low is None or score.high is None else unit * (score.high - score.low) / 2
        cost, cost_high = self.cost(trial)
        over, divergence = self.over(trial), trial.divergence or 0.0
        if self.minimises_drop:
            lost = max(0.0, trial.search.drop) / max(abs(trial.search.float_value), 1e-9)
            floor = max(0.0, score.excess)
            return TrialRow(candidate, over + floor, lost, lost, cost, noise=0.0)
        excess = unit * score.excess + self.reserve(score, unit)
        if over > 0:
            excess = max(excess, over / LIMIT_UNIT * max(self.allowed_drop, 1e-9))
        return TrialRow(candidate, excess, cost, cost_high, divergence, noise)

    def reserve(self, score: Score, unit: float = 1.0) -> float:
        """Return how far inside the budget a plan should be to be proven there; zero where nothing is to be proven.

        unit: what the score's unit counts in that of the primary metric.
        """
        if self.level is None or not self.proving or score.deviation is None:
            return 0.0
        error = unit * score.deviation / self.proving**0.5
        return float(max(ndtri(1 - self.level) * error, -math.log(self.level) / self.proving))

    def layers(self, rows: Sequence[LayerRow], base: TrialRow, divergence: float) -> tuple[LayerRow, ...]:
        """Return the layers of a recipe as a strategy sees them.

        base: the recipe's row, and `divergence` its measured one. Where the drop is made small, what a layer gains is
        taken off the drop in proportion, and what it costs is the gain lost towards the limit.
        """
        if not self.minimises_drop:
            return tuple(rows)
        slope = base.cost / divergence if divergence > 0 else 0.0
        return tuple(replace(row, gain=-row.cost, cost=-row.gain * slope) for row in rows)

    def pairs(self, rows: Sequence[PairRow], base: TrialRow, divergence: float) -> tuple[PairRow, ...]:
        """Return pairs of layers as a strategy sees them."""
        singles = [LayerRow(row.first, row.gain, row.cost) for row in rows]
        seen = self.layers(singles, base, divergence)
        return tuple(replace(row, gain=one.gain, cost=one.cost) for row, one in zip(rows, seen, strict=True))
