"""A folder as optimum-intel writes it: models by names such as openvino_model.xml, a config.json, and what tokenizers need."""

import contextlib
import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from ovquant.domain.checks import CHECKS
from ovquant.domain.record import MODEL_FILES, NUMBERS, RECORD, is_result

MODEL = "openvino_model"
"""The name of a folder's only model, without its suffix."""
ENCODER, DECODER = "openvino_encoder_model", "openvino_decoder_model"
"""Those of a folder's two models, of which the one reads the other's output."""
NEXT = "openvino_decoder_with_past_model"
"""A decoder for the tokens after the first, where the other one keeps no state."""
CONFIG = "config.json"
CARD, CARD_BEFORE = "README.md", "README.float.md"
PREFIX = "openvino_"
"""What names of models in such a folder begin with."""
_WEIGHTS = {".safetensors", ".pt", ".pth", ".onnx", ".onnx_data", ".gguf", ".h5", ".msgpack"}
_MODEL_SUFFIXES = (".xml", ".bin")
_FRONT = "---\nlibrary_name: openvino\ntags:\n- openvino\n- ovquant\n---\n\n"


def model_in(source: str | Path) -> Path | None:
    """Return the model's file where a source is such a folder, or a model's file in one."""
    path = Path(source)
    file = path / f"{MODEL}.xml" if path.is_dir() else path
    known = file.suffix == ".xml" and file.name.startswith(PREFIX) and file.is_file()
    return file if known and (file.parent / CONFIG).is_file() else None


def pair_in(source: str | Path) -> tuple[Path, Path] | None:
    """Return the files of encoder and decoder where a source is a folder of such, and of no model beside them."""
    folder = Path(source)
    if not folder.is_dir() or (folder / f"{MODEL}.xml").is_file():
        return None
    files = (folder / f"{ENCODER}.xml", folder / f"{DECODER}.xml")
    return files if all(file.is_file() for file in files) else None


def beside(folder: Path, *models: str) -> Iterator[Path]:
    """Yield what belongs to a folder beside its models: not weights in another form, and not what ovquant wrote."""
    ours = {
        *MODEL_FILES,
        NUMBERS,
        "result.json",
        "compile.json",
        "profile.jsonl",
        "report.html",
        "report.md",
        CHECKS,
        RECORD,
    }
    ours |= {CARD} if is_result(folder) else set()
    for file in sorted(folder.iterdir()):
        known = file.name.startswith(".") or file.name in ours or _is_weights(file, models)
        if file.is_file() and not known:
            yield file


def complete(source: Path, folder: Path, report: str, *models: str) -> list[str]:
    """Make a result's folder one that optimum-intel and OpenVINO GenAI open, of such a folder; return what was added.

    The models are there under these names. A single one is the result's (a link to the same file, where the disk has such); others lie there
    already. What belongs to them is copied, and a model card is written.
    """
    added = [CARD, *(f"{name}{suffix}" for name in models for suffix in _MODEL_SUFFIXES)]
    if len(models) == 1:
        for suffix in _MODEL_SUFFIXES:
            linked(folder / f"model{suffix}", folder / f"{models[0]}{suffix}")
    for file in beside(source, *models):
        added.append(CARD_BEFORE if file.name == CARD else file.name)
        shutil.copy2(file, folder / added[-1])
    (folder / CARD).write_text(card_of(report), encoding="utf-8")
    return added


def card_of(report: str) -> str:
    """Return the model card that a report in Markdown makes."""
    return _FRONT + report


def linked(file: Path, name: Path) -> None:
    """Give a file another name, or copy it where the disk has no links."""
    name.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        os.link(file, name)
        return
    shutil.copy2(file, name)


def _is_weights(file: Path, models: Collection[str]) -> bool:
    """Tell whether a file is what a result replaces, or belongs to weights in another form."""
    if file.stem in models or ".index." in file.name or file.suffix in _WEIGHTS:
        return True
    return file.suffix == ".bin" and not file.with_suffix(".xml").exists()
