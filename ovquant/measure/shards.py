"""Scores by workers elsewhere: where metrics are means, each of them takes a part of the samples."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import ceil
from typing import Any

import numpy as np

from ovquant.domain.plan import Plan
from ovquant.domain.progress import BESIDE
from ovquant.domain.split import Subset
from ovquant.domain.task import Task
from ovquant.domain.trial import Split
from ovquant.measure.evaluate import Evaluation
from ovquant.measure.models import Models
from ovquant.plugins.protocols import Team

SECONDS = 5.0
"""What a task should take: short enough that little is lost with a worker, and long enough that sending it is little."""
FIRST, SMALLEST = 2, 32
"""Tasks for each worker while nothing is known of how long a sample takes, and the fewest samples of a task."""


@dataclass
class Shards:
    """Has a team score plans, from their saved files, in tasks of some seconds each."""

    team: Team
    _pace: float = field(default=0.0, init=False)

    def evaluation(
        self, models: Models, plan: Plan, split: Split, whole: Subset, places: Sequence[int] | None, what: str
    ) -> list[Evaluation]:
        """Score a plan on the samples at some places of a split by metrics that are means, or on all by any, if places is None.

        what: what progress says, to which it adds how many tasks each worker has done.
        """
        paths = models.build(plan), models.build(models.reference_plan)
        names = plan.title, plan.properties, models.reference_plan.properties, split
        parts = [None] if places is None else self._parts(places)
        tasks = [
            Task(
                "evaluation", paths, (*names, part, whole.fingerprint if part is None else whole.only(part).fingerprint)
            )
            for part in parts
        ]
        ends = np.cumsum([len(whole) if part is None else len(part) for part in parts])
        by = Counter[str]()

        def done(count: int, worker: str) -> None:
            by[worker] += 1
            told = ", ".join(f"{tasks} by {name}" for name, tasks in sorted(by.items()))
            models.progress(f"{what}{BESIDE}{told}", int(ends[count - 1]), int(ends[-1]))

        models.progress(what, 0, int(ends[-1]))
        begin = time.monotonic()
        found: list[list[Evaluation]] = self.team.run(tasks, done)
        self._pace = (time.monotonic() - begin) * min(len(self.team.workers), len(tasks)) / int(ends[-1])
        whole_ones = found[0] if len(found) == 1 else [joined(each) for each in zip(*found, strict=True)]
        return [replace(one, workers=tuple(sorted(by))) for one in whole_ones]

    def _parts(self, places: Sequence[int]) -> list[Sequence[int]]:
        workers, count = len(self.team.workers), len(places)
        tasks = ceil(count * self._pace / SECONDS / workers) * workers if self._pace else FIRST * workers
        ends = np.linspace(0, count, min(tasks, max(1, count // SMALLEST)) + 1).round().astype(int)
        return [places[start:end] for start, end in pairwise(ends)]


def joined(parts: Sequence[Evaluation]) -> Evaluation:
    """Return the evaluation of all samples of a metric that is a mean, from those of parts of them in order."""
    items: list[Any] = [item for part in parts for item in part.items or ()]
    nan = tuple(found for part in parts for found in part.nan)
    return replace(parts[0], score=float(np.mean(items)), samples=len(items), items=tuple(items), nan=nan)
