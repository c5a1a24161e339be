"""A folder of results, looked up by what a model computes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openvino

from ovquant.domain.checks import doubt, measured_with
from ovquant.domain.digest import damage
from ovquant.domain.plan import Plan
from ovquant.domain.typed import read_json
from ovquant.errors import ModelError, UsageError
from ovquant.runtime import int8_arithmetic


@dataclass(frozen=True)
class Stored:
    """One result of a store: the model it was made from, the device, the properties, and when it was made.

    `normal` is the structure of the model's normal form, "" where that is not known. `int8` is how int8 products were added where
    it was measured, "" where that changes none of its answers.
    """

    folder: Path
    structure: str
    torch_weights: str
    friendly_name: str
    device: str
    properties: Mapping[str, str]
    made: float
    digest: str = ""
    int8: str = ""
    normal: str = ""

    def fresh(self) -> "Stored":
        """Return the result as it is on disk now, for another may have taken its place; itself where there is none."""
        file = self.folder / "result.json"
        try:
            changed = file.stat().st_mtime != self.made
        except OSError:
            return self
        return (_stored(file) or self) if changed else self

    def checked(self) -> tuple["Stored", str]:
        """Return the result, or the one that takes its place just now, and why it is not to be served."""
        found, now = self.fault(), self.fresh()
        return (self, found) if not found or now == self else (now, now.fault())

    def fault(self) -> str:
        """Say why the saved model is not to be served here; "" where it is the one that was measured, as it was measured."""
        try:
            damaged = damage(self.folder, self.digest)
        except OSError as error:
            return f"cannot be read: {error.strerror}"
        if damaged:
            return f"is damaged: {damaged}"
        if not self.int8:
            return ""
        return doubt(self.folder, self.digest, measured=self.int8, here=int8_arithmetic(self.device))

    def fits(self, shapes: Sequence[Any]) -> bool:
        """Tell whether the saved model has these input shapes."""
        saved = openvino.Core().read_model(self.folder / "model.xml")
        return [port.get_partial_shape() for port in saved.inputs] == list(shapes)

    def read(self, core: openvino.Core, model: openvino.Model) -> openvino.Model:
        """Return the saved model, with the input shapes and the names of inputs and outputs of the model that it is for.

        A model is known by what it computes, whatever its inputs are called: an application may ask by its own names. Raises
        ModelError where outputs would have other shapes than the model's.
        """
        saved = core.read_model(self.folder / "model.xml")
        shapes = [port.get_partial_shape() for port in model.inputs]
        if [port.get_partial_shape() for port in saved.inputs] != shapes:
            saved.reshape(dict(zip(saved.inputs, shapes, strict=True)))
        given, kept = [*model.inputs, *model.outputs], [*saved.inputs, *saved.outputs]
        if not all(
            one.get_partial_shape().compatible(two.get_partial_shape()) for one, two in zip(given, kept, strict=True)
        ):
            raise ModelError("its outputs would have other shapes")
        for port, other in zip(given, kept, strict=True):
            if port.get_names():
                other.get_tensor().set_names(port.get_names())
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
    """Return a result, or None for a file that is not one, or that another version wrote."""
    try:
        values = read_json(file.read_text(encoding="utf-8"))
        return Stored(
            file.parent,
            values["model_structure"],
            values.get("torch_weights", ""),
            values["friendly_name"],
            str(values["device"]["device"]),
            dict(values["trial"]["plan"]["properties"]),
            file.stat().st_mtime,
            values.get("model_digest", ""),
            measured_with(values["device"], values.get("processors", "this"))
            if Plan.from_json(values["trial"]["plan"]).runs_int8
            else "",
            str(values.get("normal_structure", "")),
        )
    except (OSError, ValueError, KeyError, TypeError, UsageError):
        return None
