"""The result as plain data: what was chosen, what else was tried, and what that was measured with."""

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from ovquant.domain.budget import Budget
from ovquant.domain.checks import measured_with
from ovquant.domain.lost import LostSample
from ovquant.domain.objective import Generation, Objective
from ovquant.domain.operation import Operation
from ovquant.domain.plan import Plan
from ovquant.domain.trial import Scores, Timing, Trial, Verdict
from ovquant.domain.typed import read_json, typed
from ovquant.errors import UsageError

RESULT_SCHEMA = 2
CANDIDATE = "candidate"
"""The folder of the plan that may well be what was asked for, where the verdict is inconclusive."""
PACKAGES = ("ovquant", "openvino", "nncf", "numpy", "scipy")


@dataclass(frozen=True)
class Data:
    """The samples of one role, by count and fingerprint."""

    samples: int
    fingerprint: str


@dataclass(frozen=True)
class Provenance:
    """What a result was made from and measured with.

    `model_fingerprint` is the float model's, `model_structure` the same whatever its shapes, `normal_structure` that of its
    normal form, "" where there is none, `friendly_name` what it calls itself, `model_source` its path, if it was a file, and
    `torch_weights` the digest of the weights that it uses, if it was
    a PyTorch model. `data` has the samples of each role. `metrics` are the metrics as they were given, where that was as
    texts; `slice_by` and `group_by` likewise. `served` is what the accuracy was measured on, as the compiled model reports
    it. `generation` is how a decoder was timed, where that was the objective. `processors` is "any" where budgets had to hold with either int8 arithmetic. Without `show_samples` what the samples hold was to be kept out. `seconds` is the time that the run took, and
    `versions` those of the packages.
    """

    model_name: str
    model_fingerprint: str
    objective: Objective
    device: Mapping[str, Any]
    data: Mapping[str, Data]
    batch: int
    seed: int
    seconds: float
    command: str = ""
    metrics: tuple[str, ...] = ()
    slice_by: str = ""
    group_by: str = ""
    served: Mapping[str, str] = field(default_factory=dict)
    model_source: str = ""
    model_structure: str = ""
    normal_structure: str = ""
    friendly_name: str = ""
    torch_weights: str = ""
    input_shape: str = ""
    processors: str = "this"
    show_samples: bool = True
    generation: Generation | None = None
    versions: Mapping[str, str] = field(default_factory=lambda: versions())


@dataclass(frozen=True, kw_only=True)
class ResultRecord:
    """What a run found.

    `trial` is the plan that was chosen, as measured, and `baseline` the float model as it would be served. `walked` are the
    plans that were scored on the holdout, in order. `metric` is the primary metric, and `higher_is_better` its direction.
    `front`, where it was asked for, holds the plans saved in the folders pareto/01, pareto/02 and so on, safest first.
    `plain` is how the returned model does where it is compiled with no properties, None where these change nothing.
    `candidate` is, where the verdict is inconclusive, the plan that may well be what was asked for, which is saved in the
    folder candidate. `model_digest` is that of the returned model's files. `operations` are those of the returned model that have
    weights, quantizers or a precision of their own, with the time that each takes, and `lost` the held-out samples that score less with it than
    with float, at most 50; both are empty where there was no time for them.
    """

    verdict: Verdict
    trial: Trial
    baseline: Trial
    trials: tuple[Trial, ...]
    walked: tuple[Trial, ...]
    budget: Budget
    metric: str
    higher_is_better: bool
    provenance: Provenance
    notes: tuple[str, ...] = ()
    front: tuple[Trial, ...] = ()
    plain: Trial | None = None
    candidate: Trial | None = None
    model_digest: str = ""
    operations: tuple[Operation, ...] = ()
    lost: tuple[LostSample, ...] = ()

    @property
    def plan(self) -> Plan:
        """Return the plan of the returned model."""
        return self.trial.plan

    @property
    def arithmetic(self) -> str:
        """Return the int8 arithmetic that the returned model was measured with, or BOTH; "" where it runs no int8."""
        return measured_with(self.provenance.device, self.provenance.processors) if self.plan.runs_int8 else ""

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        trials = {
            "trial": self.trial.to_json(),
            "baseline": self.baseline.to_json(),
            "trials": [trial.to_json() for trial in self.trials],
            "walked": [trial.to_json() for trial in self.walked],
            "front": [trial.to_json() for trial in self.front],
            "plain": None if self.plain is None else self.plain.to_json(),
            "candidate": None if self.candidate is None else self.candidate.to_json(),
            "operations": [asdict(operation) for operation in self.operations],
            "lost": [asdict(sample) for sample in self.lost],
        }
        plain = {name: getattr(self, name) for name in _PLAIN}
        plain |= {item.name: getattr(self.provenance, item.name) for item in fields(Provenance)}
        data = {role: asdict(item) for role, item in self.provenance.data.items()}
        plain["generation"] = None if self.provenance.generation is None else asdict(self.provenance.generation)
        return {"schema": RESULT_SCHEMA, **plain, "budget": self.budget.to_json(), "data": data, **trials}

    @classmethod
    def read(cls, source: Path, /, **more: Any) -> Self:
        """Read a saved result; raises UsageError when the folder holds none. more: fields that the file does not have."""
        path = source / "result.json"
        try:
            values = read_json(path.read_text(encoding="utf-8"))
            if values["schema"] != RESULT_SCHEMA:
                raise UsageError(f"'{path}' has schema {values['schema']}; this version reads {RESULT_SCHEMA}.")
            made: dict[str, Any] = {name: Trial.from_json(values[name]) for name in ("trial", "baseline")}
            made |= {
                name: tuple(Trial.from_json(item) for item in values[name]) for name in ("trials", "walked", "front")
            }
            for name in ("plain", "candidate"):
                # Results of before have no candidate.
                made[name] = None if values.get(name) is None else Trial.from_json(values[name])
            # Nor have they operations, or samples that were lost.
            made["operations"] = tuple(Operation.from_json(item) for item in values.get("operations", ()))
            made["lost"] = tuple(typed(LostSample, item) for item in values.get("lost", ()))
            made["budget"] = Budget.from_json(values["budget"])
            origin = {item.name: values[item.name] for item in fields(Provenance) if item.name in values}
            origin["metrics"] = values["metrics"]
            data = {role: typed(Data, item) for role, item in values["data"].items()}
            made["provenance"] = typed(Provenance, origin, data=data)
            # Results of before have no digest.
            plain = {name: values[name] for name in _PLAIN if name in values or name != "model_digest"}
            return typed(cls, plain, **made, **more)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"'{source}' holds no result: {error}. Give the folder that -o wrote.") from error


_PLAIN = ("verdict", "metric", "higher_is_better", "notes", "model_digest")
"""Fields that JSON holds as they are."""


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


@dataclass(frozen=True)
class Checked:
    """What a check found: the verdict about the saved model, its score on the new data, and its time beside float's."""

    verdict: Verdict
    plan: str
    score: Scores
    timing: Timing
    budget: Budget
    data: Data
    served: Mapping[str, str]
    versions: Mapping[str, str]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        nested = {name: getattr(self, name).to_json() for name in ("score", "timing", "budget")}
        return {**asdict(self), **nested}
