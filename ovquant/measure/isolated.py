"""Instruments in another process: what it is lost by is the failure of the plan that was measured."""

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ovquant.domain.budget import Budget
from ovquant.domain.plan import Plan
from ovquant.domain.profile import Profile
from ovquant.domain.table import LayerRow, PairRow
from ovquant.domain.trial import Scores, Split, Timing
from ovquant.domain.typed import fits
from ovquant.errors import DataError, LostError
from ovquant.measure.conditions import Conditions
from ovquant.measure.evaluate import Evaluation
from ovquant.measure.instruments import Details
from ovquant.measure.score import Told
from ovquant.measure.stopwatch import TRIAL_HEATS
from ovquant.measure.worker import Worker

MOST_LOSSES = 2
"""Processes that a plan may cost before it is not tried any more."""
LIMIT_SECONDS, LIMIT_TIMES = 600.0, 40.0
"""The time that a measurement of a plan may take: this, and so many times what all measurements of float took."""
Start = Callable[[], tuple[Worker, Conditions]]
"""Starts a process whose `measure` calls instruments by name, and returns it with their conditions."""


class Isolated:
    """The instruments of a process that can be lost: then another is started, and what is in the profile is not lost.

    `trial_timeout` limits each measurement of a plan, in seconds; without it the limit follows from what float took, and
    float itself has `float_limit`.
    """

    def __init__(
        self, start: Start, profile: Profile, *, trial_timeout: float | None = None, float_limit: float = float("inf")
    ) -> None:
        self.profile, self.notes = profile, list[str]()
        self._start = start
        self._worker: Worker | None
        self._worker, self.conditions = start()
        self._losses = Losses(profile, self.conditions, trial_timeout, float_limit)

    def timing(self, plan: Plan, *, heats: int = TRIAL_HEATS, beside: Plan | None = None) -> Timing:
        """Time a plan beside float."""
        return self._ask("timing", plan, heats=heats, beside=beside)  # type: ignore[no-any-return]

    def final_race(
        self,
        plans: Sequence[Plan],
        until: float = float("inf"),
        deciding: int | None = None,
        beside: Plan | None = None,
    ) -> list[Timing]:
        """Time the finalists until they are decided; raises LostError where that cost as many processes as it may."""
        limit = len(plans) * self._losses.limit(plans[0])
        for last in range(MOST_LOSSES, 0, -1):
            try:
                return self._measure("final_race", list(plans), until, deciding, beside, limit=limit)  # type: ignore[no-any-return]
            except LostError as error:
                if last == 1:
                    raise LostError(f"The process that timed the finalists was lost: {error}.") from error
        raise AssertionError

    def score(
        self,
        plan: Plan,
        split: Split,
        budget: Budget,
        *,
        glance: bool = False,
        level: float | None = None,
        before: Scores | None = None,
        told: Told = "",
    ) -> Scores:
        """Score a plan beside float in f32."""
        how: dict[str, Any] = {"glance": glance, "level": level, "before": before, "told": told}
        return self._ask("score", plan, split, budget, **how)  # type: ignore[no-any-return]

    def evaluation(self, plan: Plan, split: Split) -> list[Evaluation]:
        """Score a plan alone on all of a split."""
        return self._ask("evaluation", plan, split)  # type: ignore[no-any-return]

    def traits(self, plan: Plan, *, scoring: bool = False, beside: Plan | None = None) -> dict[str, Any]:
        """Return size, divergence from float, and the precision of every layer of a plan."""
        return self._ask("traits", plan, scoring=scoring, beside=beside)  # type: ignore[no-any-return]

    def served(self, plan: Plan) -> dict[str, str]:
        """Return what a plan is served on."""
        return self._ask("served", plan)  # type: ignore[no-any-return]

    def details(self, plan: Plan) -> Details:
        """Return the operations of a plan's model, and the samples that it loses."""
        return self._ask("details", plan)  # type: ignore[no-any-return]

    def footprint(self, plan: Plan) -> int | None:
        """Return the bytes of memory that serving a plan takes."""
        return self._ask("footprint", plan)  # type: ignore[no-any-return]

    def layers(
        self, plan: Plan, base_cost: float, until: float, levels: Sequence[str], *, gains: bool, float_cost: float = 1.0
    ) -> tuple[LayerRow, ...]:
        """Measure the layers of a plan's recipe at each level."""
        return self._ask("layers", plan, base_cost, until, levels, gains=gains, float_cost=float_cost)  # type: ignore[no-any-return]

    def pairs(
        self, plan: Plan, names: Iterable[str], rows: Sequence[LayerRow], base_cost: float, until: float
    ) -> tuple[PairRow, ...]:
        """Measure pairs of layers of a plan's recipe."""
        return self._ask("pairs", plan, list(names), rows, base_cost, until)  # type: ignore[no-any-return]

    def build(self, plan: Plan) -> Path:
        """Build a plan and return the path of its model.xml."""
        return Path(self._ask("build", plan))

    def let_go(self, plans: Iterable[Plan], holding: Plan | None = None) -> None:
        """Delete the built files of plans that are out of the running; other recipes leave memory before that of `holding`."""
        if self._worker is not None:
            with contextlib.suppress(LostError):
                self._measure("let_go", list(plans), holding)

    def _ask(self, method: str, plan: Plan, *arguments: Any, **named: Any) -> Any:
        """Measure a plan; raises LostError once it has cost as many processes as it may."""
        losses = self._losses
        while losses.may_be_tried(plan):
            begin = time.monotonic()
            try:
                value = self._measure(method, plan, *arguments, limit=losses.limit(plan), **named)
            except LostError as error:
                losses.record(plan, error)
                continue
            losses.pace(plan, time.monotonic() - begin)
            return value
        verdict = losses.verdict(plan)
        if verdict not in self.notes:
            self.notes.append(verdict)
        raise LostError(verdict)

    def _measure(self, method: str, *arguments: Any, **named: Any) -> Any:
        if self._worker is None:
            self._worker, conditions = self._start()
            if conditions.splits != self.conditions.splits:
                raise DataError(
                    "The data were not the same when they were read again, after a process was lost. Give data that are read "
                    "alike each time."
                )
        try:
            return self._worker.call("measure", method, *arguments, **named)
        except LostError:
            self._worker = None
            # What it was writing when it was lost is half a line.
            self.profile.mend()
            raise


