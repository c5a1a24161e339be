"""Strategy, workbench and budget to the one plan to return."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TypeVar

from ovquant.budgets import Budget, Drop
from ovquant.judging import Judge, Judged, front
from ovquant.measuring import Workbench
from ovquant.plans import Plan, Recipe
from ovquant.predicting import predicted_cost
from ovquant.probing import Probing
from ovquant.protocols import Strategy
from ovquant.tables import Candidate, LayerRow, PairRow, PartNames, Probe, Table
from ovquant.trials import Score, Trial, Verdict

T = TypeVar("T")
MOST_FINALISTS = 8
HEAT_SECONDS = 2.0
"""Time per finalist in the last interleaved race."""


@dataclass(frozen=True)
class Outcome:
    """What a search ended in: the trial to return, all trials, the order of the walk, and remarks for the user.

    `front` holds, where it was asked for, the plans of which none is both cheaper and nearer to float than another.
    """

    verdict: Verdict
    chosen: Trial
    baseline: Trial
    trials: tuple[Trial, ...]
    walked: tuple[Trial, ...]
    notes: tuple[str, ...] = ()
    front: tuple[Trial, ...] = ()


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
    most_trials: int | None = None
    alone: frozenset[str] = frozenset()
    pareto: bool = False
    on_trial: Callable[[Trial], None] = lambda trial: None
    _trials: dict[Candidate, Trial] = field(default_factory=dict)
    _layers: dict[PartNames, tuple[LayerRow, ...]] = field(default_factory=dict)
    _pairs: dict[PartNames, tuple[PairRow, ...]] = field(default_factory=dict)
    _notes: list[str] = field(default_factory=list)

    def run(self) -> Outcome:
        """Search, fix the candidates and their order on the search split, then walk the holdout once."""
        judge = self.judge()
        self.explore(judge)
        self._note_precision()
        verdict, chosen, walked = self._fitting(judge) if judge.minimises_drop else self._fastest(judge)
        shown = self._whole_front(judge) if self.pareto else ()
        trials = tuple(self._trials.values())
        return Outcome(verdict, chosen, judge.baseline, trials, tuple(walked), tuple(self._notes), shown)

    def judge(self) -> Judge:
        """Measure the float model as it would be served, beside the float reference in f32."""
        allowed = self.budget.allowed(self.bench.evaluation(self.bench.reference_plan, "search").score)
        self.bench.allowed_drop = allowed
        baseline = self.bench.trial(self.bench.float_plan, self.budget)
        self.on_trial(baseline)
        if baseline.search is not None and baseline.search.drop != 0:
            self._notes.append(
                f"{self.bench.deployment.device} computes the float model below f32 unless told otherwise: its score "
                f"on the search split is {baseline.search.value:.4g}, and {baseline.search.float_value:.4g} in f32. "
                "Drops are against f32, speeds against the float model as it runs by default."
            )
        return Judge(self.budget, self.bench.objective, baseline, allowed)

    def _note_precision(self) -> None:
        """Say where plans had to leave the device's default precision."""
        moved = [trial for trial in self._trials.values() if trial.plan.properties != self.bench.float_plan.properties]
        if moved:
            self._notes.append(
                f"{len(moved)} of {len(self._trials)} plans do not compile at the default precision of "
                f"{self.bench.deployment.device} and were tried in f32. Compile them with the properties of the plan."
            )

    def explore(self, judge: Judge) -> None:
        """Do what the strategy proposes until it ends or time or trials are used up."""
        while time.monotonic() < self.until:
            if self.most_trials is not None and len(self._trials) >= self.most_trials:
                self._notes.append(f"The search ended after {self.most_trials} trials; more may find a faster plan.")
                return
            table = self.table(judge)
            proposal = self.strategy.propose(table)
            if proposal is None:
                return
            if isinstance(proposal, Probe):
                self._probe(proposal, judge)
            else:
                self._try(proposal, table, judge)
        self._notes.append("The time budget ended the search; more time may find a faster plan.")

    def _probe(self, wish: Probe, judge: Judge) -> None:
        plan = self.plan_of(Candidate(wish.parts))
        trial = self._trials.get(Candidate(wish.parts)) or self.bench.trial(plan, self.budget)
        if plan.recipe is None or trial.timing is None:
            self._layers[wish.parts], self._pairs[wish.parts] = (), ()
            return
        probing = Probing(self.bench, plan, self.bench.quantized(plan.recipe), self.until)
        cost, key = judge.cost(trial)[0], {**self.bench.key(plan), "parts": list(wish.parts)}
        if wish.pairs:
            self._pairs[wish.parts] = probing.pairs(wish.pairs, self._layers[wish.parts], cost)
            self.bench.profile.record("pairs", key, [asdict(row) for row in self._pairs[wish.parts]])
        else:
            self._layers[wish.parts] = probing.layers(cost)
            self.bench.profile.record("layers", key, [asdict(row) for row in self._layers[wish.parts]])

    def _try(self, candidate: Candidate, table: Table, judge: Judge) -> None:
        plan = self.plan_of(candidate)
        predicted = self.bench.predicted(plan, lambda: predicted_cost(table, candidate))
        trial = self.bench.trial(plan, self.budget, lambda trial: self._pointless(trial, judge))
        self._trials[candidate] = trial if judge.minimises_drop else replace(trial, predicted=predicted)
        value = {
            "plan": trial.plan.key,
            "parts": list(candidate.parts),
            "offered": list(self.parts),
            "alone": sorted(self.alone),
            "seed": self.seed,
            "float_layers": sorted(candidate.float_layers),
        }
        self.bench.profile.measured(
            "candidate", {**self.bench.key(plan), "parts": list(candidate.parts)}, lambda: value
        )
        self.on_trial(self._trials[candidate])
        self._prune(judge)

    def _pointless(self, trial: Trial, judge: Judge) -> str:
        """Say which plan inside the budget is surely cheaper and nearer to float, so that this one cannot be returned."""
        if judge.minimises_drop or self.pareto or trial.timing is None or trial.divergence is None:
            return ""
        low = judge.cost_low(trial)
        for row, other in self._rows(judge):
            if row.inside and row.cost_high < low and row.divergence <= trial.divergence:
                return f"not scored: {other.plan.name} is inside the budget, surely cheaper and nearer to float"
        return ""

    def plan_of(self, candidate: Candidate) -> Plan:
        """Return the plan that a candidate stands for."""
        # What a recipe needed to compile, its layers need too.
        base = self._trials.get(Candidate(candidate.parts))
        plan = Plan(
            "+".join(candidate.parts),
            self.read(candidate.parts),
            properties=dict(self.bench.deployment.properties if base is None else base.plan.properties),
            compress_to_fp16=self.bench.float_plan.compress_to_fp16,
        )
        return plan.with_float(candidate.float_layers)

    def table(self, judge: Judge) -> Table:
        """Return what the strategy may know."""
        rows = tuple(row for row, _ in self._rows(judge))
        layers, pairs = {}, {}
        for parts, found in self._layers.items():
            trial = self._trials.get(Candidate(parts))
            usable = trial is not None and trial.timing is not None
            base = judge.row(Candidate(parts), trial) if usable and trial is not None else None
            divergence = trial.divergence if trial is not None and trial.divergence is not None else 0.0
            layers[parts] = found if base is None else judge.layers(found, base, divergence)
            if parts in self._pairs:
                pairs[parts] = self._pairs[parts] if base is None else judge.pairs(self._pairs[parts], base, divergence)
        return Table(self.parts, judge.unit, rows, layers, self.seed, pairs, self.alone)

    # The end ------------------------------------------------------------------------------------------------------

    def _rows(self, judge: Judge) -> list[Judged]:
        return [(judge.row(candidate, trial), trial) for candidate, trial in self._trials.items()]

    def _fastest(self, judge: Judge) -> tuple[Verdict, Trial, list[Trial]]:
        """Walk the finalists on the holdout and return the last that held, or float."""
        walked = self._walk(self._finalists(judge))
        passed = [trial for trial in walked if _inside(trial.holdout)]
        if passed:
            return "met", passed[-1], walked
        verdict, kept = self._float_verdict(judge)
        return verdict, kept, walked

    def _fitting(self, judge: Judge) -> tuple[Verdict, Trial, list[Trial]]:
        """Return the plan that is nearest to float within the limits; float itself where it fits."""
        verdict, kept = self._float_verdict(judge)
        if verdict == "float":
            return verdict, kept, []
        rows = [pair for pair in self._rows(judge) if not pair[0].failed and pair[0].excess <= 0]
        order = sorted(rows, key=lambda pair: (pair[0].cost, pair[1].divergence or 0.0, pair[1].plan.name))
        raced = self._race([trial for _, trial in order[:MOST_FINALISTS]]) if order else []
        fitting = [trial for trial in raced if judge.over(trial) <= 0]
        walked = [self._held_out(trial) for trial in fitting[:1]]
        if walked and _inside(walked[0].holdout):
            return "met", walked[0], walked
        return verdict, kept, walked

    def _finalists(self, judge: Judge) -> list[Trial]:
        """Return the plans to walk, safest first, each surely better than float and faster than all safer ones."""
        inside = [(row, trial) for row, trial in self._rows(judge) if not row.failed and row.excess <= 0]
        undecided = [trial for row, trial in inside if not row.inside and row.cost < 1]
        kept = _spread(front([(row, trial) for row, trial in inside if row.inside]), MOST_FINALISTS)
        if undecided and not kept:
            names = ", ".join(trial.plan.name for trial in undecided)
            self._notes.append(f"The noise of the timing exceeds the difference from float: not decided for {names}.")
        if not kept:
            return []
        raced = self._race([trial for _, trial in kept])
        rows = [judge.row(Candidate(()), trial) for trial in raced]
        return [
            trial for _, trial in front([pair for pair in zip(rows, raced, strict=True) if pair[0].inside], surely=True)
        ]

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
            walked.append(self._held_out(trial))
            if not _inside(walked[-1].holdout):
                break
        return walked

    def _held_out(self, trial: Trial) -> Trial:
        """Score a trial on the holdout."""
        seen = replace(trial, holdout=self.bench.score(trial.plan, "holdout", self.budget))
        self._update([seen])
        return seen

    def _whole_front(self, judge: Judge) -> tuple[Trial, ...]:
        """Return the trials of which none is both cheaper and nearer to float, whatever the budget, on the holdout too."""
        plain = replace(judge, budget=Budget(max_drop=Drop(0.0)), allowed_drop=0.0)
        rows = [(plain.row(candidate, trial), trial) for candidate, trial in self._trials.items()]
        kept = _spread(front([pair for pair in rows if not pair[0].failed and pair[0].cost_high < 1]), MOST_FINALISTS)
        if not kept:
            return ()
        return tuple(self._held_out(trial) for trial in self._race([trial for _, trial in kept]))

    def _float_verdict(self, judge: Judge) -> tuple[Verdict, Trial]:
        """Return float as it is served where it holds the budget, else in f32, and whether even that breaks a limit."""
        served = self._scored_float(judge.baseline)
        if _inside(served.holdout) and judge.over(served) <= 0:
            return "float", served
        reference = self._scored_float(self.bench.trial(self.bench.reference_plan, self.budget))
        if _inside(reference.holdout) and judge.over(reference) <= 0:
            return "float", reference
        return "infeasible", served if _inside(served.holdout) else reference

    def _scored_float(self, trial: Trial) -> Trial:
        return replace(trial, holdout=self.bench.score(trial.plan, "holdout", self.budget))

    def _update(self, trials: Sequence[Trial]) -> None:
        by_key = {trial.plan.key: trial for trial in trials}
        for candidate, trial in self._trials.items():
            self._trials[candidate] = by_key.get(trial.plan.key, trial)

    def _prune(self, judge: Judge) -> None:
        """Delete the built models of trials that can no longer be finalists."""
        if self.pareto:
            return
        rows = self._rows(judge)
        kept = {trial.plan.key for _, trial in front([(row, trial) for row, trial in rows if row.inside])}
        for _, trial in rows:
            if trial.plan.key not in kept:
                self.bench.discard(trial.plan)


def _spread(items: Sequence[T], most: int) -> list[T]:
    """Return at most so many items, evenly spread, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(place * (len(items) - 1) / (most - 1))] for place in range(most)]


def _inside(score: Score | None) -> bool:
    return score is not None and score.excess <= 0
