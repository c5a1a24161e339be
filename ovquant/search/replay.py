"""A profile solved again for a new budget: what was measured tells which plan to build, and nothing is run."""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ovquant.domain.budget import Budget
from ovquant.domain.layer import F32, FLOAT
from ovquant.domain.prediction import nearest, predicted_cost, predicted_divergence, predicted_excess
from ovquant.domain.profile import COMPARABLE, Profile
from ovquant.domain.table import (
    Calibration,
    CalibrationRow,
    Candidate,
    LayerLevel,
    LayerRow,
    PairRow,
    PartNames,
    Probe,
    Proposal,
    Table,
    TrialRow,
    failed_row,
)
from ovquant.domain.trial import Scores, Trial
from ovquant.domain.typed import fits, typed
from ovquant.errors import UsageError
from ovquant.plugins.protocols import Strategy
from ovquant.search.judge import Judge
from ovquant.search.standings import Offer, Standings

MOST_STEPS = 200
"""Proposals that a strategy may make here: with nothing to measure, one that never ends would never be stopped."""


@dataclass(frozen=True)
class Tried:
    """What a profile says of what was tried as what: a plan's key, its recipe parts and levels of layers, and what was on offer.

    Profiles of before have `float_layers`, the layers that were put back, instead of their levels.
    """

    plan: str
    parts: tuple[str, ...]
    offered: tuple[str, ...]
    alone: tuple[str, ...]
    seed: int
    float_layers: tuple[str, ...] = ()
    levels: Mapping[str, str] = field(default_factory=dict)
    free: tuple[str, ...] = ()
    opening: tuple[str, ...] = ()
    pinning: str = ""
    beside: str = ""
    training: str = ""

    @property
    def candidate(self) -> Candidate:
        """Return what was tried."""
        before = dict.fromkeys(self.float_layers, F32 if self.parts == (self.pinning,) else FLOAT)
        return Candidate(self.parts, frozenset(map(LayerLevel._make, (self.levels or before).items())))

    @property
    def offer(self) -> Offer:
        """Return what was on offer."""
        sets = (frozenset(self.alone), frozenset(self.free))
        return Offer(self.offered, *sets, self.seed, self.opening, self.pinning, self.training)


@dataclass(frozen=True)
class Record:
    """What a profile holds of one run: trials by candidate, the layers of recipes, and the parts on offer."""

    baseline: Trial
    trials: Mapping[Candidate, Trial]
    layers: Mapping[PartNames, tuple[LayerRow, ...]]
    pairs: Mapping[PartNames, tuple[PairRow, ...]]
    calibrations: Mapping[PartNames, tuple[CalibrationRow, ...]]
    offer: Offer
    higher_is_better: tuple[bool, ...]
    metrics: tuple[str, ...]
    objective: str

    @classmethod
    def read(cls, profile: Profile) -> "Record":
        """Read a profile; raises UsageError when it holds no run with a float model, or several runs."""
        run = _last_run(profile)
        entries = [(key, value) for key, value in profile.entries("trial") if _comparable(key) == run]
        try:
            return cls._of(profile, run, entries)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"The profile '{profile.path}' cannot be solved: {error}. Run it again.") from error

    @classmethod
    def _of(
        cls, profile: Profile, run: Mapping[str, str], entries: Sequence[tuple[Mapping[str, Any], Any]]
    ) -> "Record":
        tried = [typed(Tried, value) for key, value in profile.entries("candidate") if _is_of(key, run)]
        # What plans were timed beside most recently; other timings say nothing beside these.
        beside = tried[-1].beside if tried else ""
        read = [(key.get("beside", ""), trial) for key, trial in _readable(entries, profile)]
        floats = [trial for _, trial in read if trial.plan.is_float]
        trials = {trial.plan.key: trial for known, trial in read if known == beside}
        if not floats:
            raise UsageError(f"The profile '{profile.path}' holds no measurement of the float model; run it again.")
        pinning = {(item.pinning,) for item in tried}
        # Float as it is served was measured first, and float in f32 may be what plans were timed beside.
        baseline = next((trial for trial in floats if trial.plan.key == beside), floats[0])
        return cls(
            baseline,
            {item.candidate: trials[item.plan] for item in tried if item.plan in trials},
            {
                _names(key["parts"]): tuple(_layer(row, pinned=_names(key["parts"]) in pinning) for row in rows)
                for key, rows in profile.entries("layers")
                if _is_of(key, run)
            },
            {
                _names(key["parts"]): tuple(typed(PairRow, row) for row in rows)
                for key, rows in profile.entries("pairs")
                if _is_of(key, run)
            },
            {
                _names(key["parts"]): tuple(typed(CalibrationRow, row) for row in rows)
                for key, rows in profile.entries("calibrations")
                if _is_of(key, run)
            },
            tried[0].offer if tried else Offer(()),
            tuple(entries[0][1]["higher_is_better"]),
            tuple(entries[0][1]["metrics"]),
            run["objective"],
        )


def _names(value: Any) -> PartNames:
    if not fits(value, tuple[str, ...]):
        raise ValueError(f"the parts of a recipe are {value!r:.60}, where names are expected")
    return tuple(value)


def _layer(row: Any, *, pinned: bool) -> LayerRow:
    """Read the row of a layer; of before layers had levels, it is what the recipe's layers were put back to."""
    return typed(LayerRow, {"level": F32 if pinned else FLOAT, **row})


