"""All that measures plans of one float model; what goes in and comes out is plain data, so it can be in another process."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from ovquant.domain.budget import Budget
from ovquant.domain.lost import LostSample
from ovquant.domain.objective import GENERATING
from ovquant.domain.operation import Operation
from ovquant.domain.plan import Plan
from ovquant.domain.profile import Profile
from ovquant.domain.table import LayerRow, PairRow
from ovquant.domain.trial import Scores, Split, Timing
from ovquant.measure.conditions import Conditions
from ovquant.measure.describer import Describer
from ovquant.measure.evaluate import Evaluation
from ovquant.measure.generation import refuse_degenerate
from ovquant.measure.lost import lost_samples
from ovquant.measure.models import Models
from ovquant.measure.operations import saving, timed_operations
from ovquant.measure.probe import Probing
from ovquant.measure.score import Scorer, Told
from ovquant.measure.spreads import with_spreads
from ovquant.measure.stopwatch import TRIAL_HEATS, Stopwatch

Details = tuple[tuple[Operation, ...], tuple[LostSample, ...]]
"""The operations of a plan's model, and the samples that it loses."""


class Instruments(Protocol):
    """What a workbench measures with, wherever that is; each method is described by `Local`."""

    @property
    def conditions(self) -> Conditions: ...
    @property
    def profile(self) -> Profile: ...
    @property
    def notes(self) -> Sequence[str]: ...
    def timing(self, plan: Plan, *, heats: int = ..., beside: Plan | None = ...) -> Timing: ...
    def final_race(
        self, plans: Sequence[Plan], until: float = ..., deciding: int | None = ..., beside: Plan | None = ...
    ) -> list[Timing]: ...
    def score(
        self,
        plan: Plan,
        split: Split,
        budget: Budget,
        *,
        glance: bool = ...,
        level: float | None = ...,
        before: Scores | None = ...,
        told: Told = ...,
    ) -> Scores: ...
    def evaluation(self, plan: Plan, split: Split) -> list[Evaluation]: ...
    def traits(self, plan: Plan, *, scoring: bool = ..., beside: Plan | None = ...) -> dict[str, Any]: ...
    def served(self, plan: Plan) -> dict[str, str]: ...
    def details(self, plan: Plan) -> Details: ...
    def footprint(self, plan: Plan) -> int | None: ...
    def layers(
        self, plan: Plan, base_cost: float, until: float, levels: Sequence[str], *, gains: bool, float_cost: float = ...
    ) -> tuple[LayerRow, ...]: ...
    def pairs(
        self, plan: Plan, names: Iterable[str], rows: Sequence[LayerRow], base_cost: float, until: float
    ) -> tuple[PairRow, ...]: ...
    def build(self, plan: Plan) -> Path: ...
    def let_go(self, plans: Iterable[Plan], holding: Plan | None = ...) -> None: ...


