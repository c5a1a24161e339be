"""Read TensorFlow SavedModel folders, without tensorflow."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ovquant.errors import ModelError
from ovquant.graph.causes import first_cause

if TYPE_CHECKING:
    import openvino


@dataclass(frozen=True)
class SavedModel:
    """Read a TensorFlow SavedModel folder (it holds saved_model.pb)."""

    def accepts(self, source: object) -> bool:
        """Tell whether the source is a SavedModel folder, or the saved_model.pb in it."""
        return isinstance(source, str | Path) and (folder_of(source) / "saved_model.pb").is_file()

    def load(self, source: str | Path) -> "openvino.Model":
        """Return the model of the folder's serving signature; raise ModelError with the cause."""
        folder = folder_of(source)
        if not (folder / "saved_model.pb").is_file():
            raise ModelError(
                f"The folder '{folder}' holds no saved_model.pb. Give a folder that tf.saved_model.save wrote."
            )
        import openvino

        try:
            return openvino.Core().read_model(folder)
        except Exception as error:  # openvino raises RuntimeError, but its readers let others through
            raise ModelError(
                f"The SavedModel '{folder}' cannot be read: {first_cause(error)} "
                "Save it again with tf.saved_model.save, with its variables folder and a serving signature."
            ) from error


def folder_of(source: str | Path) -> Path:
    """Return the SavedModel folder that a path means."""
    path = Path(source)
    return path.parent if path.name == "saved_model.pb" else path
