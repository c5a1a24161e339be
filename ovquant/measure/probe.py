"""The layers of a recipe, one at a time: how much nearer to float the outputs get at another level, and what it costs."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from ovquant import runtime
from ovquant.domain.layer import F32, FLOAT
from ovquant.domain.objective import GENERATING
from ovquant.domain.plan import Plan
from ovquant.domain.sample import Array
from ovquant.domain.table import LayerRow, PairRow
from ovquant.domain.typed import number
from ovquant.errors import CompileError
from ovquant.graph.fingerprint import constant_bytes
from ovquant.graph.states import without_states
from ovquant.measure.divergence import divergence, outputs_of
from ovquant.measure.models import Models
from ovquant.measure.stopwatch import Stopwatch
from ovquant.quantization import Switchable
from ovquant.stats.intervals import shrunk

PROBE_SAMPLES = 16
MOST_PROBES = 24
"""Groups that are probed first, however many layers: with more of them, neighbours go together. Half as many groups
are split at most, so that the number of builds does not grow with the depth."""
HEAT = {False: 6, True: 1}
"""Variants that are timed in turn with the recipe they differ from; by whether models are large, and memory counts."""
HEAT_ROUNDS = 60
HEAT_SECONDS = 4.0
BY_BYTES = ("size", *GENERATING)
"""Objectives for which the cost of a layer is told by the bytes of its weights, without a timing."""
UNUSABLE = 1e6
"""The divergence of what does not compile."""
Group = tuple[str, ...]


@dataclass(frozen=True)
class Measured:
    """What putting a group of layers back did: gain in divergence, and cost relative to the recipe.

    `error` is the standard error of the cost over the rounds, `luck` how much two compilations of the recipe differed.
    """

    gain: float
    cost: float
    error: float
    luck: float


@dataclass
class Probing:
    """Measures groups of layers of one recipe; each is recorded in the profile, so that a stopped probe goes on.

    `expected` are the float reference's outputs for the first samples of the search split.
    """

    models: Models
    stopwatch: Stopwatch
    plan: Plan
    quantized: Switchable
    expected: Sequence[dict[str, Array]]
    until: float = float("inf")
    count: int = 0
    per_byte: float = 1.0

    def layers(
        self, base_cost: float, levels: Sequence[str] = (FLOAT,), *, gains: bool = True, float_cost: float = 1.0
    ) -> tuple[LayerRow, ...]:
        """Return a row per layer and level; those of a group that was not split share what the group did.

        base_cost: the recipe's cost relative to float, which turns costs relative to the recipe into such. gains: split
        the groups that gain most; else, where nothing needs to be gained, those that are cheaper in float. float_cost: what
        all layers put back to float cost; in f32 they cost what f32 does, or 1. When time is up the rows are of what was
        measured until then.
        """
        self.per_byte = self._per_byte(float_cost / base_cost)
        costs = {FLOAT: float_cost, F32: 1.0}
        return tuple(row for level in levels for row in self._at(level, base_cost, gains, costs.get(level)))

    def _at(self, level: str, base_cost: float, gains: bool, whole: float | None) -> Iterator[LayerRow]:
        """Yield a row per layer at one level; whole: what all of them cost there, where that is known."""
        self.count = 0
        names = [layer.name for layer in self.quantized.at(level)]
        found = dict(self.measure(list(blocks(names, MOST_PROBES)), level))
        while splittable := [group for group in found if len(group) > 1 and (gains or found[group].cost < 0)]:
            room = MOST_PROBES * 2 - self.count
            order = {group: -found[group].gain if gains else found[group].cost for group in splittable}
            most = sorted(splittable, key=lambda group: (order[group], group))[: room // 2]
            halves = [half for group in most for half in blocks(group, 2)]
            finer = dict(self.measure(halves, level))
            if not finer:
                break
            for group in most:
                if all(half in finer for half in blocks(group, 2)):
                    del found[group]
                    found |= {half: finer[half] for half in blocks(group, 2)}
        noise = errors(list(found.values()))
        costs = shrunk([item.cost for item in found.values()], noise)
        if whole is not None and sum(map(len, found)) == len(names):
            costs = anchored(costs, noise, whole / base_cost - 1)
        for group, cost in zip(found, costs, strict=True):
            for name in group:
                yield LayerRow(name, found[group].gain / len(group), base_cost * cost / len(group), level)

    def pairs(self, names: Iterable[str], rows: Sequence[LayerRow], base_cost: float) -> tuple[PairRow, ...]:
        """Return a row per pair of the layers named, both put back; `rows` are those of the single layers.

        What a pair costs beyond its two layers is what is shrunk, so that noise does not look like interaction.
        """
        costs = {row.name: row.cost for row in reversed(rows)}
        level = FLOAT if self.plan.quantizes else F32
        found = dict(self.measure(list(combinations(sorted(names), 2)), level))
        beyond = [
            base_cost * measured.cost - costs[first] - costs[second] for (first, second), measured in found.items()
        ]
        kept = shrunk(beyond, [base_cost * error for error in errors(list(found.values()))])
        return tuple(
            PairRow(first, second, measured.gain, costs[first] + costs[second] + more)
            for ((first, second), measured), more in zip(found.items(), kept, strict=True)
        )

    def measure(self, groups: Sequence[Group], level: str) -> Iterator[tuple[Group, Measured]]:
        """Yield what putting back each group of layers to a level does; ends early when time is up."""
        self.count += len(groups)
        done = 0
        together = HEAT[self.models.large]
        for begin in range(0, len(groups), together):
            if time.monotonic() > self.until:
                return
            heat = groups[begin : begin + together]
            keys = [self._key(group, level) for group in heat]
            if any(self.models.profile.recall("sensitivity", key) is None for key in keys):
                for key, value in zip(keys, self._heat(heat, level), strict=True):
                    self.models.profile.record("sensitivity", key, value)
            for group, key in zip(heat, keys, strict=True):
                value = self.models.profile.recall("sensitivity", key) or {}
                gain = self._whole() - value["divergence"]
                # Nothing to choose: what does not compile is ranked behind everything that runs.
                yield group, Measured(gain, value["cost"], value["error"], value["luck"])
            done += len(heat)
            self.models.progress(f"measuring the layers of {self.plan.title}", done, len(groups))

    def _whole(self) -> float:
        """Return the divergence of the recipe with no layer put back."""

        def measure() -> float:
            return self._divergence(self._recipe())

        return self.models.profile.measured(
            "divergence", self._key((), FLOAT), measure, lambda value: number(value, "divergence")
        )

    def _heat(self, groups: Sequence[Group], level: str) -> list[dict[str, float]]:
        """Build the recipe with each group put back, and time all of them in turn with the recipe itself."""
        self.models.release()
        models = [self.quantized.build(dict.fromkeys(group, level)) for group in groups]
        compiled = [self._compile(model) for model in models]
        divergences = [UNUSABLE if item is None else self._divergence(item) for item in compiled]
        if self._by_bytes:
            whole = constant_bytes(self.quantized.build({}))
            luck, costs = 0.0, [(self.per_byte * (constant_bytes(model) / whole - 1), 0.0) for model in models]
        else:
            luck, costs = self._timed(compiled)
        return [
            {"divergence": divergence, "cost": cost, "error": error, "luck": luck}
            for divergence, (cost, error) in zip(divergences, costs, strict=True)
        ]

    def _per_byte(self, whole: float) -> float:
        """Return by what share of its time a decoder takes longer where its weights are larger by a share of theirs.

        What is generated takes the time that reading weights takes, and some besides; both are known of float. whole: what float
        costs, relative to the recipe.
        """
        if self.stopwatch.objective not in GENERATING:
            return 1.0
        larger = constant_bytes(self.models.model) / constant_bytes(self.quantized.build({})) - 1
        return max(0.0, (whole - 1) / larger) if larger > 0 else 0.0

    def _timed(self, compiled: Sequence[openvino.CompiledModel | None]) -> tuple[float, list[tuple[float, float]]]:
        """Return how much two compilations of the recipe differ, and each variant's cost relative to both with its error.

        Two compilations of one model can differ by percents, which is more than most layers cost: so the recipe is
        compiled twice in every heat. What does not compile costs 1.
        """
        running = [item for item in compiled if item is not None]
        if not running:
            return 0.0, [(1.0, 0.0)] * len(compiled)
        times = np.log(self.stopwatch.times([self._recipe(), self._recipe(), *running], HEAT_SECONDS, HEAT_ROUNDS))
        variants = iter((times[:, 2:] - times[:, :2].mean(axis=1, keepdims=True)).T)
        costs = [(1.0, 0.0) if item is None else _median(next(variants)) for item in compiled]
        return float(np.median(times[:, 1] - times[:, 0])), costs

    def _recipe(self) -> openvino.CompiledModel:
        compiled = self._compile(self.quantized.build({}))
        if compiled is None:
            raise CompileError(f"The plan {self.plan.full_title} compiled before and does not any more.")
        return compiled

    @property
    def _by_bytes(self) -> bool:
        return self.stopwatch.objective in BY_BYTES

    def _compile(self, model: openvino.Model) -> openvino.CompiledModel | None:
        """Compile a variant, or return None where it does not compile.

        What is not timed goes without its states, since each sample begins from clean ones: a compiled decoder whose attention keeps
        state leaves memory behind once it is let go (openvino 2026.4), more with each length of a text.
        """
        plain = without_states(model) if self._by_bytes else None
        try:
            deployment = replace(self.models.deployment, properties=self.plan.properties)
            return runtime.compile_model(plain or model, deployment)
        except CompileError:
            return None

    def _divergence(self, compiled: openvino.CompiledModel) -> float:
        expected = self.expected[:PROBE_SAMPLES]
        return divergence(outputs_of(compiled, self.models.splits.search, count=len(expected)), expected)

    def _key(self, group: Group, level: str) -> dict[str, Any]:
        key = {**self.models.key(self.plan), "data": self.models.splits.search.inputs}
        # What a recipe that quantizes nothing is put back to is f32 alone.
        name = level if self.plan.quantizes else FLOAT
        without = {"states": "without"} if self._by_bytes and self.models.model.get_sinks() else {}
        return {**key, "objective": self.stopwatch.objective, name: list(group), **without}


def anchored(costs: Sequence[float], noise: Sequence[float], least: float) -> list[float]:
    """Return costs that sum to no less than is known of all of them together, raised where they are least certain.

    least: what all layers in float cost: that is float, whose cost is known better than that of any layer. Layers cost
    more one at a time, with conversions around each, so a sum below it is luck in the timing of what they differ from.
    """
    short = least - sum(costs)
    variances = np.square(noise)
    if short <= 0 or not variances.sum() > 0:
        return list(costs)
    return [float(cost) for cost in np.asarray(costs) + short * variances / variances.sum()]


def errors(measured: Sequence[Measured]) -> list[float]:
    """Return the standard errors of costs, the luck of compiling both sides included."""
    # The difference of two compilations has twice the variance of one; a cost has one on one side and two on the other.
    luck = float(np.mean([item.luck**2 for item in measured])) / 2 if measured else 0.0
    return [(item.error**2 + 1.5 * luck) ** 0.5 for item in measured]


def _median(logs: NDArray[np.float64]) -> tuple[float, float]:
    """Return the median ratio of log ratios, less one, and the standard error of a median of normal values."""
    center = float(np.median(logs))
    spread = 1.4826 * float(np.median(np.abs(logs - center)))
    return float(np.expm1(center)), 1.2533 * spread / len(logs) ** 0.5


def blocks(names: Sequence[str], most: int) -> Iterator[Group]:
    """Yield the names in at most so many runs of neighbours, of nearly equal length."""
    count = min(most, len(names))
    for place in range(count):
        yield tuple(names[place * len(names) // count : (place + 1) * len(names) // count])
