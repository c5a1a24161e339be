"""The trial: one plan, really built, compiled and measured."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ovquant.plans import Plan
from ovquant.statistics import ratio_of_medians

Verdict = Literal["met", "float", "inconclusive", "infeasible", "missed"]
Split = Literal["search", "holdout"]


@dataclass(frozen=True)
class Score:
    """A score on one split beside the float model's on the same samples, in the metric's unit.

    `drop` is positive when the plan is worse than float, whichever direction of the metric is better. `low` and
    `high` are a 95 % paired interval of the drop where the metric is a mean over samples, else None.
    """

    split: Split
    value: float
    float_value: float
    drop: float
    excess: float
    samples: int
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Timing:
    """Latency in milliseconds per inference, and its ratio to float, interleaved in one run.

    `ratio` is plan over float of the medians (below 1 is faster) with a 95 % interval; for the throughput
    objective the times are milliseconds per sample with all requests busy. `heats` counts the compilations timed.
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

    @classmethod
    def of(cls, times: NDArray[np.float64], float_times: NDArray[np.float64]) -> "Timing":
        """Summarise interleaved times of a plan and of float, both milliseconds of shape [rounds]."""
        ratio, low, high = ratio_of_medians(times, float_times)
        return cls(
            p50_ms=float(np.median(times)),
            p95_ms=float(np.percentile(times, 95)),
            float_p50_ms=float(np.median(float_times)),
            float_p95_ms=float(np.percentile(float_times, 95)),
            ratio=ratio,
            ratio_low=low,
            ratio_high=high,
            rounds=np.size(times),
        )

    @classmethod
    def joined(cls, timings: Sequence["Timing"]) -> "Timing":
        """Return what timings of one plan say together, each weighted by its heats.

        The interval reaches around all of theirs: two compilations of one model differ by percents, which the rounds of
        either do not show.
        """
        weights = [timing.heats for timing in timings]

        def mean(name: str) -> float:
            return float(np.exp(np.average(np.log([getattr(timing, name) for timing in timings]), weights=weights)))

        return cls(
            **{name: mean(name) for name in ("p50_ms", "p95_ms", "float_p50_ms", "float_p95_ms", "ratio")},
            ratio_low=min(timing.ratio_low for timing in timings),
            ratio_high=max(timing.ratio_high for timing in timings),
            rounds=sum(timing.rounds for timing in timings),
            heats=sum(weights),
        )

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
        scores = {name: None if values[name] is None else Score(**values[name]) for name in ("search", "holdout")}
        timing = None if values["timing"] is None else Timing(**values["timing"])
        return cls(**{**values, **scores, "timing": timing, "plan": Plan.from_json(values["plan"])})
