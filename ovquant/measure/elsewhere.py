"""How plans answer with the int8 arithmetic that this processor has not, from a process in which it is simulated."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openvino

from ovquant import runtime
from ovquant.domain.plan import Plan
from ovquant.domain.progress import Progress, silent, told
from ovquant.domain.split import Splits, Subset
from ovquant.domain.trial import WHERE, Split
from ovquant.errors import DataError, LostError, ModelError
from ovquant.measure.divergence import DIVERGENCE_BYTES, DIVERGENCE_SAMPLES, divergence, outputs_of
from ovquant.measure.evaluate import Evaluation, evaluate_all
from ovquant.measure.models import Models
from ovquant.measure.paired import resampler
from ovquant.measure.reference import Reference
from ovquant.measure.worker import Worker
from ovquant.plugins.metrics import ResolvedMetric
from ovquant.runtime import Arithmetic, Deployment, Simulation


@dataclass
class Elsewhere:
    """The other arithmetic, as seen from the process that measures: `start` starts the one in which a Simulator answers."""

    arithmetic: Arithmetic
    start: Callable[[], Worker]
    _worker: Worker | None = None

    def evaluation(
        self, models: Models, plan: Plan, split: Split, places: Sequence[int] | None, data: Subset
    ) -> list[Evaluation]:
        """Score a plan's saved file on these samples of a split, or on all, by every metric; `data` is what they are here."""
        return self._ask("evaluation", models, plan, split, places, data.fingerprint)  # type: ignore[no-any-return]

    def divergence(self, models: Models, plan: Plan) -> float:
        """Return how far the outputs of a plan's saved file are from float's."""
        return float(self._ask("divergence", models, plan))

    def open(self) -> Worker:
        """Return the process, which is started where it is not there; raises ModelError where it cannot do what it should."""
        self._worker = self._worker or self.start()
        return self._worker

    def _ask(self, method: str, models: Models, plan: Plan, *arguments: Any) -> Any:
        paths = models.build(plan), models.build(models.reference_plan)
        try:
            return self.open().call("measure", method, *paths, plan.title, plan.properties, *arguments)
        except LostError as error:
            # It is not the process that measures that was lost.
            self._worker = None
            raise ModelError(f"{plan.full_title} could not be run as {WHERE[self.arithmetic]} do: {error}.") from error


@dataclass
class Simulator:
    """Runs saved models with the arithmetic that this process simulates, on the data and by the metrics of a run."""

    splits: Splits
    metrics: Sequence[ResolvedMetric]
    deployment: Deployment
    simulation: Simulation
    seed: int = 0
    progress: Progress = silent
    _compiled: dict[Path, openvino.CompiledModel] = field(default_factory=dict)
    _truth: Reference | None = None

    def evaluation(
        self,
        path: Path,
        reference: Path,
        title: str,
        properties: Mapping[str, str],
        split: Split,
        places: Sequence[int] | None,
        fingerprint: str,
    ) -> list[Evaluation]:
        """Score a model on these samples of a split, or on all; raises DataError where they have another fingerprint here."""
        whole = self.splits.search if split == "search" else self.splits.holdout
        data = whole if places is None else whole.only([place for place in places if place < len(whole)])
        if data.fingerprint != fingerprint:
            raise DataError(
                "The data were not the same when they were read again. Give data that are read alike each time."
            )
        self._truth = self._truth or Reference(lambda: self._model(reference, properties, reference))
        holdout = split == "holdout"
        return evaluate_all(
            self._model(path, properties, reference),
            data,
            metrics=self.metrics,
            reference=self._truth,
            step=told(self.progress, f"evaluating {title} on {split} as {WHERE[self.simulation.arithmetic]} do"),
            resample=resampler(len(data), groups=data.groups, seed=self.seed) if holdout else None,
            whose=f"the plan {title}",
        )

    def divergence(self, path: Path, reference: Path, title: str, properties: Mapping[str, str]) -> float:
        """Return how far a model's outputs are from float's, for the first samples of the search split."""
        expected = outputs_of(
            self._model(reference, properties, reference),
            self.splits.search,
            count=DIVERGENCE_SAMPLES,
            most_bytes=DIVERGENCE_BYTES,
        )
        found = outputs_of(self._model(path, properties, reference), self.splits.search, count=len(expected))
        return divergence(found, expected)

    def _model(self, path: Path, properties: Mapping[str, str], reference: Path) -> openvino.CompiledModel:
        if path not in self._compiled:
            # Float's is kept beside that of the plan at hand.
            self._compiled = {known: made for known, made in self._compiled.items() if known == reference}
            there = {**properties, **self.simulation.properties}
            self._compiled[path] = runtime.compile_model(
                path, Deployment(self.deployment.device, there, self.deployment.batch)
            )
        return self._compiled[path]
