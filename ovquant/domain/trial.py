"""The trial: one plan, really built, compiled and measured."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ovquant.domain.plan import Plan
from ovquant.domain.typed import typed
from ovquant.stats.intervals import paired_ratio, ratio_interval

BUSY = 0.05
"""The share of the processors that other work may have before it is spoken of."""
NO_LIMIT = 1e6
"""What stands for no upper limit of a ratio, since JSON has no infinity."""
Method = Literal["exact", "betting", "bootstrap", "t"]
CERTIFYING: frozenset[Method] = frozenset({"exact", "betting"})
"""Methods that hold at every number of samples; the others are approximate."""
Verdict = Literal["met", "float", "inconclusive", "infeasible", "missed"]
Split = Literal["search", "holdout"]
WHERE = {"saturating": "processors without VNNI", "exact": "processors with VNNI"}
"""Where products of int8 are added in 16 bits, which saturate, and where exactly."""


@dataclass(frozen=True)
class Score:
    """One metric's score on one split, or on a slice of it, beside the float model's on the same samples.

    `drop` is in the metric's unit, and positive where the plan is worse than float, whichever direction of the metric is
    better. `excess` is how far it is outside the budget. `low` and `high` are a 95 % paired interval of the drop, None where
    there is none; `method` says how it was made, and `deviation` is the standard deviation of one sample's drop, where
    the interval was made by Student's t or by resamples.

    Where the budget asks for a confidence, `p_value` is that of being outside, `level` what it must not exceed, `bound`
    the drop that is not exceeded at that level, and `needed` about how many samples would prove what is likely. `look` is
    the number of times, including this one, that these samples have decided something. `arithmetic` says that the other int8
    arithmetic than the device's was simulated, and which that is.
    """

    split: Split
    value: float
    float_value: float
    drop: float
    excess: float
    samples: int
    low: float | None = None
    high: float | None = None
    method: str = ""
    metric: str = ""
    slice: str = ""
    p_value: float | None = None
    level: float | None = None
    bound: float | None = None
    needed: int | None = None
    look: int | None = None
    deviation: float | None = None
    arithmetic: str = ""

    @property
    def name(self) -> str:
        """Return what was scored: the metric, the slice if it is one, and where, if that was simulated."""
        name = f"{self.metric} of slice {self.slice}" if self.slice else self.metric
        return f"{name} on {WHERE.get(self.arithmetic, self.arithmetic)}" if self.arithmetic else name

    @property
    def allowed(self) -> float:
        """Return the drop that the budget allows here."""
        return self.drop - self.excess

    @property
    def open(self) -> bool:
        """Tell whether the 95 % interval of the drop reaches to both sides of what the budget allows."""
        return self.low is not None and self.high is not None and self.low <= self.allowed < self.high

    @property
    def holds(self) -> bool:
        """Tell whether the budget is held: with the confidence asked for, else by the point estimate."""
        if self.level is None:
            return self.excess <= 0
        return self.p_value is not None and self.p_value <= self.level

    @property
    def certified(self) -> bool:
        """Tell whether the budget is held with a confidence, by a test that is valid at every number of samples."""
        return self.holds and self.level is not None and self.method in CERTIFYING

    @property
    def undecided(self) -> bool:
        """Tell whether a score outside its budget is not surely outside; without a confidence only slices can be that."""
        return self.excess <= 0 or (
            self.level is None and bool(self.slice) and self.low is not None and self.low <= self.allowed
        )


@dataclass(frozen=True)
class Scores:
    """All that must hold together on one split: the primary metric, then other metrics and slices.

    `value`, `float_value`, `drop`, `low`, `high` and `samples` are those of the primary metric. `workers` are those elsewhere that ran
    the plan's model, none where it ran on this machine.
    """

    all: tuple[Score, ...]
    workers: tuple[str, ...] = field(default=(), compare=False)

    @property
    def main(self) -> Score:
        """Return the score of the primary metric on all samples."""
        return self.all[0]

    @property
    def nearest(self) -> Score:
        """Return the score nearest to its limit.

        That is the one proven least where a confidence is asked for, else the one that uses up most of what it may lose.
        """
        return max(self.all, key=_nearness)

    @property
    def inside(self) -> bool:
        """Tell whether the budget is held by the point estimates."""
        return all(score.excess <= 0 for score in self.all)

    @property
    def holds(self) -> bool:
        """Tell whether the budget is held: with the confidence asked for, else by the point estimates."""
        return all(score.holds for score in self.all)

    @property
    def certified(self) -> bool:
        """Tell whether the budget is held with a confidence, by tests that are valid at every number of samples."""
        return all(score.certified for score in self.all)

    @property
    def undecided(self) -> bool:
        """Tell whether the budget is not held, and yet not surely broken.

        With a confidence that is where the point estimates are inside; without one, where only slices are outside, whose
        intervals reach inside.
        """
        return not self.holds and all(score.undecided for score in self.all)

    @property
    def value(self) -> float:
        """Return the plan's score by the primary metric."""
        return self.main.value

    @property
    def float_value(self) -> float:
        """Return the float model's score by the primary metric."""
        return self.main.float_value

    @property
    def drop(self) -> float:
        """Return the drop in the primary metric."""
        return self.main.drop

    @property
    def low(self) -> float | None:
        """Return the lower end of the 95 % interval of the drop in the primary metric."""
        return self.main.low

    @property
    def high(self) -> float | None:
        """Return the upper end of the 95 % interval of the drop in the primary metric."""
        return self.main.high

    @property
    def samples(self) -> int:
        """Return how many samples the primary metric was measured on."""
        return self.main.samples

    def at_use(self, number: int | None) -> "Scores":
        """Return the scores of samples that decided something for the number-th time."""
        return replace(self, all=tuple(replace(score, look=number) for score in self.all))

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON: the score nearest to its limit, with all of them as its parts where there are several."""
        parts = [{**asdict(score), "parts": []} for score in self.all]
        workers = {"workers": list(self.workers)} if self.workers else {}
        return {**asdict(self.nearest), "parts": parts if len(parts) > 1 else [], **workers}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Scores":
        """Read what `to_json` wrote."""
        if not isinstance(values, Mapping) or not isinstance(values["parts"], list):
            raise ValueError(f"scores are {values!r:.60}, where fields by name are expected")
        parts: list[Any] = values["parts"] or [values]
        own = [{name: part[name] for name in part if name not in ("parts", "workers")} for part in parts]
        return typed(cls, {"workers": values.get("workers", [])}, all=tuple(typed(Score, part) for part in own))


def elsewhere(scores: Scores, arithmetic: str) -> tuple[Score, ...]:
    """Return scores that were made where another int8 arithmetic than the device's was simulated."""
    return tuple(replace(score, arithmetic=arithmetic) for score in scores.all)


