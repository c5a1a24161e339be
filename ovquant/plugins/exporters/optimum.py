"""Export a result as a folder laid out for optimum-intel."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from ovquant.domain.model_folder import CONFIG, DECODER, ENCODER, MODEL, beside, model_in, pair_in
from ovquant.domain.place import new_folder
from ovquant.errors import UsageError


@dataclass(frozen=True)
class Optimum:
    """Lay the model out for optimum-intel's OVModelFor….from_pretrained, with its own config and tokenizer.

    source: the folder of the trained model, with config.json and the tokenizer's files; by default the one that the result was
    made from. What is in it is copied, weights and models left out.
    """

    source: str = ""

    def export(self, folder: Path, target: Path) -> None:
        """Write the folder; raises UsageError when the source has no config.json."""
        source, names = _named(Path(self.source)) if self.source else _source_of(folder)
        if source is None or not (source / CONFIG).is_file():
            where = f"'{self.source}' has none" if self.source else "give its folder with --to optimum:source=FOLDER"
            raise UsageError(f"optimum-intel needs the config.json of the trained model: {where}.")
        if len(names) > 1 and not all((folder / f"{name}.xml").is_file() for name in names):
            raise UsageError(f"'{source}' has an encoder and a decoder, and the result '{folder}' is of another model.")
        serving = json.loads((folder / "compile.json").read_text(encoding="utf-8"))
        with new_folder(target) as partial:
            for file in beside(source, *names):
                shutil.copy2(file, partial / file.name)
            for name in names:
                for suffix in (".xml", ".bin"):
                    shutil.copy2(folder / f"{name if len(names) > 1 else 'model'}{suffix}", partial / f"{name}{suffix}")
            # from_pretrained takes compile properties as its argument ov_config.
            (partial / "ov_config.json").write_text(json.dumps(serving["config"], indent=2) + "\n", encoding="utf-8")


def _source_of(folder: Path) -> tuple[Path | None, tuple[str, ...]]:
    """Return the folder of the model that a result was made from, if it is still there, and its models' names."""
    known = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    source = Path(known.get("model_source") or "-")
    file = model_in(source)
    if file is not None:
        return file.parent, (file.stem,)
    return _named(source.parent if source.is_file() else source)


def _named(source: Path) -> tuple[Path | None, tuple[str, ...]]:
    names = (MODEL,) if pair_in(source) is None else (ENCODER, DECODER)
    return source if source.is_dir() else None, names
