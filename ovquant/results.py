"""The result: the model to serve, its plan, the verdict and everything that was tried."""

import json
import platform
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ovquant.budgets import Budget
from ovquant.checks import doubt, measured_with
from ovquant.errors import UsageError
from ovquant.places import find_place
from ovquant.plans import Plan
from ovquant.records import MODEL_FILES, Record
from ovquant.trials import Trial, Verdict
from ovquant.wholeness import require_whole

if TYPE_CHECKING:
    import openvino

    from ovquant.runtime.modules import QuantizedModule

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
class Result:
    """What `quantize` and `apply` return.

    `folder` holds model.xml, model.bin and profile.jsonl; `trial` is the plan that was chosen, as measured;
    `baseline` the float model as it would be served. `higher_is_better` is the metric's direction. `front`, where it was
    asked for, holds the plans saved in the folders pareto/01, pareto/02 and so on, safest first. `metrics` are the metrics
    as they were given, where that was as texts, `slice_by` and `group_by` likewise; `served` is what the accuracy was
    measured on, as the compiled model reports it; `model_source` the path of the float model, if it was one, and
    `model_digest` that of the returned model's files. `model_structure` is the float model's fingerprint whatever its
    shapes, `friendly_name` what it calls itself, and `torch_weights` the digest of the weights that it uses, where it was a
    PyTorch model. `plain` is how the returned model does where it is compiled with no properties, None where these change
    nothing. `candidate` is, where the verdict is inconclusive, the plan that may well be what was asked for, which is saved
    in the folder candidate.
    """

    verdict: Verdict
    trial: Trial
    baseline: Trial
    trials: tuple[Trial, ...]
    walked: tuple[Trial, ...]
    budget: Budget
    metric: str
    higher_is_better: bool
    objective: str
    device: Mapping[str, Any]
    data: Mapping[str, Data]
    model_name: str
    model_fingerprint: str
    batch: int
    seed: int
    seconds: float
    folder: Path
    notes: tuple[str, ...] = ()
    command: str = ""
    front: tuple[Trial, ...] = ()
    plain: Trial | None = None
    candidate: Trial | None = None
    metrics: tuple[str, ...] = ()
    slice_by: str = ""
    group_by: str = ""
    served: Mapping[str, str] = field(default_factory=dict)
    model_source: str = ""
    model_digest: str = ""
    model_structure: str = ""
    friendly_name: str = ""
    torch_weights: str = ""
    input_shape: str = ""
    versions: Mapping[str, str] = field(default_factory=lambda: versions())
    keep: Any = field(default=None, repr=False, compare=False)
    """Whatever must live as long as the result: the temporary folder, when none was asked for."""

    @property
    def plan(self) -> Plan:
        """Return the plan of the returned model."""
        return self.trial.plan

    @property
    def model(self) -> "openvino.Model":
        """Read the returned model. Raises ModelError when its files are not those that were measured."""
        import openvino

        self.require_whole()
        return openvino.Core().read_model(self.folder / "model.xml")

    def compile(self, device: str | None = None) -> "openvino.CompiledModel":
        """Compile the returned model on the device and with the properties it was measured with.

        Raises ModelError when its files are not those that were measured.
        """
        from ovquant.runtime import Deployment, compile_model

        self.require_whole()
        deployment = Deployment(device or str(self.device["device"]), dict(self.plan.properties), self.batch)
        compiled = compile_model(self.folder / "model.xml", deployment)
        compiled.doubt = self.doubt(deployment.device)
        return compiled

    def module(self, device: str | None = None) -> "QuantizedModule":
        """Compile the returned model as `compile` does, and return it as a torch.nn.Module that is called with tensors."""
        from ovquant.runtime.modules import QuantizedModule

        return QuantizedModule(self.compile(device))

    def doubt(self, device: str | None = None) -> str:
        """Say why the accuracy of the returned model is not known on this machine; "" where it was measured or checked."""
        from ovquant.runtime import int8_arithmetic

        if not self.plan.runs_int8:
            return ""
        here = int8_arithmetic(device or str(self.device["device"]))
        found = doubt(self.folder, self.model_digest, measured=measured_with(self.device), here=here)
        return f"the result '{self.folder}' {found}" if found else ""

    def require_whole(self) -> None:
        """Raise ModelError when model.xml or model.bin is missing, cut, or not the one that was measured."""
        require_whole(self.folder, self.model_digest)

    def save(self, folder: str | Path, *, force: bool = False) -> Path:
        """Write model.xml, model.bin, plan.json, result.json, profile.jsonl and the reports to a new folder.

        With `force` it takes the place of a result; whatever else is in that folder stays there. Raises OutputError for a
        folder that holds something else, or cannot be written.
        """
        self.require_whole()
        place = find_place(folder, force=force)
        with place.scratch() as made:
            for name in ("model.xml", "model.bin", "profile.jsonl"):
                if (self.folder / name).exists():
                    shutil.copy2(self.folder / name, made / name)
            for name in self._plan_files(self.folder):
                (made / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.folder / name, made / name)
            self.write(made)
            return place.put(made)

    def write(self, folder: Path) -> None:
        """Write plan.json, result.json and the reports beside the model, and a record of all that belongs to the result."""
        from ovquant.reports import render_reports

        budget = {"metric": self.metric, **self.budget.to_json()}
        replace(self.plan, budget=budget).save(folder / "plan.json")
        serving: dict[str, Any] = {"device": self.device.get("device", "CPU"), "config": dict(self.plan.properties)}
        serving |= {"int8": measured_with(self.device)} if self.plan.runs_int8 else {}
        (folder / "compile.json").write_text(json.dumps(serving, indent=2) + "\n", encoding="utf-8")
        (folder / "result.json").write_text(json.dumps(self.to_json(), indent=2) + "\n", encoding="utf-8")
        reports = render_reports(self)
        for name, text in reports.items():
            (folder / name).write_text(text, encoding="utf-8")
        names = [*MODEL_FILES, "compile.json", "result.json", "profile.jsonl", *reports, *self._plan_files(folder)]
        Record.of("result", folder, names).write(folder)

    def _plan_files(self, folder: Path) -> list[str]:
        """Return which files of the plans on the front, and of the candidate, lie in a folder."""
        places = [f"pareto/{number:02}" for number in range(1, len(self.front) + 1)]
        places += [] if self.candidate is None else [CANDIDATE]
        names = [f"{place}/{name}" for place in places for name in MODEL_FILES]
        return [name for name in names if (folder / name).is_file()]

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON, the folder aside."""
        trials = {
            "trial": self.trial.to_json(),
            "baseline": self.baseline.to_json(),
            "trials": [trial.to_json() for trial in self.trials],
            "walked": [trial.to_json() for trial in self.walked],
            "front": [trial.to_json() for trial in self.front],
            "plain": None if self.plain is None else self.plain.to_json(),
            "candidate": None if self.candidate is None else self.candidate.to_json(),
        }
        plain = {name: getattr(self, name) for name in _PLAIN}
        data = {role: asdict(item) for role, item in self.data.items()}
        return {"schema": RESULT_SCHEMA, **plain, "budget": self.budget.to_json(), "data": data, **trials}

    @classmethod
    def load(cls, folder: str | Path) -> "Result":
        """Read a saved result; raises UsageError when the folder holds none."""
        path = Path(folder) / "result.json"
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if values["schema"] != RESULT_SCHEMA:
                raise UsageError(f"'{path}' has schema {values['schema']}; this version reads {RESULT_SCHEMA}.")
            made: dict[str, Any] = {name: Trial.from_json(values[name]) for name in ("trial", "baseline")}
            made |= {
                name: tuple(Trial.from_json(item) for item in values[name]) for name in ("trials", "walked", "front")
            }
            for name in ("plain", "candidate"):
                # Results of before have no candidate.
                made[name] = None if values.get(name) is None else Trial.from_json(values[name])
            plain: dict[str, Any] = {name: values[name] for name in _PLAIN if name in values}
            plain |= {name: tuple(plain[name]) for name in ("notes", "metrics")}
            data = {role: Data(**item) for role, item in values["data"].items()}
            return cls(**plain, **made, data=data, budget=Budget.from_json(values["budget"]), folder=Path(folder))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"'{folder}' holds no result: {error}. Give the folder that -o wrote.") from error


_PLAIN = (
    "verdict",
    "metric",
    "higher_is_better",
    "objective",
    "device",
    "model_name",
    "model_fingerprint",
    "batch",
    "seed",
    "seconds",
    "notes",
    "command",
    "metrics",
    "slice_by",
    "group_by",
    "served",
    "model_source",
    "model_digest",
    "model_structure",
    "friendly_name",
    "torch_weights",
    "input_shape",
    "versions",
)


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
