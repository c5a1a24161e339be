"""The plugin author's one door: what each kind of plugin must do, and the nouns that it is given.

One Protocol per kind, matched by structure, never subclassed. Every implementation is a frozen dataclass whose fields are
its options, so that `NAME:key=value` on the command line is `Class(key=value)` in Python.
"""

from ovquant.domain.prediction import nearest
from ovquant.domain.recipe import Recipe
from ovquant.domain.sample import Array, Dataset, Inputs, Outputs, Sample
from ovquant.domain.table import (
    Calibration,
    CalibrationRow,
    Candidate,
    LayerLevel,
    LayerRow,
    Levels,
    PairRow,
    PartNames,
    Probe,
    Proposal,
    Table,
    TrialRow,
    failed_row,
    switched,
)
from ovquant.domain.task import Job, Task
from ovquant.plugins.protocols import (
    DatasetReader,
    Executor,
    Exporter,
    Lesson,
    Loader,
    Metric,
    Reaching,
    RecipePart,
    Report,
    Strategy,
    Team,
    Trainer,
)
from ovquant.plugins.strategies.coarse import best_recipes, next_recipe
from ovquant.plugins.strategies.fine import bisect_path

__all__ = [
    "Array",
    "Calibration",
    "CalibrationRow",
    "Candidate",
    "Dataset",
    "DatasetReader",
    "Executor",
    "Exporter",
    "Inputs",
    "Job",
    "LayerLevel",
    "LayerRow",
    "Lesson",
    "Levels",
    "Loader",
    "Metric",
    "Outputs",
    "PairRow",
    "PartNames",
    "Probe",
    "Proposal",
    "Reaching",
    "Recipe",
    "RecipePart",
    "Report",
    "Sample",
    "Strategy",
    "Table",
    "Task",
    "Team",
    "Trainer",
    "TrialRow",
    "best_recipes",
    "bisect_path",
    "failed_row",
    "nearest",
    "next_recipe",
    "switched",
]
