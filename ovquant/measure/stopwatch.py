"""All timing: plans and models in heats, in each of which every contender is compiled anew."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from ovquant import runtime
from ovquant.domain.objective import GENERATING, Generation, Objective
from ovquant.domain.plan import Plan
from ovquant.domain.sample import Array, Dataset
from ovquant.domain.trial import Timing
from ovquant.domain.typed import typed
from ovquant.measure.models import Models
from ovquant.runtime import Fitted, Interleave, Maker

TIMING_REQUESTS = 16
TRIAL_HEATS, FINAL_HEATS, MOST_HEATS = 3, 8, 32
"""Heats of a trial, of the last race, and of a race that the noise prolongs."""
QUICK_MS, QUICK_TIMES = 1.0, 4
"""A model that takes less time than this is timed in so many times the heats: they take little, and differ more than those of others."""
LEAST_HEATS, HEATS_SECONDS = 3, 60.0
"""Heats that are run however long they take, and the time after which no other is begun: compiling can take minutes."""
TOGETHER = 2
"""Large plans that are timed in turn with float; more of them are timed in parts of a heat, each with float, to save memory."""
HEAT_ROUNDS = 24
"""Rounds after which a heat ends, however quick they are: more would say nothing of the next compilation."""


@dataclass
class Stopwatch:
    """Times plans beside float, as the objective asks; what the profile holds is not timed again.

    `generation` is how decoders are timed, where the objective is one of theirs.
    """

    models: Models
    objective: Objective
    heat_seconds: float = 0.5
    generation: Generation = field(default_factory=Generation)
    repeats: runtime.Repeats = field(default_factory=runtime.Repeats)

    def timing(self, plan: Plan, *, heats: int = TRIAL_HEATS, beside: Plan | None = None) -> Timing:
        """Time a plan against float in turn, at the properties it is served with, over so many compilations at least.

        Plans of the same operations share it, whatever their weights and ranges. beside: another plan than float as it is
        served to time it against.
        """
        bar = beside or self.models.float_plan
        key = {**self.models.built_key(plan, values=False), **self._how(bar)}
        if plan.key == bar.key or key == {**self.models.built_key(bar, values=False), **self._how(bar)}:
            return self._raced([bar], bar, key, 0)[0]
        known: list[Timing] = []
        begin = time.monotonic()
        while len(known) < _wanted(heats, known) and not _too_long(begin, len(known)):
            known.append(self._raced([plan], bar, {**key, "heat": len(known)}, len(known))[0])
        return Timing.joined(known)

    def final_race(
        self,
        plans: Sequence[Plan],
        until: float = float("inf"),
        deciding: int | None = None,
        beside: Plan | None = None,
    ) -> list[Timing]:
        """Race the finalists in heats of their own, and go on while it is open whether one is faster than float.

        deciding: how many of the first of them count for that, all unless given. It ends when these are decided, after
        MOST_HEATS, or when time is up (`until`, by time.monotonic()). The number of heats doubles with each look at the
        intervals, and all looks together have the level of one: look k is taken at 0.05 · 2⁻ᵏ. A resumed run finds its
        heats in the profile.
        """
        bar = beside or self.models.float_plan
        key = {**self.models.key(plans[0]), "plans": [plan.key for plan in plans], **self._how(bar)}
        heats: list[list[Timing]] = []
        found: list[Timing] = []
        for look, goal in enumerate(_doubling(FINAL_HEATS, MOST_HEATS), start=1):
            begin = time.monotonic()
            while len(heats) < (wanted := _wanted(goal, *heats[:1])) and not _too_long(begin, len(heats)):
                self.models.progress("timing the finalists", len(heats), wanted)
                heats.append(self._raced(plans, bar, {**key, "race": len(heats)}, len(heats)))
            shared = [self._shared(plans, heat) for heat in heats]
            found = [Timing.joined(column, confidence=1 - 0.05 * 0.5**look) for column in zip(*shared, strict=True)]
            if all(timing.decided for timing in found[:deciding]) or time.monotonic() > until or len(heats) < wanted:
                break
        return found

    def times(self, contenders: Sequence[openvino.CompiledModel], seconds: float, most: int) -> NDArray[np.float64]:
        """Time compiled models in turn, as the objective asks: milliseconds, shape [rounds, contenders]."""
        interleave = INTERLEAVE[self.objective]
        return interleave(contenders, self._requests(contenders[0]), seconds=seconds, most=most)

    def _how(self, bar: Plan) -> dict[str, Any]:
        """Return what a timing depends on beside the plans: on the bar only where that is not float as it is served."""
        beside = {} if bar.key == self.models.float_plan.key else {"beside": bar.key}
        tokens = {"tokens": list(astuple(self.generation))} if self.objective in GENERATING else {}
        return {"objective": self.objective, "data": self.models.splits.search.inputs, **tokens, **beside}

    def _raced(self, plans: Sequence[Plan], bar: Plan, key: Mapping[str, Any], number: int) -> list[Timing]:
        """Time plans beside the bar in one heat; one that was run before is in the profile."""

        def measure() -> list[dict[str, Any]]:
            self.models.release()
            together = TOGETHER if self.models.large else len(plans)
            parts = [plans[begin : begin + together] for begin in range(0, len(plans), together)]
            return [asdict(timing) for part in parts for timing in self._heat(part, bar, number)]

        return self.models.profile.measured(
            "timing", key, measure, lambda value: [typed(Timing, item) for item in value]
        )

    def _heat(self, plans: Sequence[Plan], bar: Plan, number: int) -> list[Timing]:
        everyone = [bar, *(plan for plan in plans if plan.key != bar.key)]
        timings = race(
            [partial(self._anew, plan) for plan in everyone],
            self._requests,
            objective=self.objective,
            seconds=self.heat_seconds * len(everyone),
            most=HEAT_ROUNDS,
            seed=self.models.seed + number,
        )
        return timings[1:] or timings

    def _anew(self, plan: Plan) -> openvino.CompiledModel:
        """Compile a plan anew, which is quick from the second time on where neither memory nor what a runtime model hides counts."""
        models = self.models
        if models.large or self.objective in GENERATING:
            return models.compile(plan)
        deployment = replace(models.deployment, properties=plan.properties)
        return self.repeats.compile(models.conditions.effective(plan).key, partial(models.compile, plan), deployment)

    def _shared(self, plans: Sequence[Plan], heat: Sequence[Timing]) -> list[Timing]:
        """Return a heat in which plans of the same operations have what they took on average."""
        timed: dict[str, list[Timing]] = {}
        names = [str(self.models.built_key(plan, values=False)) for plan in plans]
        for name, timing in zip(names, heat, strict=True):
            timed.setdefault(name, []).append(timing)
        return [Timing.joined(timed[name]) for name in names]

    def _requests(self, compiled: openvino.CompiledModel) -> list[list[Array]]:
        return requests_for(compiled, self.models.splits.search, self.objective, self.generation, TIMING_REQUESTS)


INTERLEAVE: dict[Objective, Interleave] = {
    "latency": runtime.interleave,
    "size": runtime.interleave,
    "throughput": runtime.interleave_throughput,
    "first-token": partial(runtime.interleave_tokens, first=True),
    "next-token": runtime.interleave_tokens,
}
"""How contenders are timed in turn, by objective."""


def requests_for(
    compiled: openvino.CompiledModel, dataset: Dataset, objective: Objective, generation: Generation, count: int
) -> list[list[Array]]:
    """Return what contenders are timed on: the inputs of a few whole requests, or a decoder's prompts with what follows each."""
    if objective in GENERATING:
        return runtime.prompts_of(compiled, dataset, generation)
    return runtime.requests_of(compiled, dataset, count)


