"""The result as a handle: it compiles, saves and shows itself."""

import json
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import openvino

from ovquant import runtime
from ovquant.api.folders import completed
from ovquant.domain.checks import doubt
from ovquant.domain.digest import require_whole
from ovquant.domain.place import find_place
from ovquant.domain.record import MODEL_FILES, NUMBERS, Record
from ovquant.domain.result import CANDIDATE, ResultRecord
from ovquant.plugins.reports import render_reports
from ovquant.plugins.reports.card import card, card_html, plain_summary, trial_columns

if TYPE_CHECKING:
    from ovquant.runtime.torch_module import QuantizedModule


@dataclass(frozen=True, kw_only=True)
class Result(ResultRecord):
    """What `quantize` and `apply` return; `folder` holds model.xml, model.bin and profile.jsonl.

    See ResultRecord for what else it says.
    """

    folder: Path
    keep: Any = field(default=None, repr=False, compare=False)
    """Whatever must live as long as the result: the temporary folder, when none was asked for."""

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a saved result; raises UsageError when the folder holds none."""
        return cls.read(Path(folder), folder=Path(folder))

    def __str__(self) -> str:
        """Return the verdict, the float model beside the returned one, and where that lies."""
        return card(self, self.folder)

    def __repr__(self) -> str:
        """Return the verdict and the plan on one line."""
        return f"<Result {self.verdict}: {self.plan.title}, in '{self.folder}'>"

    def _repr_html_(self) -> str:
        return card_html(self, self.folder)

    def summary(self) -> dict[str, Any]:
        """Return what it comes to as plain values: drop, speed-up with its interval, milliseconds, bytes; None where not measured."""
        return plain_summary(self, self.folder)

    def trials_table(self) -> dict[str, list[Any]]:
        """Return the trials by column, as pandas.DataFrame takes them."""
        return trial_columns(self)

    @property
    def model(self) -> openvino.Model:
        """Read the returned model. Raises ModelError when its files are not those that were measured."""
        self.require_whole()
        return openvino.Core().read_model(self.folder / "model.xml")

    def compile(self, device: str | None = None) -> openvino.CompiledModel:
        """Compile the returned model on the device and with the properties it was measured with.

        Raises ModelError when its files are not those that were measured.
        """
        self.require_whole()
        deployment = runtime.Deployment(self._device(device), dict(self.plan.properties), self.provenance.batch)
        compiled = runtime.compile_model(self.folder / "model.xml", deployment)
        compiled.doubt = self.doubt(deployment.device)
        return compiled

    def module(self, device: str | None = None) -> "QuantizedModule":
        """Compile the returned model as `compile` does, and return it as a torch.nn.Module that is called with tensors."""
        from ovquant.runtime.torch_module import QuantizedModule

        return QuantizedModule(self.compile(device))

    def doubt(self, device: str | None = None) -> str:
        """Say why the accuracy of the returned model is not known on this machine; "" where it was measured or checked."""
        if not self.plan.runs_int8:
            return ""
        here = runtime.int8_arithmetic(self._device(device))
        found = doubt(self.folder, self.model_digest, measured=self.arithmetic, here=here)
        return f"the result '{self.folder}' {found}" if found else ""

    def _device(self, device: str | None) -> str:
        return device or str(self.provenance.device["device"])

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
            for name in ("model.xml", "model.bin", "profile.jsonl", NUMBERS):
                if (self.folder / name).exists():
                    shutil.copy2(self.folder / name, made / name)
            for name in self._plan_files(self.folder):
                (made / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.folder / name, made / name)
            self.write(made)
            return place.put(made)

    def write(self, folder: Path) -> None:
        """Write plan.json, result.json and the reports beside the model, and a record of all that belongs to the result."""
        budget = replace(self.budget, metric=self.metric)
        replace(self.plan, budget=budget.to_json()).save(folder / "plan.json")
        serving: dict[str, Any] = {
            "device": self.provenance.device.get("device", "CPU"),
            "config": dict(self.plan.properties),
        }
        serving |= {"int8": self.arithmetic} if self.arithmetic else {}
        (folder / "compile.json").write_text(json.dumps(serving, indent=2) + "\n", encoding="utf-8")
        (folder / "result.json").write_text(json.dumps(self.to_json(), indent=2) + "\n", encoding="utf-8")
        reports = render_reports(self)
        for name, text in reports.items():
            (folder / name).write_text(text, encoding="utf-8")
        # Where the model came from may be gone by now.
        sources = [source for source in (self.provenance.model_source, self.folder) if source]
        added = next(filter(None, (completed(source, folder, reports.get("report.md", "")) for source in sources)), [])
        names = [
            *MODEL_FILES,
            NUMBERS,
            "compile.json",
            "result.json",
            "profile.jsonl",
            *reports,
            *self._plan_files(folder),
        ]
        Record.of("result", folder, [*names, *added]).write(folder)

    def _plan_files(self, folder: Path) -> list[str]:
        """Return which files of the plans on the front, and of the candidate, lie in a folder."""
        places = [f"pareto/{number:02}" for number in range(1, len(self.front) + 1)]
        places += [] if self.candidate is None else [CANDIDATE]
        names = [f"{place}/{name}" for place in places for name in (*MODEL_FILES, NUMBERS)]
        return [name for name in names if (folder / name).is_file()]
