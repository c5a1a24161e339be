"""Saved models, run in another process on the data and by the metrics of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import openvino

from ovquant import runtime
from ovquant.domain.progress import Progress, silent, told
from ovquant.domain.split import Splits
from ovquant.domain.trial import Split
from ovquant.errors import DataError
from ovquant.measure.divergence import DIVERGENCE_BYTES, DIVERGENCE_SAMPLES, divergence, outputs_of
from ovquant.measure.evaluate import Evaluation, evaluate_all
from ovquant.measure.paired import resampler
from ovquant.measure.reference import Reference
from ovquant.plugins.metrics import ResolvedMetric
from ovquant.runtime import Deployment

Placed = tuple[Path, tuple[tuple[str, str], ...]]
"""The file of a model, and the properties that it is compiled with, in order."""


@dataclass
class Replica:
    """Runs saved models on data and by metrics that it has read itself.

    `beside` are the properties that it compiles with beside a plan's, and `where` says what is otherwise here, for the progress.
    """

    splits: Splits
    metrics: Sequence[ResolvedMetric]
    deployment: Deployment
    beside: Mapping[str, str] = field(default_factory=dict)
    where: str = ""
    seed: int = 0
    progress: Progress = silent
    _compiled: dict[Placed, openvino.CompiledModel] = field(default_factory=dict)
    _truth: Reference | None = None

    def evaluation(
        self,
        path: Path,
        reference: Path,
        title: str,
        properties: Mapping[str, str],
        expected: Mapping[str, str],
        split: Split,
        places: Sequence[int] | None,
        fingerprint: str,
    ) -> list[Evaluation]:
        """Score a model on these samples of a split, or on all; `expected` are the properties of float in f32.

        Raises DataError where the samples have another fingerprint here.
        """
        whole = self.splits.search if split == "search" else self.splits.holdout
        data = whole if places is None else whole.only([place for place in places if place < len(whole)])
        if data.fingerprint != fingerprint:
            raise DataError(
                "The data were not the same when they were read again. Give data that are read alike each time."
            )
        truth = self._placed(reference, expected)
        self._truth = self._truth or Reference(lambda: self._model(truth, truth))
        holdout = split == "holdout"
        return evaluate_all(
            self._model(self._placed(path, properties), truth),
            data,
            metrics=self.metrics,
            reference=self._truth,
            step=told(self.progress, f"evaluating {title} on {split}{self.where}"),
            resample=resampler(len(data), groups=data.groups, seed=self.seed) if holdout else None,
            whose=f"the plan {title}",
        )

    def divergence(
        self, path: Path, reference: Path, title: str, properties: Mapping[str, str], expected: Mapping[str, str]
    ) -> float:
        """Return how far a model's outputs are from float's, for the first samples of the search split."""
        truth = self._placed(reference, expected)
        known = outputs_of(
            self._model(truth, truth), self.splits.search, count=DIVERGENCE_SAMPLES, most_bytes=DIVERGENCE_BYTES
        )
        mine = self._model(self._placed(path, properties), truth)
        return divergence(outputs_of(mine, self.splits.search, count=len(known)), known)

    def _placed(self, path: Path, properties: Mapping[str, str]) -> Placed:
        return path, tuple(sorted({**properties, **self.beside}.items()))

    def _model(self, placed: Placed, truth: Placed) -> openvino.CompiledModel:
        if placed not in self._compiled:
            # Float's is kept beside that of the plan at hand.
            self._compiled = {known: made for known, made in self._compiled.items() if known == truth}
            path, properties = placed
            self._compiled[placed] = runtime.compile_model(
                path, Deployment(self.deployment.device, dict(properties), self.deployment.batch)
            )
        return self._compiled[placed]