class Losses:
    """The processes that plans have cost, as the profile knows them, and the time that a measurement may take."""

    def __init__(
        self, profile: Profile, conditions: Conditions, trial_timeout: float | None, float_limit: float
    ) -> None:
        self._profile, self._conditions = profile, conditions
        self._trial_timeout, self._float_limit = trial_timeout, float_limit
        self._of_float = dict[str, list[str]]()
        self._float_key = {**conditions.key(conditions.float_plan), "data": conditions.splits.search.inputs}

    def may_be_tried(self, plan: Plan) -> bool:
        """Tell whether a plan may cost another process."""
        return len(self._causes(plan)) < MOST_LOSSES

    def record(self, plan: Plan, error: LostError) -> None:
        """Record how a process was lost; what gave no answer would give none the next time either."""
        causes = [*self._causes(plan), *[str(error)] * (MOST_LOSSES if error.hung else 1)]
        if plan.is_float:
            self._of_float[plan.key] = causes
        else:
            self._profile.record("lost", self._conditions.key(plan), {"causes": causes})

    def verdict(self, plan: Plan) -> str:
        """Say what became of a plan that is not tried any more."""
        cause = self._causes(plan)[-1]
        if plan.is_float:
            return f"The process that measured the float model was lost: {cause}."
        return f"{plan.full_title} cost the process that measured it, and is left out: {cause}."

    def limit(self, plan: Plan) -> float:
        """Return the seconds that a measurement of a plan may take."""
        if self._trial_timeout is not None:
            return self._trial_timeout
        training = 0.0 if plan.recipe is None else 2 * plan.recipe.train_seconds
        return self._float_limit if plan.is_float else LIMIT_SECONDS + LIMIT_TIMES * self._slowest() + training

    def pace(self, plan: Plan, seconds: float) -> None:
        """Record what the longest measurement of float took; a run that goes on finds its values in the profile."""
        if plan.is_float and seconds > 1.5 * self._slowest():
            self._profile.record("pace", self._float_key, {"seconds": seconds})

    def _slowest(self) -> float:
        known: Any = self._profile.recall("pace", self._float_key)
        return float(known["seconds"]) if fits(known, dict[str, float]) else 0.0

    def _causes(self, plan: Plan) -> list[str]:
        """Return how each process was lost; float's are forgotten with the run, since nothing can be had without it.

        Float that is compiled otherwise is another plan.
        """
        if plan.is_float:
            return self._of_float.get(plan.key, [])
        known: Any = self._profile.recall("lost", self._conditions.key(plan))
        return list(known["causes"]) if fits(known, dict[str, list[str]]) else []
