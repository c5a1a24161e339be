"""Standings: the trials of a run, live or read from a profile, as a judge sees them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from ovquant.domain.table import IN_F32, CalibrationRow, Candidate, LayerRow, PairRow, PartNames, Table, TrialRow
from ovquant.domain.trial import Trial
from ovquant.search.judge import Judge

Judged = tuple[TrialRow, Trial]
DRIFT = 0.1
"""The share by which float's own time may differ from one timing to another."""


@dataclass(frozen=True)
class Offer:
    """The recipe parts that may be tried, in order.

    Those `alone` are not joined with others; those that are `free` change ranges and biases but no operation, and so no
    cost. `seed` is for strategies that draw. `opening` is the recipe that is likely to be best. `pinning` is the part by which
    layers of float are kept in f32, empty where the device computes it in f32 anyway; it is on offer only once it is `pinned`. `training` is the part that trains the numbers of
    weights in four bits, empty where none may.
    """

    parts: PartNames
    alone: frozenset[str] = frozenset()
    free: frozenset[str] = frozenset()
    seed: int = 0
    opening: PartNames = ()
    pinning: str = ""
    training: str = ""

    @property
    def pinned(self) -> "Offer":
        """Return the offer with the parts by which float, or what a recipe leaves in float, is kept in f32, if there are any."""
        part = self.pinning
        return replace(self, parts=(IN_F32, *self.parts, part), alone=self.alone | {part}) if part else self


@dataclass
class Standings:
    """What is known of each candidate, and of the layers of recipes; the judge turns it into rows."""

    judge: Judge
    offer: Offer
    trials: dict[Candidate, Trial] = field(default_factory=dict)
    layers: dict[PartNames, tuple[LayerRow, ...]] = field(default_factory=dict)
    pairs: dict[PartNames, tuple[PairRow, ...]] = field(default_factory=dict)
    calibrations: dict[PartNames, tuple[CalibrationRow, ...]] = field(default_factory=dict)

    def rows(self) -> list[Judged]:
        """Return every trial beside its row."""
        return [(self.judge.row(candidate, trial), trial) for candidate, trial in self.trials.items()]

    def inside(self) -> list[Judged]:
        """Return the trials that are inside the budget and surely better than float."""
        return [(row, trial) for row, trial in self.rows() if row.inside]

    def contending(self, most: int | None = None) -> list[Judged]:
        """Return the front of what is inside, and what may be as cheap as the cheapest of it: only a race in turn tells.

        That may be the next cheapest, too, where float itself took another time when either was timed.
        most: how many at most, those of the front evenly spread.
        """
        inside = self.inside()
        kept = front(inside) if most is None else spread(front(inside), most)
        cheapest = min((row.cost for row, _ in kept), default=0.0)
        # Plans of the same operations share their timing, and the nearest to float is in the front.
        costs = {row.cost for row, _ in kept}
        others = [pair for pair in inside if pair[0].cost not in costs]
        near = [pair for pair in others if self.judge.cost_low(pair[1]) < cheapest]
        near.sort(key=lambda pair: (pair[0].cost, pair[1].plan.name))
        runner_up = min(others, key=lambda pair: (pair[0].cost, pair[1].plan.name), default=None)
        if (
            self.judge.by_speed
            and runner_up is not None
            and runner_up not in near
            and any(drifted(runner_up[1], trial) for _, trial in kept)
        ):
            near.append(runner_up)
        return [*kept, *near[: None if most is None else most - len(kept)]]

    def best(self) -> Trial | None:
        """Return the cheapest plan that is inside the budget on the search data, of equal ones the nearest to float."""
        order = ((row.cost, row.divergence, trial.plan.name, trial) for row, trial in self.inside())
        return min(order, key=lambda item: item[:3], default=(None,))[-1]

    def update(self, changed: Iterable[Trial]) -> None:
        """Put trials in the place of those of the same plans."""
        by_key = {trial.plan.key: trial for trial in changed}
        for candidate, trial in self.trials.items():
            self.trials[candidate] = by_key.get(trial.plan.key, trial)

    def table(self) -> Table:
        """Return what a strategy may know."""
        rows = {candidate: self.judge.row(candidate, trial) for candidate, trial in self.trials.items()}
        layers: dict[PartNames, tuple[LayerRow, ...]] = {}
        pairs: dict[PartNames, tuple[PairRow, ...]] = {}
        for parts, found in self.layers.items():
            candidate = Candidate(parts)
            base, trial = rows.get(candidate), self.trials.get(candidate)
            near = self.pairs.get(parts)
            if base is not None and trial is not None and trial.timing is not None:
                divergence = trial.divergence or 0.0
                layers[parts] = self.judge.layers(found, base, divergence)
                near = None if near is None else self.judge.pairs(near, base, divergence)
            else:
                layers[parts] = found
            if near is not None:
                pairs[parts] = near
        # Where accuracy is made as good as fits, there is a cost to whatever changes it.
        free = frozenset[str]() if self.judge.minimises_drop else self.offer.free
        offer = self.offer
        pinning = offer.pinning if offer.pinning in offer.parts else ""
        known = (
            layers,
            offer.seed,
            pairs,
            offer.alone,
            free,
            dict(self.calibrations),
            offer.opening,
            pinning,
            offer.training,
        )
        return Table(offer.parts, self.judge.unit, tuple(rows.values()), *known)


def drifted(one: Trial, other: Trial) -> bool:
    """Tell whether the machine was in another state when two trials were timed, as float's own time shows: their ratios say little."""
    if one.timing is None or other.timing is None:
        return False
    return abs(one.timing.float_p50_ms / other.timing.float_p50_ms - 1) > DRIFT


def front(pairs: Sequence[Judged], *, margin: float = 0.0) -> list[Judged]:
    """Order from safest to most aggressive and keep what is cheaper than everything safer.

    Safest is nearest to float in its outputs: all plans here are inside the budget on the search split, and among
    them a score counts few samples that differ, so its order is mostly chance. What saves no more than the margin, a share of
    a safer plan's cost, is a tie, which goes to the safer one.
    """
    kept: list[Judged] = []
    for row, trial in sorted(pairs, key=lambda pair: (pair[0].divergence, pair[0].excess, pair[1].plan.name)):
        if not kept or row.cost < (1 - margin) * kept[-1][0].cost:
            kept.append((row, trial))
    return kept


def spread(items: Sequence[Judged], most: int) -> list[Judged]:
    """Return at most so many items, evenly spread, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(place * (len(items) - 1) / (most - 1))] for place in range(most)]
