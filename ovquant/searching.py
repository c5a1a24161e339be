"""Strategy, workbench and budget to the one plan to return."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from ovquant.budgets import Budget
from ovquant.measuring import Objective, Workbench
from ovquant.plans import Plan, Recipe
from ovquant.protocols import Strategy
from ovquant.tables import Candidate, LayerRow, PartNames, Probe, Table, TrialRow
from ovquant.trials import Score, Trial, Verdict

T = TypeVar("T")
MOST_FINALISTS = 8
HEAT_SECONDS = 2.0
"""Time per finalist in the last interleaved race."""


@dataclass(frozen=True)
class Outcome:
    """What a search ended in: the trial to return, all trials, the order of the walk, and remarks for the user."""

    verdict: Verdict
    chosen: Trial
    baseline: Trial
    trials: tuple[Trial, ...]
    walked: tuple[Trial, ...]
    notes: tuple[str, ...] = ()


@dataclass
class Search:
    """One search: turns proposals into trials and keeps the table that the strategy sees."""

    bench: Workbench
    budget: Budget
    strategy: Strategy
    parts: tuple[str, ...]
    read: Callable[[PartNames], Recipe]
    seed: int = 0
    until: float = float("inf")
    on_trial: Callable[[Trial], None] = lambda trial: None
    _trials: dict[Candidate, Trial] = field(default_factory=dict)
    _layers: dict[PartNames, tuple[LayerRow, ...]] = field(default_factory=dict)
    _notes: list[str] = field(default_factory=list)

    def run(self) -> Outcome:
        """Search, fix the candidates and their order on the search split, then walk the holdout once."""
        baseline = self.baseline()
        self.explore(baseline)
        self._note_precision()
        finalists = self._finalists(baseline)
        walked = self._walk(finalists)
        passed = [trial for trial in walked if trial.holdout is not None and trial.holdout.excess <= 0]
        trials = tuple(self._trials.values())
        if passed:
            return Outcome("met", passed[-1], baseline, trials, tuple(walked), tuple(self._notes))
        verdict, kept = self._float_verdict(baseline)
        return Outcome(verdict, kept, baseline, trials, tuple(walked), tuple(self._notes))

    def baseline(self) -> Trial:
        """Measure the float model as it would be served, beside the float reference in f32."""
        allowed = self.budget.max_drop.allowed(self.bench.evaluation(self.bench.reference_plan, "search").score)
        self.bench.allowed_drop = allowed
        baseline = self.bench.trial(self.bench.float_plan, self.budget)
        self.on_trial(baseline)
        if baseline.search is not None and baseline.search.drop != 0:
            self._notes.append(
                f"{self.bench.deployment.device} computes the float model below f32 unless told otherwise: its score "
                f"on the search split is {baseline.search.value:.4g}, and {baseline.search.float_value:.4g} in f32. "
                "Drops are against f32, speeds against the float model as it runs by default."
            )
        return baseline

    def _note_precision(self) -> None:
        """Say where plans had to leave the device's default precision."""
        moved = [trial for trial in self._trials.values() if trial.plan.properties != self.bench.float_plan.properties]
        if moved:
            self._notes.append(
                f"{len(moved)} of {len(self._trials)} plans do not compile at the default precision of "
                f"{self.bench.deployment.device} and were tried in f32. Compile them with the properties of the plan."
            )

    def explore(self, baseline: Trial) -> None:
        """Do what the strategy proposes until it ends or time is up."""
        while time.monotonic() < self.until:
            proposal = self.strategy.propose(self.table(baseline))
            if proposal is None:
                return
            if isinstance(proposal, Probe):
                plan = self.plan_of(Candidate(proposal.parts))
                self._layers[proposal.parts] = self.bench.probe(plan, until=self.until)
                continue
            trial = self.bench.trial(self.plan_of(proposal), self.budget)
            self._trials[proposal] = trial
            self.on_trial(trial)
            self._prune(baseline)
        self._notes.append("The time budget ended the search; more time may find a faster plan.")

    def plan_of(self, candidate: Candidate) -> Plan:
        """Return the plan that a candidate stands for."""
        # What a recipe needed to compile, its layers need too.
        base = self._trials.get(Candidate(candidate.parts))
        name = "+".join(candidate.parts)
        if candidate.float_layers:
            count = len(candidate.float_layers)
            name += f", {count} layer{'s' if count > 1 else ''} in float"
        return Plan(
            name,
            self.read(candidate.parts),
            dict.fromkeys(sorted(candidate.float_layers), "f32"),
            dict(self.bench.deployment.properties if base is None else base.plan.properties),
            compress_to_fp16=self.bench.float_plan.compress_to_fp16,
        )

    def table(self, baseline: Trial) -> Table:
        """Return what the strategy may know."""
        rows = tuple(
            row_of(candidate, trial, baseline, self.bench.objective) for candidate, trial in self._trials.items()
        )
        return Table(self.parts, self.bench.allowed_drop, rows, dict(self._layers), self.seed)

    # The end ------------------------------------------------------------------------------------------------------

    def _rows(self, baseline: Trial) -> list[tuple[TrialRow, Trial]]:
        return [
            (row_of(candidate, trial, baseline, self.bench.objective), trial)
            for candidate, trial in self._trials.items()
        ]

    def _finalists(self, baseline: Trial) -> list[Trial]:
        """Return the plans to walk, safest first, each surely better than float and faster than all safer ones."""
        inside = [(row, trial) for row, trial in self._rows(baseline) if not row.failed and row.excess <= 0]
        undecided = [trial for row, trial in inside if not row.inside and row.cost < 1]
        front = _spread(_front([(row, trial) for row, trial in inside if row.inside]), MOST_FINALISTS)
        if undecided and not front:
            names = ", ".join(trial.plan.name for trial in undecided)
            self._notes.append(f"The noise of the timing exceeds the difference from float: not decided for {names}.")
        if not front:
            return []
        raced = self._race([trial for _, trial in front])
        rows = [row_of(Candidate(()), trial, baseline, self.bench.objective) for trial in raced]
        return [trial for _, trial in _front([pair for pair in zip(rows, raced, strict=True) if pair[0].inside])]

    def _race(self, trials: Sequence[Trial]) -> list[Trial]:
        """Time the finalists once more, all of them in one interleaved run; a size needs no second look."""
        if self.bench.objective == "size":
            return list(trials)
        timings = self.bench.final_race([trial.plan for trial in trials], HEAT_SECONDS * (len(trials) + 1))
        raced = [replace(trial, timing=timing) for trial, timing in zip(trials, timings, strict=True)]
        self._update(raced)
        return raced

    def _walk(self, finalists: Sequence[Trial]) -> list[Trial]:
        """Score the finalists on the holdout in their order; the first that fails ends the walk."""
        walked = []
        for trial in finalists:
            seen = replace(trial, holdout=self.bench.score(trial.plan, "holdout", self.budget))
            walked.append(seen)
            self._update([seen])
            if seen.holdout is not None and seen.holdout.excess > 0:
                break
        return walked

    def _float_verdict(self, baseline: Trial) -> tuple[Verdict, Trial]:
        """Return float as it is served where it holds the budget, else in f32, and whether even that breaks a floor."""
        served = replace(baseline, holdout=self.bench.score(baseline.plan, "holdout", self.budget))
        if _inside(served.holdout):
            return "float", served
        reference = self.bench.trial(self.bench.reference_plan, self.budget)
        reference = replace(reference, holdout=self.bench.score(reference.plan, "holdout", self.budget))
        return ("float" if _inside(reference.holdout) else "infeasible"), reference

    def _update(self, trials: Sequence[Trial]) -> None:
        by_key = {trial.plan.key: trial for trial in trials}
        for candidate, trial in self._trials.items():
            self._trials[candidate] = by_key.get(trial.plan.key, trial)

    def _prune(self, baseline: Trial) -> None:
        """Delete the built models of trials that can no longer be finalists."""
        rows = self._rows(baseline)
        front = {trial.plan.key for _, trial in _front([(row, trial) for row, trial in rows if row.inside])}
        for _, trial in rows:
            if trial.plan.key not in front:
                self.bench.discard(trial.plan)


