"""The trial: one plan, really built, compiled and measured."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ovquant.plans import Plan
from ovquant.proving import CERTIFYING
from ovquant.statistics import paired_ratio, ratio_interval

NORMAL = 1.96
"""Standard deviations that a 95 % interval reaches to either side, nearly."""
BUSY = 0.05
"""The share of the processors that other work may have before it is spoken of."""
NO_LIMIT = 1e6
"""What stands for no upper limit of a ratio, since JSON has no infinity."""
Verdict = Literal["met", "float", "inconclusive", "infeasible", "missed"]
Split = Literal["search", "holdout"]


@dataclass(frozen=True)
class Score:
    """A score on one split beside the float model's on the same samples, in the metric's unit.

    `drop` is positive when the plan is worse than float, whichever direction of the metric is better; `excess` is how far
    it is outside the budget. `low` and `high` are a 95 % paired interval of the drop, and `method` says how it was made;
    None where there is none. Where several things must hold (metrics, slices) this is the one nearest to its limit, and
    `parts` are all of them.

    Where the budget asks for a confidence, `p_value` is that of being outside, `level` what it must not exceed, `bound`
    the drop that is not exceeded at that level, and `needed` about how many samples would prove what is likely. `look` is
    the how manyth decision this is that these samples are used for.
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
    parts: tuple["Score", ...] = ()

    @property
    def all(self) -> tuple["Score", ...]:
        """Return the score of everything that must hold."""
        return self.parts or (self,)

    @property
    def main(self) -> "Score":
        """Return the score of the first metric on all samples."""
        return self.all[0]

    @property
    def allowed(self) -> float:
        """Return the drop that the budget allows here."""
        return self.drop - self.excess

    @property
    def open(self) -> bool:
        """Tell whether the 95 % interval of the drop reaches to both sides of what the budget allows."""
        return self.low is not None and self.high is not None and self.low <= self.allowed < self.high

    @property
    def spread(self) -> float | None:
        """Return the standard deviation of one sample's drop, by the width of Student's interval; None without one."""
        if self.method != "t" or self.low is None or self.high is None or not np.isfinite(self.high - self.low):
            return None
        return float((self.high - self.low) / 2 / NORMAL * self.samples**0.5)

    @property
    def undecided(self) -> bool:
        """Tell whether the budget is not held, and yet not surely broken.

        With a confidence that is where the point estimates are inside; without one, where only slices are outside, whose
        intervals reach inside.
        """
        if self.holds:
            return False
        outside = [part for part in self.all if part.excess > 0]
        return all(
            part.level is None and bool(part.slice) and part.low is not None and part.low <= part.allowed
            for part in outside
        )

    @property
    def holds(self) -> bool:
        """Tell whether the budget is held: with the confidence asked for, else by the point estimates."""
        return all(
            part.excess <= 0 if part.level is None else part.p_value is not None and part.p_value <= part.level
            for part in self.all
        )

    @property
    def certified(self) -> bool:
        """Tell whether the budget is held with a confidence, by tests that are valid at every number of samples."""
        return self.holds and all(part.level is not None and part.method in CERTIFYING for part in self.all)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Score":
        """Read what `dataclasses.asdict` made."""
        return cls(**{**values, "parts": tuple(cls.from_json(part) for part in values["parts"])})


def verdict_of(score: Score) -> Verdict:
    """Return the verdict about a plan that was given, from its score."""
    if score.holds:
        return "met"
    return "inconclusive" if score.undecided else "missed"


def needed_by_width(score: Score) -> int | None:
    """Return about how many samples would narrow a drop's interval to one side of its limit, if width falls with √n."""
    if score.low is None or score.high is None or score.excess == 0:
        return None
    reach = score.high - score.drop if score.excess < 0 else score.drop - score.low
    return math.ceil(score.samples * max(1.1, (reach / abs(score.excess)) ** 2))


def nearest_to_limit(parts: Sequence[Score]) -> Score:
    """Return the score nearest to its limit, with all of them as its parts where there are several.

    That is the one proven least where a confidence is asked for, else the one that uses up most of what it may lose.
    """
    if len(parts) == 1:
        return parts[0]
    return replace(max(parts, key=_nearness), parts=tuple(parts))


def _nearness(part: Score) -> tuple[float, float]:
    share = part.excess / part.allowed if part.allowed > 0 else math.copysign(math.inf, part.excess)
    return (part.p_value or 0.0, share)


@dataclass(frozen=True)
class Timing:
    """How long a plan takes beside float: medians and 95th percentiles, milliseconds.

    `ratio` is to float timed in turn with it (below 1 is faster), with a 95 % interval over compilations; for the throughput
    objective the times are milliseconds per sample with all requests busy. `heats` counts the compilations timed, and
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


@dataclass(frozen=True)
class Trial:
    """What was measured of one plan; `problem` says why where it could not be built or need not be scored.

    `predicted` is the ratio to float in the objective that was expected before the plan was built.
    """

    plan: Plan
    search: Score | None = None
    holdout: Score | None = None
    timing: Timing | None = None
    size_bytes: int = 0
    divergence: float | None = None
    layers: Mapping[str, str] | None = None
    problem: str = ""
    seconds: float = 0.0
    predicted: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "plan": self.plan.to_json()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Trial":
        """Read what `to_json` wrote."""
        scores = {
            name: None if values[name] is None else Score.from_json(values[name]) for name in ("search", "holdout")
        }
        timing = None if values["timing"] is None else Timing(**values["timing"])
        return cls(**{**values, **scores, "timing": timing, "plan": Plan.from_json(values["plan"])})
