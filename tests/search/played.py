"""Searches of a small real model, whose times and whose scores on the holdout are given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from openvino import opset13 as ops

from ovquant.domain.budget import Budget, Drop
from ovquant.domain.plan import Plan
from ovquant.domain.profile import Profile
from ovquant.domain.sample import Sample
from ovquant.domain.split import split_data
from ovquant.domain.table import Calibration, Candidate, Probe, Proposal, Table
from ovquant.domain.trial import Score, Scores, Timing
from ovquant.errors import CompileError
from ovquant.measure.instruments import Local
from ovquant.measure.models import Models
from ovquant.measure.score import Scorer
from ovquant.measure.stopwatch import Stopwatch
from ovquant.measure.workbench import Workbench
from ovquant.plugins.metrics import resolve_metrics
from ovquant.plugins.recipes import read_recipe
from ovquant.runtime import Deployment
from ovquant.search.loop import Search
from ovquant.search.standings import Offer


def model() -> openvino.Model:
    weights = np.random.default_rng(0).standard_normal((64, 10)).astype(np.float32)
    port = ops.parameter([-1, 64], np.float32)
    port.output(0).get_tensor().set_names({"x"})
    made = openvino.Model([ops.matmul(port, ops.constant(weights), False, False)], [port], "linear")
    made.outputs[0].get_tensor().set_names({"scores"})
    return made


def samples(count: int, seed: int) -> list[Sample]:
    weights = np.random.default_rng(0).standard_normal((64, 10)).astype(np.float32)
    rows = np.random.default_rng(seed).standard_normal((count, 64)).astype(np.float32)
    return [Sample(row, int((row @ weights).argmax())) for row in rows]


@dataclass
class PlayedStopwatch(Stopwatch):
    """A stopwatch whose timings are given, by the name of a plan."""

    ratios: Mapping[str, float] = field(default_factory=dict)
    needs_f32: bool = False

    def timing(self, plan: Plan, *, heats: int = 1, beside: Plan | None = None) -> Timing:
        if self.needs_f32 and not plan.is_float and "INFERENCE_PRECISION_HINT" not in plan.properties:
            raise CompileError("The model does not compile on CPU: no suitable implementation.")
        ratio = self.ratios.get(plan.name, 1.0) / self.ratios.get("float" if beside is None else beside.name, 1.0)
        return Timing(ratio, ratio, 1.0, 1.0, ratio, ratio - 0.01, ratio + 0.01, 50)

    def final_race(
        self, plans: Sequence[Plan], until: float = 0.0, deciding: int | None = None, beside: Plan | None = None
    ) -> list[Timing]:
        return [self.timing(plan, beside=beside) for plan in plans]


@dataclass
class PlayedScorer(Scorer):
    """A scorer whose scores on the holdout are given; those on the search split are really measured unless given."""

    holdout_drops: Mapping[str, float] = field(default_factory=dict)
    search_drops: Mapping[str, float] = field(default_factory=dict)
    walked: list[str] = field(default_factory=list)

    def score(self, plan: Plan, split: Any, budget: Budget, *, level: float | None = None, **how: Any) -> Scores:
        if split == "search" and plan.name in self.search_drops:
            drop = self.search_drops[plan.name]
            return Scores((Score("search", 1 - drop, 1.0, drop, drop - 0.1, 100, method="exact", metric="accuracy"),))
        if split == "search":
            return super().score(plan, split, budget, **how)
        self.walked.append(plan.name)
        drop = self.holdout_drops.get(plan.name, 0.0)
        score = Score("holdout", 1 - drop, 1.0, drop, drop - 0.1, 100, method="exact", metric="accuracy")
        if level is not None:
            # A p-value that falls with the distance from the limit: 0.05 at nine tenths of it.
            p_value = 0.05 * 10 ** (10 * (drop - 0.09) / 0.1) if drop < 0.1 else 1.0
            score = replace(score, level=level, p_value=p_value, bound=drop + 0.01, needed=500)
        return Scores((score,))


@dataclass
class PlayedLocal(Local):
    """Instruments to which operations tell what is given of what plans save, by their names."""

    savings: Mapping[str, float] = field(default_factory=dict)

    def traits(self, plan: Plan, *, scoring: bool = False, beside: Plan | None = None) -> dict[str, Any]:
        found = super().traits(plan, scoring=scoring)
        return found if beside is None else {**found, "saving": self.savings.get(plan.name, 1.0)}


@dataclass(frozen=True)
class Scripted:
    """Proposes what it is told to, in order."""

    proposals: tuple[Proposal, ...]

    def propose(self, table: Table) -> Proposal | None:
        return next((item for item in self.proposals if not self._answered(table, item)), None)

    def _answered(self, table: Table, item: Proposal) -> bool:
        if isinstance(item, Calibration):
            return table.operations(item.parts) in table.calibrations
        return item.parts in table.layers if isinstance(item, Probe) else table.row(item) is not None


PARTS = ("weights", "mixed", "default")


def search(
    tmp_path: Path,
    strategy: Any = None,
    *,
    ratios: Mapping[str, float] | None = None,
    holdout_drops: Mapping[str, float] | None = None,
    search_drops: Mapping[str, float] | None = None,
    savings: Mapping[str, float] | None = None,
    needs_f32: bool = False,
    metric: str = "accuracy",
    count: int = 300,
) -> tuple[Search, list[str]]:
    """Return a search, and the list of the plans that are scored on the holdout."""
    metrics = resolve_metrics(metric)
    profile = Profile(tmp_path / "profile.jsonl")
    splits = split_data(samples(count, 1), seed=0)
    models = Models(model(), splits, metrics[0], Deployment(), profile, tmp_path / "trials")
    scorer = PlayedScorer(models, metrics, holdout_drops=holdout_drops or {}, search_drops=search_drops or {})
    stopwatch = PlayedStopwatch(models, "latency", ratios=ratios or {}, needs_f32=needs_f32)
    chosen = strategy or Scripted(tuple(Candidate((part,)) for part in PARTS))
    bench = Workbench(PlayedLocal(models, scorer, stopwatch, savings=savings or {}))
    return Search(bench, Budget(Drop(0.1)), chosen, Offer(PARTS), read_recipe), scorer.walked


def confident(hunt: Search) -> Search:
    return replace(hunt, budget=Budget(Drop(0.1), confidence=0.95))


RATIOS = {"weights": 0.9, "mixed": 0.6, "default": 0.5}