def verdict_of(scores: Scores) -> Verdict:
    """Return the verdict about a plan that was given, from its scores."""
    if scores.holds:
        return "met"
    return "inconclusive" if scores.undecided else "missed"


def needed_by_width(score: Score) -> int | None:
    """Return about how many samples would narrow a drop's interval to one side of its limit, if width falls with √n."""
    if score.low is None or score.high is None or score.excess == 0:
        return None
    reach = score.high - score.drop if score.excess < 0 else score.drop - score.low
    return math.ceil(score.samples * max(1.1, (reach / abs(score.excess)) ** 2))


def _nearness(score: Score) -> tuple[float, float]:
    share = score.excess / score.allowed if score.allowed > 0 else math.copysign(math.inf, score.excess)
    return (score.p_value or 0.0, share)


DISMISSED = ("not calibrated", "not started")
"""How the problem of a plan begins that was not tried."""


@dataclass(frozen=True)
class Timing:
    """How long a plan takes beside float: medians and 95th percentiles, milliseconds.

    `ratio` is to float timed in turn with it (below 1 is faster), with a 95 % interval over compilations; for the throughput
    objective the times are milliseconds per sample with all requests busy, and for a decoder's those per token. `heats` counts the compilations timed, and
    `others` is the share of the processors that other work had meanwhile.
    """

    p50_ms: float
    p95_ms: float
    float_p50_ms: float
    float_p95_ms: float
    ratio: float
    ratio_low: float
    ratio_high: float
    rounds: int
    heats: int = 1
    others: float = 0.0

    @classmethod
    def of(cls, times: NDArray[np.float64], float_times: NDArray[np.float64], *, others: float = 0.0) -> "Timing":
        """Summarise one heat, interleaved times of a plan and of float, both milliseconds of shape [rounds].

        One heat has no interval: what one compilation of a model takes says little of the next.
        """
        ratio = paired_ratio(times, float_times)
        alone = times is float_times
        return cls(
            p50_ms=float(np.median(times)),
            p95_ms=float(np.percentile(times, 95)),
            float_p50_ms=float(np.median(float_times)),
            float_p95_ms=float(np.percentile(float_times, 95)),
            ratio=ratio,
            ratio_low=ratio if alone else 0.0,
            ratio_high=ratio if alone else NO_LIMIT,
            rounds=np.size(times),
            others=others,
        )

    @classmethod
    def joined(cls, heats: Sequence["Timing"], *, confidence: float = 0.95) -> "Timing":
        """Return what several heats of one plan say together.

        The interval is Student's t over heats, in each of which both sides were compiled anew: so the variation between
        compilations and places is in it, which the rounds of one heat do not show.
        """
        if len(heats) == 1:
            return heats[0]

        def mean(name: str) -> float:
            return float(np.exp(np.mean(np.log([getattr(heat, name) for heat in heats]))))

        ratio, low, high = ratio_interval([heat.ratio for heat in heats], confidence=confidence)
        return cls(
            **{name: mean(name) for name in ("p50_ms", "p95_ms", "float_p50_ms", "float_p95_ms")},
            ratio=ratio,
            ratio_low=low,
            ratio_high=min(high, NO_LIMIT),
            rounds=sum(heat.rounds for heat in heats),
            heats=len(heats),
            others=float(np.mean([heat.others for heat in heats])),
        )

    @property
    def company(self) -> str:
        """Say how much of the processors other work had meanwhile, where that was more than a little."""
        return f", while other work had {self.others:.0%} of the processors" if self.others >= BUSY else ""

    @property
    def speedup(self) -> float:
        """Return how many times faster than float."""
        return 1 / self.ratio

    @property
    def decided(self) -> bool:
        """Tell whether the difference from float exceeds the noise."""
        return self.ratio_high < 1 or self.ratio_low > 1

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON, with the speed-up beside the ratio."""
        return {**asdict(self), "speedup": self.speedup}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Timing":
        """Read what `to_json` wrote."""
        return typed(cls, {name: value for name, value in dict(values).items() if name != "speedup"})


@dataclass(frozen=True)
class Trial:
    """What was measured of one plan; `problem` says why where it could not be built or need not be scored.

    `predicted` is the ratio to float in the objective that was expected before the plan was built. `memory_bytes` is what a
    process that serves it grows by at most, where that was measured. `elsewhere` is its score on the holdout with the int8 arithmetic
    that the device has not, where that was simulated to be told.
    """

    plan: Plan
    search: Scores | None = None
    holdout: Scores | None = None
    timing: Timing | None = None
    size_bytes: int = 0
    divergence: float | None = None
    layers: Mapping[str, str] | None = None
    problem: str = ""
    seconds: float = 0.0
    predicted: float | None = None
    memory_bytes: int | None = None
    elsewhere: Scores | None = None

    @property
    def possible(self) -> bool:
        """Tell whether the plan, or a sketch of it, could be built and run, or whether it was dismissed before that was known."""
        return self.timing is not None or self.divergence is not None or self.problem.startswith(DISMISSED)

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        found = {name: getattr(self, name) for name in _SCORES}
        scores = {name: None if value is None else value.to_json() for name, value in found.items()}
        timing = None if self.timing is None else self.timing.to_json()
        return {**asdict(self), **scores, "timing": timing, "plan": self.plan.to_json()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Trial":
        """Read what `to_json` wrote."""
        if not isinstance(values, Mapping):
            raise ValueError(f"a trial is {values!r:.60}, where fields by name are expected")
        made: dict[str, Any] = {
            # Trials of before were scored nowhere else.
            name: None if values.get(name) is None else Scores.from_json(values[name])
            for name in _SCORES
        }
        made["timing"] = None if values["timing"] is None else Timing.from_json(values["timing"])
        return typed(cls, values, plan=Plan.from_json(values["plan"]), **made)


_SCORES = ("search", "holdout", "elsewhere")
"""Fields of a trial that are scores."""
