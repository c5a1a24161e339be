"""Read the model files that OpenVINO reads by itself."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ovquant.domain.model_folder import MODEL, NEXT, pair_in
from ovquant.domain.record import is_result
from ovquant.errors import ModelError
from ovquant.graph.causes import first_cause
from ovquant.graph.pairs import joined

if TYPE_CHECKING:
    import openvino


_LOCATION = re.compile(rb"\x0a\x08location\x12(.)(.{1,127})", re.DOTALL)
"""Where an ONNX file names the file of a tensor's values: a key, and a value behind its length."""
REMEDIES = {
    ".xml": "Save it again with openvino.save_model.",
    ".onnx": "Check it with onnx.checker.check_model, or export it again.",
    ".tflite": "Convert it again with the TensorFlow Lite converter, without custom operations.",
    ".pdmodel": "Export it again with paddle.jit.save, and keep the .pdiparams file beside it.",
    ".pb": "Freeze the graph again, or give the SavedModel folder.",
}


@dataclass(frozen=True)
class OpenvinoFile:
    """Read OpenVINO IR (.xml, or the folder of one), ONNX, TensorFlow Lite, Paddle (.pdmodel) and frozen .pb files.

    Of a folder with an encoder and a decoder, as optimum-intel writes it, the two are read as one model (see `graph.pairs`).
    """

    def accepts(self, source: object) -> bool:
        """Tell whether the source is a path to one of the formats, by its suffix."""
        if not isinstance(source, str | Path):
            return False
        path = Path(source)
        if path.suffix.lower() in REMEDIES:
            return path.name != "saved_model.pb" and not path.is_dir()
        return path.is_dir() and not (path / "saved_model.pb").exists() and any(path.glob("*.xml"))

    def load(self, source: str | Path) -> "openvino.Model":
        """Return the model of a file, or of a folder with one; raise ModelError with the cause."""
        path = Path(source)
        pair = None if is_result(path) else pair_in(path)
        if pair is not None:
            return _pair(*pair)
        return read_file(only_xml(path) if path.is_dir() else path)


def read_file(path: Path) -> "openvino.Model":
    """Return the model of a file; raise ModelError with the cause."""
    if not path.is_file():
        raise ModelError(f"The model file '{path}' does not exist. Check the path.")
    if path.stat().st_size == 0:  # read as a model without operations, or refused without this cause
        raise ModelError(f"The model file '{path}' is empty. {REMEDIES[path.suffix.lower()]}")
    import openvino

    try:
        return openvino.Core().read_model(path)
    except Exception as error:  # openvino raises RuntimeError, but its readers let others through
        raise ModelError(explain(path, error)) from error


def _pair(encoder: Path, decoder: Path) -> "openvino.Model":
    if (decoder.parent / f"{NEXT}.xml").is_file():
        raise ModelError(
            f"'{decoder.parent}' has a decoder for the first token and another one, {NEXT}.xml, for those after it. Export it again: "
            f"optimum-cli writes one that keeps state, as it does by default; or give one of the files, such as {encoder}."
        )
    return joined(read_file(encoder), read_file(decoder))


def only_xml(folder: Path) -> Path:
    """Return the model's .xml file in a folder, or the only one; raise ModelError naming them when there are several."""
    if is_result(folder):
        return folder / "model.xml"
    # A folder of optimum-intel's has those of tokenizers too.
    if (folder / f"{MODEL}.xml").is_file():
        return folder / f"{MODEL}.xml"
    found = sorted(folder.glob("*.xml"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        which = f", such as {found[0]}" if found else ""
        raise ModelError(
            f"The folder '{folder}' should hold one model; its .xml files: {names}. Give the file itself{which}."
        )
    return found[0]


def missing_data(path: Path) -> str:
    """Return the first file that an ONNX model has its weights in and that is not there, or "" where none is missing."""
    names = {found[2][: found[1][0]] for found in _LOCATION.finditer(path.read_bytes())}
    texts = sorted(name.decode("utf-8", "replace") for name in names)
    return next((text for text in texts if not (path.parent / text).exists()), "")


def explain(path: Path, error: Exception) -> str:
    """Say why a file cannot be read and what to do."""
    suffix = path.suffix.lower()
    weights = path.with_suffix(".bin")
    if suffix == ".xml" and not weights.is_file():
        return f"The weights of '{path}' are missing: there is no '{weights.name}' beside it. Copy both files together."
    missing = missing_data(path) if suffix == ".onnx" else ""
    if missing:
        return f"The weights of '{path}' are missing: there is no '{missing}' beside it. Copy the files together."
    return f"The model file '{path}' cannot be read: {first_cause(error)} {REMEDIES[suffix]}"
