"""Put a finished folder in its place, in one step where the system can."""

import ctypes
import os
import shutil
from pathlib import Path

_HERE = -100
"""AT_FDCWD: paths are taken from the working folder."""
_EXCHANGE = 2
"""RENAME_EXCHANGE of renameat2(2)."""


def move_into_place(partial: Path, target: Path) -> Path:
    """Rename a finished folder to its final name; what was there is deleted only once the new one is in place.

    On Linux the two folders change their names in one step, so that whoever reads finds the old one or the new one. Elsewhere
    there is a moment between two renames.
    """
    if not target.exists():
        partial.rename(target)
        return target
    if exchange(partial, target):
        _delete(partial)
        return target
    old = target.with_name(target.name + ".old")
    _delete(old)
    target.rename(old)
    partial.rename(target)
    _delete(old)
    return target


def _delete(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)


def exchange(one: Path, other: Path) -> bool:
    """Exchange the names of two files or folders in one step; tell whether the system and the file system could."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    return bool(rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0)
