"""The budget: how much a score may fall, below what it may never be, and what a model may take."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ovquant.domain.typed import typed
from ovquant.domain.units import milliseconds, size_bytes
from ovquant.errors import MetricError, UsageError

_FORM = re.compile(r"^\s*([0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*(%|pt|)\s*$")


@dataclass(frozen=True)
class Drop:
    """An allowed drop: relative (a share of the float score) or absolute (in the metric's own unit)."""

    value: float
    relative: bool = False

    def __post_init__(self) -> None:
        if not math.isfinite(self.value) or self.value < 0:
            raise UsageError(f"A drop is a number of zero or more; got {self.value}.")
        if self.relative and self.value > 1:
            raise UsageError(f"A relative drop is at most 100%; got {self.value:.0%}.")

    @classmethod
    def parse(cls, text: "str | float | Drop") -> "Drop":
        """Read `1%` (relative), `1pt` (0.01 absolute) or `0.01` (absolute, in the metric's unit)."""
        if isinstance(text, Drop):
            return text
        if isinstance(text, int | float):
            return cls(float(text))
        match = _FORM.match(text)
        if match is None:
            raise UsageError(
                f"'{text}' is not a valid drop. Write 1% (relative), 1pt (0.01) or 0.01 (the metric's unit)."
            )
        number, unit = float(match[1]), match[2]
        return cls(number / 100 if unit else number, relative=unit == "%")

    def allowed(self, float_score: float) -> float:
        """Return the drop allowed against a float score, in the metric's unit.

        Raises MetricError for a relative drop from a float score of zero, which allows nothing and means nothing.
        """
        if not self.relative:
            return self.value
        if float_score == 0:
            raise MetricError(
                "The float model scores 0, so a drop relative to it has no meaning. "
                "Give an absolute drop such as --max-drop 0.01, or check the data and the metric."
            )
        return self.value * abs(float_score)

    def __str__(self) -> str:
        return f"{self.value * 100:g}%" if self.relative else f"{self.value:g}"


@dataclass(frozen=True)
class Limit:
    """What one metric, by its name, may lose, and below what it may never be."""

    metric: str = ""
    max_drop: Drop | None = None
    floor: float | None = None

    def allowed(self, float_score: float) -> float:
        """Return the drop allowed against a float score, in the metric's unit; infinite where no drop is given."""
        return math.inf if self.max_drop is None else self.max_drop.allowed(float_score)

    def excess(self, score: float, *, float_score: float, higher_is_better: bool) -> float:
        """Return by how much a score is outside the limit, in the metric's unit; zero or less is inside."""
        sign = 1.0 if higher_is_better else -1.0
        drop = sign * (float_score - score)
        outside = 0.0 if self.max_drop is None else drop - self.allowed(float_score)
        if self.floor is not None:
            below = sign * (self.floor - score)
            outside = below if self.max_drop is None else max(outside, below)
        return 0.0 if abs(outside) < 1e-12 else outside

    def excesses(self, items: ArrayLike, float_items: ArrayLike, *, higher_is_better: bool) -> NDArray[np.float64]:
        """Return the excess sample by sample, shape [n]: their mean is the excess of the scores.

        items: the plan's and the float model's score of each sample, where the metric is their mean. With a floor, the
        tighter of the two is what counts.
        """
        sign = 1.0 if higher_is_better else -1.0
        mine, truth = np.asarray(items, dtype=np.float64), np.asarray(float_items, dtype=np.float64)
        share = self.max_drop.value if self.max_drop is not None and self.max_drop.relative else None
        # A relative drop is judged on plan − (1 − r)·float, so that the float score is not constant.
        allowed = share * np.sign(truth.mean()) * truth if share is not None else self.allowed(float(truth.mean()))
        drops = sign * (truth - mine) - allowed
        if self.floor is None:
            return drops
        floors = sign * (self.floor - mine)
        return floors if floors.mean() > drops.mean() else drops

    def __str__(self) -> str:
        parts = [] if self.max_drop is None else [f"a drop of at most {self.max_drop}"]
        parts += [] if self.floor is None else [f"never past {self.floor:g}"]
        return " and ".join(parts)


@dataclass(frozen=True)
class Budget:
    """What the returned model must hold.

    `max_drop` and `floor` limit the primary metric, whose name is `metric`; `others` are the limits of more metrics.
    `worst_slice` is what no slice of the data may lose more of, and `confidence` how sure all of that must be on the
    holdout; without it the point estimates decide. `max_latency_ms` (median) and `max_size_bytes` (model.xml and model.bin)
    limit what the model takes. Without a drop these are what counts, and accuracy is made as good as fits. `max_memory_bytes`
    limits what a process that serves it grows by at most.
    """

    max_drop: Drop | None = None
    floor: float | None = None
    max_latency_ms: float | None = None
    max_size_bytes: int | None = None
    others: tuple[Limit, ...] = ()
    worst_slice: Drop | None = None
    confidence: float | None = None
    metric: str = ""
    max_memory_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.confidence is not None and not 0.5 <= self.confidence < 1:
            raise UsageError(f"--confidence is {self.confidence:g}; give a number from 0.5 to below 1, such as 0.95.")
        if self.max_drop is None and (self.others or self.worst_slice is not None or self.confidence is not None):
            raise UsageError("Several metrics, --worst-slice and --confidence need --max-drop.")
        if self.max_drop is None and self.max_memory_bytes is not None:
            raise UsageError("--max-memory needs --max-drop.")
        if self.max_drop is None and not self.has_limits:
            raise UsageError("Give a budget: --max-drop, or --max-latency or --max-size.")
        for name, value, example in (
            ("--max-latency", self.max_latency_ms, "5ms"),
            ("--max-size", self.max_size_bytes, "10MB"),
            ("--max-memory", self.max_memory_bytes, "500MB"),
        ):
            if value is not None and not (math.isfinite(value) and value > 0):
                raise UsageError(f"{name} is {value}; give a number above zero, such as {example}.")

    @property
    def limits(self) -> tuple[Limit, ...]:
        """Return the limit of each metric, the primary one first."""
        return (Limit(self.metric, self.max_drop, self.floor), *self.others)

    @property
    def main(self) -> Limit:
        """Return the limit of the primary metric."""
        return self.limits[0]

    @property
    def has_limits(self) -> bool:
        """Tell whether latency or size is limited."""
        return self.max_latency_ms is not None or self.max_size_bytes is not None

    def over(self, *, latency_ms: float, size_bytes: float, memory_bytes: float | None = None) -> float:
        """Return how far over its tightest limit a model is, as a share of that limit; zero or less holds all.

        What is not known of its memory, None, holds.
        """
        taken = (
            (latency_ms, self.max_latency_ms),
            (size_bytes, self.max_size_bytes),
            (memory_bytes, self.max_memory_bytes),
        )
        shares = [value / limit - 1 for value, limit in taken if limit is not None and value is not None]
        return max(shares, default=-1.0)

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Budget":
        """Read what `to_json` wrote."""
        if not isinstance(values, Mapping):
            raise ValueError(f"a budget is {values!r:.60}, where fields by name are expected")
        drops = {name: _drop(values[name]) for name in ("max_drop", "worst_slice")}
        others = tuple(typed(Limit, item, max_drop=_drop(item["max_drop"])) for item in values["others"])
        return typed(cls, values, **drops, others=others)

    def __str__(self) -> str:
        parts = [] if self.max_drop is None else [f"a drop of at most {self.max_drop}"]
        parts += [] if self.floor is None else [f"never past {self.floor:g}"]
        parts += [f"{limit.metric}: {limit}" for limit in self.others]
        parts += [] if self.worst_slice is None else [f"of every slice at most {self.worst_slice}"]
        parts += [] if self.max_latency_ms is None else [f"at most {self.max_latency_ms:g} ms"]
        parts += [] if self.max_size_bytes is None else [f"at most {self.max_size_bytes / 1e6:g} MB"]
        parts += [] if self.max_memory_bytes is None else [f"at most {self.max_memory_bytes / 1e6:g} MB of memory"]
        sure = "" if self.confidence is None else f", with {self.confidence:.4g} confidence"
        return ", ".join(parts) + sure


def refuse_all_scores(
    drop: Drop | None,
    float_score: float,
    *,
    higher_is_better: bool,
    bounds: tuple[float, float] | None,
    metric: str,
    option: str = "--max-drop",
) -> None:
    """Raise UsageError where a drop allows every score that a metric can have: a budget that nothing can break.

    bounds: the least and the largest score, where they are known. Where they are not, a score above zero that may fall to
    zero or below is taken for one that lies between 0 and 1, and the drop for a share that was written without its unit.
    """
    if drop is None:
        return
    reached = float_score - drop.allowed(float_score) if higher_is_better else float_score + drop.allowed(float_score)
    worst = None if bounds is None else bounds[0] if higher_is_better else bounds[1]
    if worst is not None:
        everything = reached <= worst if higher_is_better else reached >= worst
    else:
        everything = higher_is_better and not drop.relative and float_score > 0 >= reached
    if everything:
        asked = f"{drop.value:g}% (of float's score) or {drop.value:g}pt ({drop.value / 100:g})"
        question = "Give less than 100%." if drop.relative else f"Did you mean {asked}?"
        if float_score == worst:
            question = "That is the worst that there is: check the data and the metric."
        raise UsageError(
            f"{option} {drop} allows every score that {metric} can have: float scores {float_score:.4g}, so the budget holds "
            f"whatever the model answers. {question}"
        )


def _drop(values: Any) -> Drop | None:
    return None if values is None else typed(Drop, values)


def read_drops(given: Any, metrics: Sequence[str]) -> list[Drop | None]:
    """Return the drop of each metric from one for all of them, a mapping by name, or texts such as `accuracy=1%`.

    Raises UsageError for a metric that is not there or has no drop where others have one.
    """
    values = _by_metric(given, metrics, "--max-drop", "1%")
    if values and len(values) < len(metrics):
        left_out = next(name for name in metrics if name not in values)
        raise UsageError(f"The metric {left_out} has no --max-drop; add --max-drop {left_out}=1%.")
    return [Drop.parse(values[name]) if name in values else None for name in metrics]


def read_floors(given: Any, metrics: Sequence[str]) -> list[float | None]:
    """Return the floor of each metric, from a mapping by name, texts such as `accuracy=0.8`, or one where one metric is."""
    if given is not None and len(metrics) > 1 and not _names_metrics(given):
        raise UsageError(f"Say which metric --floor is for, as in --floor {metrics[0]}={given}.")
    values = _by_metric(given, metrics, "--floor", "0.8")
    try:
        return [float(values[name]) if name in values else None for name in metrics]
    except (TypeError, ValueError) as error:
        raise UsageError(f"--floor: {error}. Write a number, such as 0.8.") from error


def _names_metrics(given: Any) -> bool:
    if isinstance(given, Mapping):
        return True
    texts = given if isinstance(given, list | tuple) else [given]
    return any(isinstance(text, str) and "=" in text for text in texts)


def _by_metric(given: Any, metrics: Sequence[str], option: str, example: str) -> dict[str, Any]:
    texts = list(given) if isinstance(given, list | tuple) else [given]
    if given is None or not texts:
        return {}
    if not _names_metrics(given):
        if len(texts) > 1:
            raise UsageError(f"Say which metric each {option} is for, as in {option} {metrics[0]}={example}.")
        return dict.fromkeys(metrics, texts[0])
    if isinstance(given, Mapping):
        pairs = list(given.items())
    else:
        split = [str(text).rpartition("=") for text in texts]
        pairs = [(name.strip(), value.strip()) for name, _, value in split]
    known, found = {_plain(name): name for name in metrics}, {}
    for name, value in pairs:
        if _plain(name) not in known:
            raise UsageError(f"{option} names the metric '{name}'; the metrics are {', '.join(metrics)}.")
        found[known[_plain(name)]] = value
    return found


def _plain(name: str) -> str:
    """Return a name as it is compared: a plugin's name and its class differ in case and hyphens."""
    return re.sub("[-_]", "", str(name)).lower()


Drops = str | float | Drop | Mapping[str, str | float | Drop] | Sequence[str] | None
"""One drop, or one by metric: a mapping, or texts such as "accuracy=1%"."""
Floors = str | float | Mapping[str, float] | Sequence[str] | None
"""One floor, or one by metric."""


def read_budget(
    max_drop: Drops = None,
    floor: Floors = None,
    max_latency: str | float | None = None,
    max_size: str | int | None = None,
    *,
    metrics: Sequence[str],
    worst_slice: Drop | None = None,
    confidence: float | None = None,
    budget: Budget | None = None,
) -> Budget:
    """Return the budget that the arguments of a public function make.

    max_latency: in milliseconds, or text such as "5ms". max_size: in bytes, or text such as "10MB". metrics: their names, the
    primary one first. budget: one that was made already, for these metrics; UsageError is raised
    where it is for others, or where another limit is given beside it.
    """
    if budget is None:
        drops, floors = read_drops(max_drop, metrics), read_floors(floor, metrics)
        limits = zip(metrics[1:], drops[1:], floors[1:], strict=True)
        others = tuple(Limit(name, drop, lowest) for name, drop, lowest in limits)
        return Budget(
            drops[0],
            floors[0],
            milliseconds(max_latency),
            size_bytes(max_size),
            others,
            worst_slice,
            confidence,
            metrics[0],
        )
    if any(value is not None for value in (max_drop, floor, max_latency, max_size, worst_slice, confidence)):
        raise UsageError("Give a budget, or drops and limits that make one, but not both.")
    names = [budget.metric or metrics[0], *(limit.metric for limit in budget.others)]
    if names != list(metrics):
        raise UsageError(f"The budget is for {', '.join(names)}, and the metrics here are {', '.join(metrics)}.")
    return replace(budget, metric=metrics[0])
