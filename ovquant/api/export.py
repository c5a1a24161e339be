"""Write a result in another form."""

from pathlib import Path
from typing import Any

from ovquant.api.result import Result
from ovquant.errors import UsageError
from ovquant.plugins.exporters import export_result


def export(folder: str | Path, *, to: Any, output: str | Path, force: bool = False) -> Path:
    """Write a saved result in the shape that another program reads, and return where it is.

    to: "zip", "model-server", "optimum:source=FOLDER", "onnx" (of ovquant-onnx), or an exporter of your own. Raises
    UsageError when the folder holds no whole result, ModelError when its model is not the one that was measured, and
    OutputError when the output is there already; `force` replaces an export that ovquant wrote, and nothing else.
    """
    result = Result.load(folder)
    for name in ("model.xml", "model.bin"):
        if not (result.folder / name).is_file():
            raise UsageError(f"'{folder}' has no {name}. Give the folder that -o wrote, whole.")
    result.require_whole()
    return export_result(result.folder, Path(output), to=to, force=force)