def race(
    makers: Sequence[Maker], requests: Fitted, *, objective: Objective, seconds: float, most: int, seed: int
) -> list[Timing]:
    """Time contenders in one heat and return one timing each, relative to the first.

    makers: each compiles a contender. requests: returns what they are timed on, for the first of them (`requests_for`).
    objective: how they are timed. seconds and most: when the heat ends, the latter in rounds.
    """
    load = runtime.Load()
    times = runtime.heat(makers, requests, seconds=seconds, most=most, seed=seed, interleaved=INTERLEAVE[objective])
    others, base = load.others(), times[:, 0]
    columns = [base, *(times[:, place] for place in range(1, len(makers)))]
    return [Timing.of(column, base, others=others) for column in columns]


def race_heats(
    makers: Sequence[Maker], requests: Fitted, *, objective: Objective, seconds: float, heats: int, most: int, seed: int
) -> list[Timing]:
    """Time contenders over so many heats, which share the time, and return one timing each, relative to the first."""
    found = [
        race(makers, requests, objective=objective, seconds=seconds / heats, most=most, seed=seed + number)
        for number in range(heats)
    ]
    return [Timing.joined(column) for column in zip(*found, strict=True)]


def _wanted(heats: int, first: Sequence[Timing] = ()) -> int:
    """Return in how many heats models are timed, once the first of them has told how quick they are."""
    return heats * (QUICK_TIMES if first and first[0].float_p50_ms < QUICK_MS else 1)


def _too_long(begin: float, heats: int) -> bool:
    return heats >= LEAST_HEATS and time.monotonic() - begin > HEATS_SECONDS


def _doubling(first: int, most: int) -> Iterator[int]:
    """Yield a number and ever twice as many, up to the most."""
    while first <= most:
        yield first
        first *= 2
