"""The loop: a strategy's proposals become trials, until it ends or time is up."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace

from ovquant.domain.budget import Budget
from ovquant.domain.holdout_log import level_of
from ovquant.domain.layer import F32, FLOAT, INT8_WEIGHTS
from ovquant.domain.plan import Plan
from ovquant.domain.prediction import predicted_cost
from ovquant.domain.recipe import Recipe
from ovquant.domain.table import COMFORT, SAVING, Calibration, Candidate, PartNames, Probe, Proposal, Table
from ovquant.domain.trial import Trial
from ovquant.errors import MetricError, UsageError
from ovquant.measure.chance import chance_notes
from ovquant.measure.conditions import Conditions
from ovquant.measure.evaluate import Evaluation
from ovquant.measure.nans import told_nan
from ovquant.measure.workbench import FAILURES, Workbench
from ovquant.plugins.protocols import Strategy
from ovquant.runtime import REFERENCE
from ovquant.search.bar import float_bar
from ovquant.search.gains import Gains, on_its_way
from ovquant.search.holdout import Outcome, Walk
from ovquant.search.judge import Judge
from ovquant.search.numbers import choose_numbers
from ovquant.search.pace import expected_seconds
from ovquant.search.sketches import dismissed, unmixable
from ovquant.search.standings import Offer, Standings

CONFIRMED_HEATS = 6
"""Compilations over which the best plan so far is timed."""
NOT_STARTED = "Recipes that take longer than there was time for were not started; more time may find a faster plan."
RACE_SECONDS, MOST_KEPT = 60.0, 0.25
"""Time that is kept for the last race beside that of the holdout, and the share of a time budget that is kept at most."""


@dataclass
class Search:
    """One search: turns proposals into trials, and the standings into the table that the strategy sees.

    `read` makes the recipe of recipe parts. `until` is when time is up, by time.monotonic(). `on_trial` is shown each
    trial, and `on_best` the best plan so far whenever it is another one. `gains` may end the search before.
    """

    bench: Workbench
    budget: Budget
    strategy: Strategy
    offer: Offer
    read: Callable[[PartNames], Recipe]
    until: float = float("inf")
    most_trials: int | None = None
    pareto: bool = False
    on_trial: Callable[[Trial], None] = lambda trial: None
    on_best: Callable[[Trial], None] = lambda trial: None
    notes: list[str] = field(default_factory=list)
    gains: Gains = field(default_factory=Gains)

    def run(self) -> Outcome:
        """Search, fix the candidates and their order on the search split, then walk the holdout once."""
        walk = self.explore()
        self._note_precision(walk.standings)
        judge = walk.standings.judge
        found = walk.fitting() if judge.minimises_drop else walk.fastest()
        shown = walk.whole_front() if self.pareto else ()
        return Outcome(
            found.verdict,
            tuple(self.notes),
            found.chosen,
            judge.baseline,
            tuple(walk.standings.trials.values()),
            tuple(found.walked),
            shown,
            found.candidate,
        )

    def judge(self) -> Judge:
        """Measure the float model as it would be served, beside the float reference in f32."""
        conditions = self.bench.conditions
        self.bench.begin()
        doubts = doubts_of(self.bench.instruments.evaluation(conditions.reference_plan, "search"), conditions)
        self.notes += doubts
        try:
            allowed = self.bench.check_budget(self.budget, "search")
        except (MetricError, UsageError) as error:
            # Where labels are in another order float often scores next to nothing, which no budget suits.
            raise type(error)(" ".join([str(error), *doubts])) from error
        served = weighed(self.bench.trial(conditions.float_plan, self.budget), self)
        self.on_trial(served)
        baseline, served_cost, notes = float_bar(self.bench, served, self.budget)
        self.notes += notes
        if baseline is not served:
            self.on_trial(baseline)
        # A look that is not the first is stricter still, but what that takes is seldom worth a slower plan.
        level = level_of(self.budget.confidence, 1)
        holdout = len(conditions.splits.holdout)
        return Judge(self.budget, conditions.objective, baseline, allowed, level, holdout, served_cost)

    def explore(self) -> Walk:
        """Do what the strategy proposes until it ends or time or trials are used up; return the walk that is to follow."""
        judge = self.judge()
        below = self.bench.bar is not None and judge.by_speed
        standings = Standings(judge, self.offer.pinned if below else self.offer)
        # What is walked need not keep in reserve what a proof will take.
        walk = Walk(
            self.bench, replace(standings, judge=replace(standings.judge, level=None)), self.notes, until=self.until
        )
        if judge.minimises_drop and judge.over(judge.baseline) <= 0 and not self.pareto:
            # Nothing is nearer to float than float, which is within all limits.
            return walk
        end = self.until - kept(self.until, judge)
        while time.monotonic() < end:
            if self.most_trials is not None and len(standings.trials) >= self.most_trials:
                self.notes.append(f"The search ended after {self.most_trials} trials; more may find a faster plan.")
                return walk
            table = standings.table()
            proposal = self.strategy.propose(table)
            if proposal is None:
                if not walk.settle():
                    return walk
            elif isinstance(proposal, Probe):
                self._probe(proposal, standings, end)
            elif isinstance(proposal, Calibration):
                base = self.plan_of(Candidate(proposal.parts), standings)
                choose_numbers(proposal.parts, standings, self.bench, base, self.read, end)
            else:
                self._try(proposal, table, standings, walk.promising, end)
            self._hand_on(standings, proposal)
            exhausted = self.gains.exhausted
            if exhausted:
                self.notes.append(exhausted)
                return walk
        self.notes.append("The time budget ended the search; more time may find a faster plan.")
        return walk

    def _note_precision(self, standings: Standings) -> None:
        """Say where plans had to leave the device's default precision."""
        conditions, trials = self.bench.conditions, standings.trials.values()
        default = [
            trial for trial in trials if trial.plan.recipe is None or trial.plan.recipe.float_precision == "device"
        ]
        moved = [trial for trial in default if trial.plan.properties != conditions.float_plan.properties]
        if moved:
            self.notes.append(
                f"{len(moved)} of {len(trials)} plans do not compile at the default precision of "
                f"{conditions.deployment.device} and were tried in f32. Compile them with the properties of the plan."
            )

    def _probe(self, wish: Probe, standings: Standings, until: float) -> None:
        candidate, judge, profile = Candidate(wish.parts), standings.judge, self.bench.profile
        plan = self.plan_of(candidate, standings)
        trial = standings.trials.get(candidate) or self.bench.trial(plan, self.budget)
        if plan.recipe is None or trial.timing is None:
            standings.layers[wish.parts], standings.pairs[wish.parts] = (), ()
            return
        cost, key = judge.cost(trial)[0], {**self.bench.conditions.key(plan), "parts": list(wish.parts)}
        try:
            if wish.pairs:
                rows = standings.layers[wish.parts]
                standings.pairs[wish.parts] = self.bench.instruments.pairs(plan, wish.pairs, rows, cost, until)
                profile.record("pairs", key, [asdict(row) for row in standings.pairs[wish.parts]])
            elif not self.pareto and (reason := unmixable(trial, standings, self.bench)):
                standings.layers[wish.parts] = ()
                profile.record("layers", key, [])
                self.notes.append(f"The layers of {plan.full_title} were not measured one by one: {reason}.")
            else:
                needed = judge.minimises_drop or not standings.table().comfortable(judge.row(candidate, trial))
                standings.layers[wish.parts] = self.bench.instruments.layers(
                    plan,
                    cost,
                    until,
                    self._levels(plan, standings, needed),
                    gains=needed,
                    float_cost=float_cost(plan, judge),
                )
                profile.record("layers", key, [asdict(row) for row in standings.layers[wish.parts]])
        except FAILURES as error:
            (standings.pairs if wish.pairs else standings.layers)[wish.parts] = ()
            self.notes.append(f"The layers of {plan.full_title} could not be measured, and none was put back: {error}")

    def _levels(self, plan: Plan, standings: Standings, gains: bool) -> tuple[str, ...]:
        """Return the levels that layers of a plan's recipe may be put back to.

        f32 is one where what is float loses too much itself. Weights in four bits are put to eight, and to float too unless eight
        are known to be enough.
        """
        if plan.recipe is None or not plan.quantizes:
            return (F32,)
        if plan.recipe.weight_bits < 8:
            enough = any(row.excess <= 0 and _has_weights(trial.plan, 8) for row, trial in standings.rows())
            return (INT8_WEIGHTS,) if enough else (INT8_WEIGHTS, FLOAT)
        below = self.bench.bar is not None and not REFERENCE.items() <= plan.properties.items()
        # What gains nothing is not worth what f32 costs.
        return (FLOAT, F32) if below and gains else (FLOAT,)

    def _try(
        self, candidate: Candidate, table: Table, standings: Standings, promising: dict[str, Trial], until: float
    ) -> None:
        judge = standings.judge
        plan = self.plan_of(candidate, standings)
        predicted = self.bench.predicted(plan, lambda: predicted_cost(table, candidate))
        trial = self._measured(plan, candidate, standings, until)
        standings.trials[candidate] = trial if judge.minimises_drop else replace(trial, predicted=predicted)
        self._record(candidate, plan, trial, standings.offer)
        row = judge.row(candidate, trial)
        if not row.failed and row.excess <= 0 and row.cost < 1:
            trial = weighed(standings.trials[candidate], self)
            standings.trials[candidate] = trial
        if not row.failed and judge.row(candidate, trial).excess <= 0 and row.cost < 1:
            promising[trial.plan.key] = trial
        self._score_further(candidate, standings)
        self._confirm(standings)
        self.on_trial(standings.trials[candidate])
        self._prune(standings)

    def _measured(self, plan: Plan, candidate: Candidate, standings: Standings, until: float) -> Trial:
        """Return the trial of a plan, short where it cannot be the best, or would take longer than there is time for."""
        expected = None if candidate.levels else expected_seconds(plan.recipe, standings.trials.values())
        left = until - time.monotonic()
        if expected is not None and expected > left:
            self.notes += [] if NOT_STARTED in self.notes else [NOT_STARTED]
            return Trial(
                plan, problem=f"not started: it takes about {expected:.0f} s, and {left:.0f} s were left for it"
            )
        known = None if self.pareto else dismissed(plan, candidate, standings, self.bench)
        return known or self.bench.trial(
            plan, self.budget, lambda trial: self._pointless(trial, standings), glance=not self.pareto
        )

    def _record(self, candidate: Candidate, plan: Plan, trial: Trial, offer: Offer) -> None:
        """Record what was tried as what, so that a profile can be solved again."""
        value = {
            "plan": trial.plan.key,
            "parts": list(candidate.parts),
            "offered": list(offer.parts),
            "alone": sorted(offer.alone),
            "free": sorted(offer.free),
            "opening": list(offer.opening),
            "pinning": offer.pinning,
            "training": offer.training,
            "beside": "" if self.bench.bar is None else self.bench.bar.key,
            "seed": offer.seed,
            "levels": dict(sorted(candidate.levels)),
        }
        self.bench.profile.measured(
            "candidate", {**self.bench.conditions.key(plan), "parts": list(candidate.parts)}, lambda: value
        )

    def _hand_on(self, standings: Standings, proposal: Proposal | None) -> None:
        """Pass the best plan so far on when it has changed. It can be an earlier plan, when timing again showed that."""
        best = standings.best()
        promising = _shows_the_way(proposal, standings)
        if self.gains.take(None if best is None else best.plan.key, promising=promising) and best is not None:
            self.on_best(best)

    def _score_further(self, candidate: Candidate, standings: Standings) -> None:
        """Score a plan on more samples than a glance takes where only that tells whether it is the best so far."""
        judge, trial, table = standings.judge, standings.trials[candidate], standings.table()
        row = judge.row(candidate, trial)
        opening = candidate == Candidate(table.opening) and table.operations(candidate.parts) not in table.calibrations
        if opening and row.excess > 0:
            # Its numbers are chosen next, and better ones take its place.
            return
        best = min((other.cost for other, _ in standings.inside() if other.candidate != candidate), default=1.0)
        if not judge.minimises_drop and abs(row.excess) <= row.noise and row.cost_high < 1 and row.cost < best - SAVING:
            standings.update([self.bench.rescored(trial, self.budget)])

    def _confirm(self, standings: Standings) -> None:
        """Time the plan that looks best over more compilations: of many, the best is mostly also the luckiest."""
        if not standings.judge.by_speed:
            return
        for _ in range(len(standings.trials)):
            best = standings.best()
            if best is None or (sure := self.bench.timed(best, heats=CONFIRMED_HEATS)).timing == best.timing:
                return
            standings.update([sure])
            # Plans of the same operations share their timing.
            timed = [trial for trial in standings.trials.values() if trial.timing and trial.search is not None]
            again = [self.bench.timed(trial) for trial in timed]
            for trial in again:
                if trial.search is not None:
                    self.bench.record(trial)
            standings.update(again)

    def _pointless(self, trial: Trial, standings: Standings) -> str:
        """Say which plan inside the budget is surely cheaper and safe enough, so that this one cannot be returned."""
        judge = standings.judge
        if self.pareto or not judge.by_speed:
            return ""
        low = judge.cost_low(trial)
        for row, other in standings.inside():
            nearer = trial.divergence is not None and row.divergence <= trial.divergence
            if row.cost_high < low and (nearer or row.excess <= -COMFORT * judge.unit):
                return f"not scored: {other.plan.full_title} is inside the budget and surely cheaper"
        return ""

    def plan_of(self, candidate: Candidate, standings: Standings) -> Plan:
        """Return the plan that a candidate stands for."""
        # What a recipe needed to compile, its layers need too.
        base = standings.trials.get(Candidate(candidate.parts))
        conditions, recipe = self.bench.conditions, self.read(candidate.parts)
        in_f32 = REFERENCE if recipe.float_precision == "f32" else {}
        plan = Plan(
            "+".join(candidate.parts),
            recipe,
            properties={
                **(conditions.deployment.properties if base is None else base.plan.properties),
                **in_f32,
                **recipe.properties,
            },
            compress_to_fp16=conditions.float_plan.compress_to_fp16,
        )
        return plan.allowing(standings.judge.allowed_drop).with_levels(candidate.levels)

    def _prune(self, standings: Standings) -> None:
        """Delete the built models of trials that can no longer be finalists, and keep the recipe of the best in memory.

        Its layers are likely to be asked for.
        """
        if self.pareto:
            return
        kept = {trial.plan.key for _, trial in standings.contending()}
        rows = standings.rows()
        running = [(row, trial) for row, trial in rows if not row.failed and trial.plan.recipe is not None]
        best = min(running, key=lambda pair: (max(0.0, pair[0].excess), pair[0].cost), default=None)
        self.bench.instruments.let_go(
            [trial.plan for _, trial in rows if trial.plan.key not in kept], None if best is None else best[1].plan
        )


