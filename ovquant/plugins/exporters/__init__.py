"""Saved results in the shape that another program reads, one file each."""

import os
from pathlib import Path
from typing import Any

from ovquant.domain.place import Place, refuse_inputs, resolved, tried, writing
from ovquant.domain.record import Record, is_export
from ovquant.errors import ModelError, OutputError
from ovquant.plugins.protocols import Exporter
from ovquant.plugins.registry import Registry

__all__ = ["export_result"]


def export_result(folder: Path, target: Path, *, to: Any, force: bool) -> Path:
    """Write a saved result with a registered exporter to a new file or folder, and return it.

    With `force` it takes the place of an export that ovquant wrote. Raises OutputError for anything else that is there,
    and what the exporter raises.
    """
    exporter: Exporter = Registry("exporters").resolve(to)
    real = resolved(target)
    refuse_inputs(target, real, (folder, to))
    refuse_present(exporter, target, real, force=force)
    refuse_damaged(folder)
    place = tried(target, real) if real.is_dir() else Place(target, real)
    with place.scratch() as scratch, writing(target):
        # The exporter makes a new file or folder, and never sees what it is to replace.
        made = scratch / real.name
        exporter.export(folder, made)
        if made.is_dir():
            Record.of("export", made).write(made)
            return place.put(made)
        if real.is_dir():
            raise OutputError(f"'{target}' is a folder, and this exporter writes a file. Give a file with -o.")
        made.replace(real)
    return target


def refuse_present(exporter: Exporter, target: Path, real: Path, *, force: bool) -> None:
    """Raise OutputError when something is there that may not be replaced; an empty folder may be filled."""
    if not os.path.lexists(real) or (real.is_dir() and not any(real.iterdir())):
        return
    ours = is_export(real) if real.is_dir() else getattr(exporter, "wrote", lambda _: False)(real)
    if not ours:
        raise OutputError(
            f"'{target}' exists, and is not an export that ovquant wrote. --force replaces nothing else. "
            "Give another target with -o, or remove it."
        )
    if not force:
        raise OutputError(f"'{target}' exists. Give another target with -o, or replace it with --force.")


def refuse_damaged(folder: Path) -> None:
    """Raise ModelError when a model of the result, those of its front too, is not as it was written."""
    record = Record.read(folder)
    for name, facts in record.files.items() if record is not None else ():
        if name.endswith((".xml", ".bin")) and not facts.fit(folder / name):
            raise ModelError(
                f"The result '{folder}' is damaged: {name} is not the file that was written. "
                "Take the folder from a copy, or make the result again."
            )
