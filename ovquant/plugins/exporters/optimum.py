"""Export a result as a folder laid out for optimum-intel."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from ovquant.domain.place import new_folder
from ovquant.errors import UsageError


@dataclass(frozen=True)
class Optimum:
    """Lay the model out for optimum-intel's OVModelFor….from_pretrained, with its own config and tokenizer.

    source: the folder of the trained model, with config.json and the tokenizer's files; weights are not copied.
    """

    source: str = ""

    def export(self, folder: Path, target: Path) -> None:
        """Write the folder; raises UsageError when the source has no config.json."""
        source = Path(self.source)
        if not self.source or not (source / "config.json").is_file():
            where = f"'{self.source}' has none" if self.source else "give its folder with --to optimum:source=FOLDER"
            raise UsageError(f"optimum-intel needs the config.json of the trained model: {where}.")
        serving = json.loads((folder / "compile.json").read_text(encoding="utf-8"))
        with new_folder(target) as partial:
            kept = (".json", ".txt", ".model")
            for file in sorted(source.iterdir()):
                if file.suffix in kept and file.is_file() and ".index." not in file.name:
                    shutil.copy2(file, partial / file.name)
            for suffix in (".xml", ".bin"):
                shutil.copy2(folder / f"model{suffix}", partial / f"openvino_model{suffix}")
            # from_pretrained takes compile properties as its argument ov_config.
            (partial / "ov_config.json").write_text(json.dumps(serving["config"], indent=2) + "\n", encoding="utf-8")