def weighed(trial: Trial, search: Search) -> Trial:
    """Return a trial with the memory that serving it takes where that is limited, and say where it is too much."""
    limit = search.budget.max_memory_bytes
    if limit is None:
        return trial
    known = search.bench.weighed(trial)
    if (taken := known.memory_bytes or 0) > limit:
        search.notes.append(
            f"Served, {trial.plan.full_title} takes {taken / 1e6:.4g} MB of memory, and {limit / 1e6:.4g} MB are allowed."
        )
    return known


def _shows_the_way(proposal: Proposal | None, standings: Standings) -> bool:
    """Tell whether what was done may lead to a better plan: its layers are known now, or it is cheaper than the best and too far off."""
    if isinstance(proposal, Probe):
        return True
    if not isinstance(proposal, Candidate):
        return False
    row = standings.judge.row(proposal, standings.trials[proposal])
    cheapest = min((other.cost for other, _ in standings.inside()), default=1.0)
    if proposal.levels:
        return on_its_way(
            row, (other for other, _ in standings.rows() if other.candidate.parts == proposal.parts), cheapest
        )
    return not row.failed and row.excess > 0 and row.cost < cheapest - SAVING


def float_cost(plan: Plan, judge: Judge) -> float:
    """Return what a plan costs, relative to the bar, with all of its layers put back."""
    in_f32 = REFERENCE.items() <= plan.properties.items()
    return 1.0 if in_f32 or not plan.quantizes else judge.served_cost


def _has_weights(plan: Plan, bits: int) -> bool:
    """Tell whether a plan stores weights in so many bits, all that its recipe takes, and quantizes no activations."""
    recipe = plan.recipe
    return recipe is not None and recipe.algorithm == "weights" and recipe.weight_bits == bits and not plan.layers


def kept(until: float, judge: Judge) -> float:
    """Return the seconds of those left that are kept for what follows a search.

    That is the last race, and scoring float and one plan on the holdout. until: when time is up, by time.monotonic().
    """
    assert judge.baseline.timing is not None
    scoring = 2 * judge.proving * judge.baseline.timing.float_p50_ms / 1000
    return max(0.0, min(RACE_SECONDS + scoring, MOST_KEPT * (until - time.monotonic())))


def doubts_of(truth: Sequence[Evaluation], conditions: Conditions) -> list[str]:
    """Say what makes the score of float itself doubtful; truth: float in f32, by each metric."""
    nan, splits = truth[0].nan, conditions.splits
    notes = [f"{told_nan(nan, 'the float model itself')} What it scores there says nothing."] if nan else []
    return notes + chance_notes(conditions.metrics, truth, splits.classes, "the float model", splits.doubts)
