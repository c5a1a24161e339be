"""Export a result as a model repository of OpenVINO Model Server."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from ovquant.domain.place import new_folder
from ovquant.errors import UsageError


@dataclass(frozen=True)
class ModelServer:
    """Lay the model out for OpenVINO Model Server: a folder per model and version, and a config.json to start it with.

    name: what clients call the model; by default that of the result's folder. version: a number above zero. The compile
    properties go into plugin_config, the device into target_device; the base path is relative to config.json.
    """

    name: str = ""
    version: int = 1

    def __post_init__(self) -> None:
        """Check the version."""
        if self.version < 1:
            raise UsageError(f"Exporter 'model-server': version={self.version} must be at least 1.")

    def export(self, folder: Path, target: Path) -> None:
        """Write the repository."""
        serving = json.loads((folder / "compile.json").read_text(encoding="utf-8"))
        name = self.name or folder.resolve().name
        with new_folder(target) as partial:
            place = partial / name / str(self.version)
            place.mkdir(parents=True)
            for file in ("model.xml", "model.bin"):
                shutil.copy2(folder / file, place / file)
            config = {
                "name": name,
                "base_path": name,
                "target_device": serving["device"],
                "plugin_config": serving["config"],
            }
            text = json.dumps({"model_config_list": [{"config": config}]}, indent=2)
            (partial / "config.json").write_text(text + "\n", encoding="utf-8")