def _readable(
    entries: Iterable[tuple[Mapping[str, Any], Any]], profile: Profile
) -> Iterator[tuple[Mapping[str, Any], Trial]]:
    """Yield the trials of entries with their keys, after a warning of those that cannot be read."""
    for key, value in entries:
        try:
            yield key, Trial.from_json(value["trial"])
        except (ValueError, KeyError, TypeError, AttributeError, UsageError) as error:
            warnings.warn(f"A trial in '{profile.path}' is left out, since it cannot be read: {error}", stacklevel=2)


def _last_run(profile: Profile) -> dict[str, str]:
    """Return what the trials of the last run have in common; raises UsageError for no trials, or several runs of before."""
    groups = [_comparable(key) for key, _ in profile.entries("trial")]
    last = next(reversed([_comparable(value) for _, value in profile.entries("run")]), None)
    if last in groups:
        return last
    different = [group for place, group in enumerate(groups) if group not in groups[:place]]
    if len(different) != 1:
        found = f"trials of {len(different)} different runs" if different else "no trials"
        raise UsageError(
            f"The profile '{profile.path}' holds {found}. Give one that was made by one run on one set of data."
        )
    return different[0]


def _is_of(key: Mapping[str, Any], run: Mapping[str, str]) -> bool:
    """Tell whether what was measured without data or metric belongs to a run."""
    return all(str(key[name]) == run[name] for name in COMPARABLE if name in key)


def _comparable(key: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(key.get(name, "")) for name in COMPARABLE}


def resolve(record: Record, budget: Budget, strategy: Strategy, objective: str | None = None) -> Trial:
    """Return the plan to build for a budget: the cheapest that was measured or is predicted inside it, or float.

    The strategy goes on from what was measured; what it proposes beyond that is predicted, and then returned only if it
    is predicted cheaper than all that was measured. Such a trial has no score and no timing.
    """
    judge = _judge(record, budget, objective or record.objective)
    trials = {name: _judged(trial, record, budget) for name, trial in record.trials.items()}
    known = (dict(record.layers), dict(record.pairs), dict(record.calibrations))
    table = Standings(judge, record.offer, trials, *known).table()
    measured = set(table.trials)
    for _ in range(MOST_STEPS):
        proposal = strategy.propose(table)
        if proposal is None:
            break
        table = _answered(table, proposal)
    inside = [row for row in table.trials if not row.failed and row.excess <= 0 and row.cost_high < 1]
    # What was measured comes first among equals.
    best = min(inside, key=lambda row: (row.cost, row not in measured, sorted(row.candidate.levels)), default=None)
    if best is None or (judge.minimises_drop and judge.over(record.baseline) <= 0):
        return record.baseline
    if best in measured:
        return trials[best.candidate]
    return _predicted(record, best)


def _judge(record: Record, budget: Budget, objective: str) -> Judge:
    if len(budget.limits) != len(record.higher_is_better):
        raise UsageError(f"The profile has {len(record.higher_is_better)} metrics; give each a --max-drop NAME=DROP.")
    if objective not in (record.objective, "size"):
        raise UsageError(
            f"The profile was measured for {record.objective}, which says nothing about {objective}. "
            f"Run `ovquant profile --optimize {objective}`."
        )
    scores = [trial.search for trial in (record.baseline, *record.trials.values()) if trial.search is not None]
    # Float's score is known best where most samples were scored.
    most = max(scores, key=lambda score: score.samples)
    return Judge(budget, objective, record.baseline, budget.main.allowed(most.float_value))


def _judged(trial: Trial, record: Record, budget: Budget) -> Trial:
    """Return a trial with its score judged by a budget; it was recorded under another."""
    if trial.search is None:
        return trial
    found = []
    for arithmetic in dict.fromkeys(score.arithmetic for score in trial.search.all):
        scores = [score for score in trial.search.all if score.arithmetic == arithmetic]
        for score, limit, higher in zip(scores, budget.limits, record.higher_is_better, strict=False):
            excess = limit.excess(score.value, float_score=score.float_value, higher_is_better=higher)
            found.append(replace(score, excess=excess))
    return replace(trial, search=Scores(tuple(found)))


def _answered(table: Table, proposal: Proposal) -> Table:
    """Return the table with a prediction for what was never measured; recipes, their numbers and layers have none."""
    if isinstance(proposal, Calibration):
        return replace(table, calibrations={**table.calibrations, table.operations(proposal.parts): ()})
    if isinstance(proposal, Probe):
        known: dict[str, Any] = {"pairs": {**table.pairs, proposal.parts: ()}}
        return replace(table, **(known if proposal.pairs else {"layers": {**table.layers, proposal.parts: ()}}))
    near, excess = nearest(table, proposal), predicted_excess(table, proposal)
    if near is None or excess is None:
        row = failed_row(proposal)
    else:
        cost = predicted_cost(table, proposal)
        divergence = predicted_divergence(table, proposal) or 0.0
        row = TrialRow(proposal, excess, cost, cost, divergence, near.noise)
    return replace(table, trials=(*table.trials, row))


def _predicted(record: Record, row: TrialRow) -> Trial:
    base = record.trials[Candidate(row.candidate.parts)].plan
    return Trial(base.with_levels(row.candidate.levels), predicted=row.cost)
