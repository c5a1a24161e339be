"""The walk over the holdout: from measured trials to the plan to return, by a last race, in an order that is fixed before."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ovquant.domain.budget import Budget, Drop
from ovquant.domain.holdout_log import level_of, log_use, worn
from ovquant.domain.table import SAVING, Candidate, TrialRow
from ovquant.domain.trial import Scores, Timing, Trial, Verdict
from ovquant.errors import LostError
from ovquant.measure.workbench import FAILURES, Workbench
from ovquant.search.standings import Judged, Standings, front, spread

MOST_FINALISTS, MOST_OPEN, MOST_SHOWN = 4, 2, 8
"""Plans that are raced for the holdout, those raced beside them that may be no faster than float, and on a whole front."""


@dataclass(frozen=True)
class Outcome:
    """What a search ended in: the trial to return, all trials, the order of the walk, and remarks for the user.

    `front` holds, where it was asked for, the plans of which none is both cheaper and nearer to float than another.
    `candidate` is, where the verdict is inconclusive, the plan that may well be what was asked for.
    """

    verdict: Verdict
    notes: tuple[str, ...]
    chosen: Trial
    baseline: Trial
    trials: tuple[Trial, ...]
    walked: tuple[Trial, ...]
    front: tuple[Trial, ...] = ()
    candidate: Trial | None = None


@dataclass(frozen=True)
class Found:
    """What a walk ended in: the verdict, the trial to return, what was scored on the holdout, and the candidate if any."""

    verdict: Verdict
    chosen: Trial
    walked: Sequence[Trial]
    candidate: Trial | None = None


@dataclass
class Walk:
    """The end of a search: what is measured here is put into the standings; `notes` are for the user.

    `promising` are the plans that looked faster than float and inside the budget when they were tried, by key, as they
    looked then; `until` is when time is up, by time.monotonic().
    """

    bench: Workbench
    standings: Standings
    notes: list[str]
    promising: dict[str, Trial] = field(default_factory=dict)
    until: float = float("inf")

    def fastest(self) -> Found:
        """Walk the finalists on the holdout and return the last that held, or float.

        Where a confidence is asked for this is fixed-sequence testing, each plan at the whole level of this use
        (Learn then Test; Angelopoulos et al., 2021). Where no plan is shown to be faster and to hold the budget, but one
        may well be, the verdict is `inconclusive` and names it.
        """
        faster, open_ = self._finalists()
        walked = self._walk(faster)
        passed = [trial for trial in walked if _holds(trial.holdout)]
        failed = walked[-1] if walked and not _holds(walked[-1].holdout) else None
        doubtful = failed is not None and failed.holdout is not None and failed.holdout.undecided
        if failed is not None and failed.holdout is not None and doubtful:
            self.notes.append(undecided(failed, failed.holdout))
        if passed:
            return Found("met", passed[-1], walked)
        verdict, kept = self._float_verdict()
        candidate = failed if doubtful else None
        if candidate is None and open_:
            seen = self._walk(open_)
            walked = [*walked, *seen]
            candidate = next((trial for trial in reversed(seen) if _holds(trial.holdout)), None)
            if candidate is not None:
                self.notes.append(not_shown(candidate))
        if candidate is not None:
            return Found("infeasible" if verdict == "infeasible" else "inconclusive", kept, walked, candidate)
        self._note_reasons(walked)
        self._note_tightest(walked)
        self.notes += within_reach(self.standings)
        return Found(verdict, kept, walked)

    def _note_reasons(self, walked: Sequence[Trial]) -> None:
        """Say what kept each plan that once looked faster than float and inside the budget from being returned."""
        keys = {trial.plan.key for trial in walked}
        for candidate, trial in self.standings.trials.items():
            before = self.promising.get(trial.plan.key)
            if before is not None and trial.plan.key not in keys:
                self.notes.append(why_not(before, trial, self.standings.judge.row(candidate, trial)))

    def fitting(self) -> Found:
        """Return the plan that is nearest to float within the limits; float itself where it fits."""
        verdict, kept = self._float_verdict()
        if verdict == "float":
            return Found(verdict, kept, [])
        rows = [pair for pair in self.standings.rows() if not pair[0].failed and pair[0].excess <= 0]
        order = sorted(rows, key=lambda pair: (pair[0].cost, pair[1].divergence or 0.0, pair[1].plan.name))
        raced = self._race([trial for _, trial in order[:MOST_FINALISTS]]) if order else []
        fitting = [trial for trial in raced if self.standings.judge.over(trial) <= 0]
        number = self._log_use(fitting[:1])
        walked = [self._held_out(trial, number) for trial in fitting[:1]]
        if walked and _holds(walked[0].holdout):
            return Found("met", walked[0], walked)
        self.notes += within_reach(self.standings)
        return Found(verdict, kept, walked)

    def _note_tightest(self, walked: Sequence[Trial]) -> None:
        """Say which budget would have been held by a plan that is faster than float, and which floor by float."""
        floor = self.standings.judge.budget.floor
        if floor is not None:
            truth = self.bench.instruments.evaluation(self.bench.conditions.reference_plan, "holdout")[0].score
            self.notes.append(f"Float itself scores {truth:.4g} on the holdout; the floor is {floor:g}.")
        if walked and walked[0].holdout is not None:
            safest = walked[0].holdout
            if safest.main.level is None:
                self.notes.append(
                    f"The safest of the faster plans, {walked[0].plan.full_title}, lost {lost(safest)} on the holdout: about that is "
                    "the tightest budget within reach."
                )
            else:
                sure = [f"{part.bound:.2g} in {part.name}" for part in safest.all if part.bound is not None]
                self.notes.append(
                    f"The tightest drop that a faster plan surely holds, with the confidence asked for: {', '.join(sure)} "
                    f"({walked[0].plan.full_title})."
                )
            return
        rows = [(row, trial) for row, trial in self.standings.rows() if not row.failed and row.cost_high < 1]
        if rows:
            _, trial = min(rows, key=lambda pair: (pair[0].excess, pair[1].plan.name))
            assert trial.search is not None
            self.notes.append(
                f"Of the plans faster than float the most accurate, {trial.plan.full_title}, lost {lost(trial.search)} on the search "
                "split: about that is the tightest budget within reach."
            )

    def _finalists(self) -> tuple[list[Trial], list[Trial]]:
        """Return the plans to walk, safest first, each surely faster than float and faster than all safer ones; and the open ones.

        The open ones are inside the budget, and faster than float, but not surely.
        """
        while self.settle():
            pass
        kept, beside = self._front(), self._open()
        if not kept and not beside:
            return [], []
        raced = self._race([trial for _, trial in (*kept, *beside)], len(kept) or len(beside))
        pairs = list(zip([self.standings.judge.row(Candidate(()), trial) for trial in raced], raced, strict=True))
        faster = front([pair for pair in pairs if pair[0].inside], margin=SAVING)
        open_ = front([pair for pair in pairs if not pair[0].inside and pair[0].cost < 1])
        return [trial for _, trial in faster], [trial for _, trial in open_]

    def _race(self, trials: Sequence[Trial], deciding: int | None = None) -> list[Trial]:
        """Time the finalists once more, all of them in one interleaved run; a size is known, and its plans are timed to tell how fast.

        deciding: how many of the first of them must be decided, whether they are faster than float or not.
        """
        if self.standings.judge.objective == "size":
            timed = [self.bench.timed(trial) for trial in trials]
            self.standings.update(timed)
            return timed
        try:
            plans = [trial.plan for trial in trials]
            timings = self.bench.instruments.final_race(plans, self.until, deciding, self.bench.bar)
        except LostError as error:
            self.notes.append(f"{error} What was timed before decides.")
            return list(trials)
        raced = [replace(trial, timing=timing) for trial, timing in zip(trials, timings, strict=True)]
        self.standings.update(raced)
        return raced

    def _walk(self, finalists: Sequence[Trial]) -> list[Trial]:
        """Score the finalists on the holdout in their order; the first that does not hold the budget ends the walk.

        Where nothing is to be proven, and nothing has held yet, it goes on with the next that lost less on the search split than all
        that failed: their order was wrong, and their failure says little of it.
        """
        number = self._log_use(finalists)
        walked, least = list[Trial](), float("inf")
        for trial in finalists:
            excess = self.standings.judge.row(Candidate(()), trial).excess
            if excess >= least:
                continue
            walked.append(self._held_out(trial, number))
            if _holds(walked[-1].holdout):
                least = float("inf")
                continue
            if self.standings.judge.budget.confidence is not None or any(_holds(seen.holdout) for seen in walked):
                break
            least = excess
        return walked

    def _log_use(self, finalists: Sequence[Trial]) -> int:
        """Log that the holdout decides between these, and return how many times it has decided something."""
        if not finalists:
            return 0
        what = {"plans": [trial.plan.key for trial in finalists], "budget": self.standings.judge.budget.to_json()}
        number = log_use(self.bench.profile, self.bench.conditions.splits.holdout, what)
        self.notes.extend(worn(number))
        return number

    def _held_out(self, trial: Trial, number: int) -> Trial:
        """Score a trial on the holdout, at the level of this use of it."""
        budget, before = self.standings.judge.budget, trial.search
        level = level_of(budget.confidence, number)
        try:
            score = self.bench.instruments.score(trial.plan, "holdout", budget, level=level, before=before)
        except FAILURES as error:
            self.notes.append(f"{trial.plan.full_title} could not be scored on the holdout: {error}")
            return replace(trial, problem=str(error))
        seen = replace(trial, holdout=score.at_use(number))
        self.standings.update([seen])
        return seen

    def whole_front(self) -> tuple[Trial, ...]:
        """Return the trials of which none is both cheaper and nearer to float, whatever the budget, on the holdout too."""
        plain = replace(self.standings.judge, budget=Budget(max_drop=Drop(0.0)), allowed_drop=0.0)
        rows = [(plain.row(candidate, trial), trial) for candidate, trial in self.standings.trials.items()]
        kept = spread(front([pair for pair in rows if not pair[0].failed and pair[0].cost_high < 1]), MOST_SHOWN)
        if not kept:
            return ()
        raced = self._race([trial for _, trial in kept])
        number = self._log_use(raced)
        return tuple(self._held_out(trial, number) for trial in raced)

    def _float_verdict(self) -> tuple[Verdict, Trial]:
        """Return float as it is served where it holds the budget, else in f32, and whether even that breaks a limit."""
        served = self._scored_float(self.standings.judge.baseline)
        if _holds(served.holdout) and self.standings.judge.over(served) <= 0:
            return "float", served
        reference = self._scored_float(
            self.bench.trial(self.bench.conditions.reference_plan, self.standings.judge.budget)
        )
        if _holds(reference.holdout) and self.standings.judge.over(reference) <= 0:
            return "float", reference
        return "infeasible", served if _holds(served.holdout) else reference

    def _scored_float(self, trial: Trial) -> Trial:
        budget = self.standings.judge.budget
        known = trial if budget.max_memory_bytes is None else self.bench.weighed(trial)
        return replace(known, holdout=self.bench.instruments.score(trial.plan, "holdout", budget))

    def settle(self) -> bool:
        """Score the finalists as they stand on all that is needed to decide; tell whether any was scored further."""
        before = [trial for _, trial in self._front()]
        after = [self.bench.rescored(trial, self.standings.judge.budget) for trial in before]
        self.standings.update(after)
        return after != before

    def _front(self) -> list[Judged]:
        """Return the plans inside the budget that may be cheaper than all safer ones, some of them where they are many."""
        return self.standings.contending(MOST_FINALISTS)

    def _open(self) -> list[Judged]:
        """Return the plans that are inside the budget and look faster than float, but are not surely faster."""
        rows = [pair for pair in self.standings.rows() if not pair[0].failed and pair[0].excess <= 0]
        return spread(front([pair for pair in rows if pair[0].cost < 1 <= pair[0].cost_high]), MOST_OPEN)


def within_reach(standings: Standings) -> list[str]:
    """Say which limits of latency, size and memory no plan holds, and which ones would be held."""
    budget, baseline = standings.judge.budget, standings.judge.baseline
    timed = [
        (trial.timing.p50_ms, trial.plan.full_title) for trial in (baseline, *standings.trials.values()) if trial.timing
    ]
    sized = [
        (trial.size_bytes, trial.plan.full_title)
        for trial in (baseline, *standings.trials.values())
        if trial.size_bytes
    ]
    found = []
    if budget.max_latency_ms is not None and timed and min(timed)[0] > budget.max_latency_ms:
        milliseconds, name = min(timed)
        found.append(
            f"The fastest of all that was measured, {name}, takes {milliseconds:.3g} ms: about that is the tightest "
            "--max-latency within reach."
        )
    if budget.max_size_bytes is not None and sized and min(sized)[0] > budget.max_size_bytes:
        size, name = min(sized)
        found.append(
            f"The smallest of all that was measured, {name}, has {size / 1e6:.3g} MB: that is the tightest --max-size within "
            "reach."
        )
    weighed = [
        (trial.memory_bytes, trial.plan.full_title)
        for trial in (baseline, *standings.trials.values())
        if trial.memory_bytes
    ]
    if budget.max_memory_bytes is not None and weighed and min(weighed)[0] > budget.max_memory_bytes:
        taken, name = min(weighed)
        found.append(
            f"Of what was measured {name} takes the least memory when served, {taken / 1e6:.3g} MB: about that is the tightest "
            "--max-memory within reach."
        )
    return found


def undecided(trial: Trial, scores: Scores) -> str:
    """Say what would decide whether a plan that is likely inside its budget is inside."""
    what = [part.name for part in scores.all if not part.holds]
    counts = [
        f"{part.needed:,} samples for {part.name}, of which there are {part.samples:,}"
        for part in scores.all
        if part.needed is not None and not part.holds
    ]
    more = f" About {'; '.join(counts)} would decide." if counts else ""
    return f"{trial.plan.full_title} may well be inside the budget, but is not proven to be: {', '.join(what)}.{more}"


def not_shown(trial: Trial) -> str:
    """Say that a plan holds the budget, that nobody knows whether it is faster, and what would tell."""
    assert trial.timing is not None
    return (
        f"{trial.plan.full_title} holds the budget, and takes {_share(trial.timing)}: that it is faster is not shown. "
        "Repeat the run on an idle machine; the plan lies in the folder candidate."
    )


def why_not(before: Trial, now: Trial, row: TrialRow) -> str:
    """Say why a plan that looked faster than float and inside the budget was not walked."""
    name = now.plan.full_title
    if row.failed or now.search is None or now.timing is None or before.search is None:
        return f"{name} looked faster than float and inside the budget, and could not be measured again: {now.problem}"
    if row.excess > 0:
        return (
            f"{name} looked inside the budget on {before.search.samples:,} samples; on {now.search.samples:,} of the search "
            f"split it lost {lost(now.search)}."
        )
    if row.cost_high >= 1:
        return f"{name} is inside the budget on the search split, and takes {_share(now.timing)}."
    return f"{name} was not walked: another plan is as fast and nearer to float."


def _share(timing: Timing) -> str:
    """Return how long a plan takes relative to float, with its interval, and what else the processors did."""
    shown = f"{timing.ratio:.3f} ({timing.ratio_low:.3f} to {timing.ratio_high:.3f}) of float's time over {timing.heats} compilations"
    return shown + timing.company


def lost(scores: Scores) -> str:
    """Say what was lost in each metric, and in the slice that is nearest to its limit."""
    slices = [part for part in scores.all if part.slice]
    parts = [part for part in scores.all if not part.slice]
    parts += [max(slices, key=lambda part: part.excess)] if slices else []
    return " and ".join(f"{part.drop:.2g} in {part.name}" for part in parts)


def _holds(scores: Scores | None) -> bool:
    return scores is not None and scores.holds