@dataclass
class Local:
    """The instruments of this process; `processes` tells that they may start others for what needs one of its own."""

    models: Models
    scorer: Scorer
    stopwatch: Stopwatch
    notes: Sequence[str] = ()
    processes: bool = False

    @cached_property
    def describer(self) -> Describer:
        """Return what tells size, divergence and precisions."""
        return Describer(self.models, self.scorer)

    @cached_property
    def conditions(self) -> Conditions:
        """Return what all measurements share; samples and plugins are left out."""
        models, splits = self.models, self.models.splits
        search, holdout, calibration = (
            replace(part, dataset=()) for part in (splits.search, splits.holdout, splits.calibration)
        )
        return replace(
            models.conditions,
            splits=replace(
                splits,
                search=search,
                holdout=holdout,
                calibration=calibration,
                training=None if splits.training is None else replace(splits.training, dataset=()),
            ),
            metrics=tuple(replace(metric, plugin=None) for metric in self.scorer.metrics),
            metric_key=self.scorer.key,
            objective=self.stopwatch.objective,
            elsewhere="" if self.scorer.elsewhere is None else self.scorer.elsewhere.arithmetic,
        )

    @property
    def profile(self) -> Profile:
        """Return where measurements are recorded."""
        return self.models.profile

    def timing(self, plan: Plan, *, heats: int = TRIAL_HEATS, beside: Plan | None = None) -> Timing:
        """Time a plan beside float; see `Stopwatch.timing`."""
        return self.stopwatch.timing(plan, heats=heats, beside=beside)

    def final_race(
        self,
        plans: Sequence[Plan],
        until: float = float("inf"),
        deciding: int | None = None,
        beside: Plan | None = None,
    ) -> list[Timing]:
        """Time the finalists until they are decided; see `Stopwatch.final_race`."""
        return self.stopwatch.final_race(plans, until, deciding, beside)

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
        """Score a plan beside float in f32; see `Scorer.score`."""
        return self.scorer.score(plan, split, budget, glance=glance, level=level, before=before, told=told)

    def evaluation(self, plan: Plan, split: Split) -> list[Evaluation]:
        """Score a plan alone on all of a split, by every metric."""
        return self.scorer.evaluation(plan, split)

    def traits(self, plan: Plan, *, scoring: bool = False, beside: Plan | None = None) -> dict[str, Any]:
        """Return size, divergence from float, and the precision of every layer of a plan.

        scoring: it will be scored next, so its first samples are scored by the outputs that are compared with float's. beside:
        another plan; then also `saving`, the share of its time that this one may save. Raises ModelError for a decoder that is
        timed while it generates, where what it writes is no answer.
        """
        if self.stopwatch.objective in GENERATING and not plan.is_float:
            refuse_degenerate(self.models, plan, self.stopwatch.generation)
        if scoring:
            self.describer.compare_first(plan)
        more = {} if beside is None else {"saving": saving(self.models, plan, beside)}
        return self.describer.traits(plan) | more

    def served(self, plan: Plan) -> dict[str, str]:
        """Return what a plan is scored and served on, as its compiled model reports it."""
        return self.describer.served(plan)

    def details(self, plan: Plan) -> Details:
        """Return what a report shows of a plan beside its figures: see `timed_operations`, `with_spreads` and `lost_samples`."""
        operations = with_spreads(self.models, plan, timed_operations(self.models, plan))
        return operations, lost_samples(self.scorer, plan)

    def footprint(self, plan: Plan) -> int | None:
        """Return the bytes of memory that serving a plan takes; None where no process may be started for it, or it failed."""
        return self.describer.footprint(plan) if self.processes else None

    def layers(
        self, plan: Plan, base_cost: float, until: float, levels: Sequence[str], *, gains: bool, float_cost: float = 1.0
    ) -> tuple[LayerRow, ...]:
        """Measure the layers of a plan's recipe at each level, until time is up; see `Probing.layers`."""
        return probing(self, plan, until).layers(base_cost, levels, gains=gains, float_cost=float_cost)

    def pairs(
        self, plan: Plan, names: Iterable[str], rows: Sequence[LayerRow], base_cost: float, until: float
    ) -> tuple[PairRow, ...]:
        """Measure pairs of layers of a plan's recipe, until time is up; see `Probing.pairs`."""
        return probing(self, plan, until).pairs(names, rows, base_cost)

    def build(self, plan: Plan) -> Path:
        """Build a plan and return the path of its model.xml."""
        return self.models.build(plan)

    def let_go(self, plans: Iterable[Plan], holding: Plan | None = None) -> None:
        """Delete the built files of plans that are out of the running; other recipes leave memory before that of `holding`."""
        for plan in plans:
            self.models.discard(plan)
        if holding is not None and holding.recipe is not None:
            self.models.recent.hold(holding.recipe)


def probing(local: Local, plan: Plan, until: float) -> Probing:
    """Return what measures the layers of a plan's recipe."""
    assert plan.recipe is not None
    models = local.models
    return Probing(models, local.stopwatch, plan, models.quantized(plan.recipe), local.describer.float_outputs(), until)
