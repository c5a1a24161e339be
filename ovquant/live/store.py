"""A folder of results, looked up by what a model computes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openvino

from ovquant.errors import UsageError
from ovquant.wholeness import damage


@dataclass(frozen=True)
class Stored:
    """One result of a store: the model it was made from, the device, the properties, and when it was made."""

    folder: Path
    structure: str
    torch_weights: str
    friendly_name: str
    device: str
    properties: Mapping[str, str]
    made: float
    digest: str = ""

    def fresh(self) -> "Stored":
        """Return the result as it is on disk now, for another may have taken its place; itself where there is none."""
        file = self.folder / "result.json"
        try:
            changed = file.stat().st_mtime != self.made
        except OSError:
            return self
        return (_stored(file) or self) if changed else self

    def checked(self) -> tuple["Stored", str]:
        """Return the result, or the one that takes its place just now, and what is wrong with its model."""
        found, now = self.damage(), self.fresh()
        return (self, found) if not found or now == self else (now, now.damage())

    def damage(self) -> str:
        """Say what is wrong with the saved model; "" where it is the one that was measured."""
        try:
            return damage(self.folder, self.digest)
        except OSError as error:
            return f"it cannot be read: {error.strerror}"

    def fits(self, shapes: Sequence[Any]) -> bool:
        """Tell whether the saved model has these input shapes."""
        saved = openvino.Core().read_model(self.folder / "model.xml")
        return [port.get_partial_shape() for port in saved.inputs] == list(shapes)

    def read(self, core: openvino.Core, shapes: Sequence[Any]) -> openvino.Model:
        """Return the saved model, at these input shapes."""
        saved = core.read_model(self.folder / "model.xml")
        if [port.get_partial_shape() for port in saved.inputs] != list(shapes):
            saved.reshape(dict(zip(saved.inputs, shapes, strict=True)))
        return saved


def read_store(folder: Path) -> list[Stored]:
    """Return the results in a folder: those in folders of its own, and the folder itself if it is one.

    Raises UsageError when there is no such folder, or none of it is a result.
    """
    if not folder.is_dir():
        raise UsageError(
            f"There is no store '{folder}': give a folder of results, as `ovquant quantize -o` writes them."
        )
    files = [file for file in (folder / "result.json", *sorted(folder.glob("*/result.json"))) if file.is_file()]
    found = [stored for stored in map(_stored, files) if stored is not None]
    if not found:
        raise UsageError(f"The store '{folder}' holds no results. Write one with `ovquant quantize -o {folder}/NAME`.")
    return found


def _stored(file: Path) -> Stored | None:
    """Return a result, or None for a file that is none or was not written by this version."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        return Stored(
            file.parent,
            values["model_structure"],
            values.get("torch_weights", ""),
            values["friendly_name"],
            str(values["device"]["device"]),
            dict(values["trial"]["plan"]["properties"]),
            file.stat().st_mtime,
            values.get("model_digest", ""),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
