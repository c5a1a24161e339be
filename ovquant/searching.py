"""Strategy, workbench and budget to the one plan to return."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace

from ovquant.budgets import Budget
from ovquant.errors import ModelError
from ovquant.judging import Judge, Judged, front
from ovquant.looking import level_of
from ovquant.measuring import Workbench
from ovquant.plans import Plan, Recipe
from ovquant.predicting import predicted_cost
from ovquant.probing import Probing
from ovquant.protocols import Strategy
from ovquant.tables import COMFORT, SAVING, Candidate, LayerRow, PairRow, PartNames, Probe, Table
from ovquant.trials import Score, Trial
from ovquant.walking import Outcome, Walk, rescored, rows_of, update

CONFIRMED_HEATS = 6
"""Compilations over which the best plan so far is timed."""
RACE_SECONDS, MOST_KEPT = 60.0, 0.25
"""Time that is kept for the last race beside that of the holdout, and the share of a time budget that is kept at most."""


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
    free: frozenset[str] = frozenset()
    pareto: bool = False
    on_trial: Callable[[Trial], None] = lambda trial: None
    on_best: Callable[[Trial], None] = lambda trial: None
    _trials: dict[Candidate, Trial] = field(default_factory=dict)
    _layers: dict[PartNames, tuple[LayerRow, ...]] = field(default_factory=dict)
    _pairs: dict[PartNames, tuple[PairRow, ...]] = field(default_factory=dict)
    _notes: list[str] = field(default_factory=list)
    _promising: dict[str, Trial] = field(default_factory=dict)
    _handed: str = ""

    def run(self) -> Outcome:
        """Search, fix the candidates and their order on the search split, then walk the holdout once."""
        judge = self.judge()
        self.explore(judge)
        self._note_precision()
        walk = self._walk(judge)
        found = walk.fitting() if judge.minimises_drop else walk.fastest()
        shown = walk.whole_front() if self.pareto else ()
        return Outcome(
            found.verdict,
            tuple(self._notes),
            found.chosen,
            judge.baseline,
            tuple(self._trials.values()),
            tuple(found.walked),
            shown,
            found.candidate,
        )

    def _walk(self, judge: Judge) -> Walk:
        return Walk(self.bench, replace(judge, level=None), self._trials, self._notes, self._promising, self.until)

    def judge(self) -> Judge:
        """Measure the float model as it would be served, beside the float reference in f32."""
        self.bench.begin()
        allowed = self.bench.check_budget(self.budget, "search")
        baseline = self.bench.trial(self.bench.float_plan, self.budget)
        self.on_trial(baseline)
        if baseline.search is not None and baseline.search.main.drop != 0:
            self._notes.append(below_f32(baseline.search.main, self.bench.deployment.device))
        # A look that is not the first is stricter still, but what that takes is seldom worth a slower plan.
        level = level_of(self.budget.confidence, 1)
        return Judge(self.budget, self.bench.objective, baseline, allowed, level, len(self.bench.splits.holdout))

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
        end = self.until - self._kept(judge)
        while time.monotonic() < end:
            if self.most_trials is not None and len(self._trials) >= self.most_trials:
                self._notes.append(f"The search ended after {self.most_trials} trials; more may find a faster plan.")
                return
            table = self.table(judge)
            proposal = self.strategy.propose(table)
            if proposal is None:
                if self._walk(judge).settle():
                    self._hand_on(judge)
                    continue
                return
            if isinstance(proposal, Probe):
                self._probe(proposal, judge, end)
            else:
                self._try(proposal, table, judge)
        self._notes.append("The time budget ended the search; more time may find a faster plan.")

    def _kept(self, judge: Judge) -> float:
        """Return the seconds that are kept for what follows the search: the last race, and float and a plan on the holdout."""
        assert judge.baseline.timing is not None
        scoring = 2 * len(self.bench.splits.holdout) * judge.baseline.timing.float_p50_ms / 1000
        return max(0.0, min(RACE_SECONDS + scoring, MOST_KEPT * (self.until - time.monotonic())))

    def _probe(self, wish: Probe, judge: Judge, until: float) -> None:
        plan = self.plan_of(Candidate(wish.parts))
        trial = self._trials.get(Candidate(wish.parts)) or self.bench.trial(plan, self.budget)
        if plan.recipe is None or trial.timing is None:
            self._layers[wish.parts], self._pairs[wish.parts] = (), ()
            return
        probing = Probing(self.bench, plan, self.bench.builder.quantized(plan.recipe), until)
        cost, key = judge.cost(trial)[0], {**self.bench.key(plan), "parts": list(wish.parts)}
        if wish.pairs:
            self._pairs[wish.parts] = probing.pairs(wish.pairs, self._layers[wish.parts], cost)
            self.bench.profile.record("pairs", key, [asdict(row) for row in self._pairs[wish.parts]])
        else:
            table = self.table(judge)
            needed = judge.minimises_drop or not table.comfortable(judge.row(Candidate(wish.parts), trial))
            self._layers[wish.parts] = probing.layers(cost, gains=needed)
            self.bench.profile.record("layers", key, [asdict(row) for row in self._layers[wish.parts]])

    def _try(self, candidate: Candidate, table: Table, judge: Judge) -> None:
        plan = self.plan_of(candidate)
        predicted = self.bench.predicted(plan, lambda: predicted_cost(table, candidate))
        trial = self._sketched(plan, candidate.parts, table, judge) or self.bench.trial(
            plan, self.budget, lambda trial: self._pointless(trial, judge), glance=not self.pareto
        )
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
        row = judge.row(candidate, self._trials[candidate])
        if not row.failed and row.excess <= 0 and row.cost < 1:
            self._promising[trial.plan.key] = self._trials[candidate]
        self._score_further(candidate, judge)
        self._confirm(judge)
        self.on_trial(self._trials[candidate])
        self._prune(judge)
        self._hand_on(judge)

    def _hand_on(self, judge: Judge) -> None:
        """Hand the best plan so far on once it is another one: an earlier one too, when timing again showed that."""
        best = self._best(judge)
        if best is not None and best.plan.key != self._handed:
            self._handed = best.plan.key
            self.on_best(best)

    def _sketched(self, plan: Plan, parts: PartNames, table: Table, judge: Judge) -> Trial | None:
        """Time a recipe with next to no calibration; return its trial where it is no faster than one that is good enough.

        Operations take a model's time, not the ranges and biases that calibration finds, and it takes longest of all.
        """
        good = [
            row
            for row in table.trials
            # With a part less a recipe is no safer.
            if not row.candidate.float_layers
            and (table.comfortable(row) or (row.inside and set(row.candidate.parts) > set(parts)))
        ]
        if plan.recipe is None or plan.layers or plan.recipe.algorithm != "post-training" or not good:
            return None
        if judge.minimises_drop or self.pareto or self.bench.objective == "size":
            return None
        best = min(good, key=lambda row: (row.cost, row.candidate.parts))
        sketch = replace(plan, recipe=plan.recipe.sketch)
        try:
            timing = self.bench.timing(sketch)
        except ModelError:
            # The whole trial says what is wrong with it, or moves to f32.
            return None
        self.bench.discard(sketch)
        if timing.ratio < best.cost - SAVING:
            return None
        name = self.plan_of(best.candidate).name
        return Trial(plan, timing=timing, problem=f"not calibrated: {name} is inside the budget and no slower")

    def _best(self, judge: Judge) -> Trial | None:
        """Return the cheapest plan that is inside the budget on the search data, of equal ones the nearest to float."""
        inside = [(row, trial) for row, trial in rows_of(self._trials, judge) if row.inside]
        order = ((row.cost, row.divergence, trial.plan.name, trial) for row, trial in inside)
        return min(order, key=lambda item: item[:3], default=(None,))[-1]

    def _score_further(self, candidate: Candidate, judge: Judge) -> None:
        """Score a plan on more samples than a glance takes where only that tells whether it is the best so far."""
        trial = self._trials[candidate]
        row, rows = judge.row(candidate, trial), rows_of(self._trials, judge)
        best = min((other.cost for other, _ in rows if other.inside and other.candidate != candidate), default=1.0)
        if not judge.minimises_drop and abs(row.excess) <= row.noise and row.cost_high < 1 and row.cost < best - SAVING:
            update(self._trials, [rescored(self.bench, trial, self.budget)])

    def _confirm(self, judge: Judge) -> None:
        """Time the plan that looks best over more compilations: of many, the best is mostly also the luckiest."""
        if judge.minimises_drop or self.bench.objective == "size":
            return
        for _ in range(len(self._trials)):
            best = self._best(judge)
            if best is None or self.bench.timing(best.plan, heats=CONFIRMED_HEATS) == best.timing:
                return
            # Plans of the same operations share their timing.
            timed = [trial for trial in self._trials.values() if trial.timing is not None and trial.search is not None]
            again = [replace(trial, timing=self.bench.timing(trial.plan)) for trial in timed]
            for trial in again:
                self.bench.record(trial)
            update(self._trials, again)

    def _pointless(self, trial: Trial, judge: Judge) -> str:
        """Say which plan inside the budget is surely cheaper and safe enough, so that this one cannot be returned."""
        if judge.minimises_drop or self.pareto or self.bench.objective == "size":
            return ""
        low, unit = judge.cost_low(trial), judge.unit
        for row, other in rows_of(self._trials, judge):
            nearer = trial.divergence is not None and row.divergence <= trial.divergence
            if row.inside and row.cost_high < low and (nearer or row.excess <= -COMFORT * unit):
                return f"not scored: {other.plan.name} is inside the budget and surely cheaper"
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
        rows = tuple(row for row, _ in rows_of(self._trials, judge))
        layers, pairs = {}, {}
        for parts, found in self._layers.items():
            trial = self._trials.get(Candidate(parts))
            usable = trial is not None and trial.timing is not None
            base = judge.row(Candidate(parts), trial) if usable and trial is not None else None
            divergence = trial.divergence if trial is not None and trial.divergence is not None else 0.0
            layers[parts] = found if base is None else judge.layers(found, base, divergence)
            if parts in self._pairs:
                pairs[parts] = self._pairs[parts] if base is None else judge.pairs(self._pairs[parts], base, divergence)
        # Where accuracy is made as good as fits, there is a cost to whatever changes it.
        free = frozenset() if judge.minimises_drop else self.free
        return Table(self.parts, judge.unit, rows, layers, self.seed, pairs, self.alone, free)

    def _prune(self, judge: Judge) -> None:
        """Delete the built models of trials that can no longer be finalists."""
        if self.pareto:
            return
        rows = rows_of(self._trials, judge)
        kept = {trial.plan.key for _, trial in front([(row, trial) for row, trial in rows if row.inside])}
        self._hold_best(rows)
        for _, trial in rows:
            if trial.plan.key not in kept:
                self.bench.discard(trial.plan)

    def _hold_best(self, rows: Sequence[Judged]) -> None:
        """Keep the recipe in memory whose layers are likely to be asked for."""
        recipes = [(row, trial) for row, trial in rows if not row.failed and trial.plan.recipe is not None]
        if recipes:
            _, best = min(recipes, key=lambda pair: (max(0.0, pair[0].excess), pair[0].cost))
            assert best.plan.recipe is not None
            self.bench.builder.hold(best.plan.recipe)


def below_f32(score: Score, device: str) -> str:
    """Say that a device computes float below f32, by the score of the whole model; score: float's as it is served."""
    return (
        f"{device} computes the float model below f32 unless told otherwise: its {score.metric} on the search split is "
        f"{score.value:.4g}, and {score.float_value:.4g} in f32. Drops are against f32, speeds against the float model as it "
        "runs by default."
    )