def row_of(candidate: Candidate, trial: Trial, baseline: Trial, objective: Objective) -> TrialRow:
    """Return a trial as a strategy sees it."""
    if trial.search is None or trial.timing is None:
        return TrialRow(candidate, float("inf"), float("inf"), float("inf"), float("inf"), failed=True)
    cost, cost_high = trial.timing.ratio, trial.timing.ratio_high
    if objective == "size":
        cost = cost_high = trial.size_bytes / baseline.size_bytes
    low, high = trial.search.low, trial.search.high
    noise = 0.0 if low is None or high is None else (high - low) / 2
    return TrialRow(candidate, trial.search.excess, cost, cost_high, trial.divergence or 0.0, noise)


def _front(pairs: Sequence[tuple[TrialRow, Trial]]) -> list[tuple[TrialRow, Trial]]:
    """Order from safest to most aggressive and keep what is cheaper than everything safer.

    Safest is nearest to float in its outputs: all plans here are inside the budget on the search split, and among
    them a score counts few samples that differ, so its order is mostly chance.
    """
    front: list[tuple[TrialRow, Trial]] = []
    order = sorted(pairs, key=lambda pair: (pair[0].divergence, pair[0].excess, pair[0].cost, pair[1].plan.name))
    for row, trial in order:
        if not front or row.cost < front[-1][0].cost:
            front.append((row, trial))
    return front


def _spread(items: Sequence[T], most: int) -> list[T]:
    """Return at most so many items, evenly spread, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(place * (len(items) - 1) / (most - 1))] for place in range(most)]


def _inside(score: Score | None) -> bool:
    return score is not None and score.excess <= 0
