"""Saved results in the shape that another program reads, one file each."""

from pathlib import Path
from typing import Any

from ovquant.errors import OutputError
from ovquant.protocols import Exporter
from ovquant.registry import Registry

__all__ = ["export_result"]


def export_result(folder: Path, target: Path, *, to: Any, force: bool) -> Path:
    """Write a saved result with a registered exporter to a new file or folder, and return it.

    Raises OutputError when the target is there already, and what the exporter raises.
    """
    exporter: Exporter = Registry("exporters").resolve(to)
    if target.exists() and not force:
        raise OutputError(f"'{target}' exists. Give another target with -o, or replace it with --force.")
    exporter.export(folder, target)
    return target
