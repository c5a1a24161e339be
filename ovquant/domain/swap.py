"""Put a finished folder in its place, in one step where the system can, and keep all that ovquant did not write."""

import contextlib
import ctypes
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ovquant.domain.record import RECORD, entries, own, strangers
from ovquant.errors import OutputError

_HERE = -100
"""AT_FDCWD: paths are taken from the working folder."""
_EXCHANGE = 2
"""RENAME_EXCHANGE of renameat2(2)."""
EDITED = ".edited"
"""What is put behind the name of a file that was kept where a new one has its name."""


def move_into_place(partial: Path, target: Path) -> Path:
    """Rename a finished folder to its final name; what ovquant wrote there before is deleted once the new one is in place.

    All else that was there is in the new folder too, under the same name, or with `.edited` behind it where that name is
    taken. On Linux the two folders change their names in one step, so that whoever reads finds the old one or the new one.
    Elsewhere there is a moment between two renames. Raises OutputError when the target is not a folder.
    """
    if not os.path.lexists(target):
        partial.rename(target)
        return target
    if target.is_symlink() or not target.is_dir():
        raise OutputError(f"'{target}' is a file and not a folder. Give another place with -o.")
    ours, kept = own(target), carry(target, partial)
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent)) / target.name
    if exchange(partial, target):
        partial.rename(old)
    else:
        target.rename(old)
        try:
            partial.rename(target)
        except OSError:
            old.rename(target)
            old.parent.rmdir()
            raise
    clear(old, ours, {name: target / new for name, new in kept.items()})
    with contextlib.suppress(OSError):
        old.parent.rmdir()
    return target


def move_up(partial: Path, target: Path) -> Path:
    """Move what is in a finished folder up into a folder that cannot be renamed, file by file, result.json last.

    What ovquant wrote there before is deleted first, so that nobody takes the files of two results for one; all else is
    kept as `move_into_place` keeps it.
    """
    ours = own(target)
    for name in sorted(ours, key=lambda name: name != "result.json"):
        (target / name).unlink(missing_ok=True)
    (target / RECORD).unlink(missing_ok=True)
    last = {RECORD: 1, "result.json": 2}
    for name in sorted([*entries(partial), RECORD], key=lambda name: (last.get(name, 0), name)):
        source, place = partial / name, target / name
        if not os.path.lexists(source) or (source.is_dir() and not source.is_symlink()):
            continue
        _make_parents(partial, target, name)
        if os.path.lexists(place):
            place.rename(target / free_name(target, name))
        source.rename(place)
    _remove_empty(partial)
    _remove_empty(target, keep=True, among={name.rpartition("/")[0] for name in ours})
    return target


def carry(old: Path, new: Path) -> dict[str, str]:
    """Have all that ovquant did not write in a folder in another one too; return the names there by those here.

    Files are linked where the file system can, else copied.
    """
    kept: dict[str, str] = {}
    # Those whose names are free come first, so that they keep them.
    for name in sorted(strangers(old), key=lambda name: os.path.lexists(new / name)):
        kept[name] = free_name(new, name) if os.path.lexists(new / name) else name
        _make_parents(old, new, name)
        source, place = old / name, new / kept[name]
        if source.is_dir() and not source.is_symlink():
            place.mkdir(exist_ok=True)
            continue
        try:
            os.link(source, place, follow_symlinks=False)
        except OSError:
            shutil.copy2(source, place, follow_symlinks=False)
    return kept


def clear(folder: Path, ours: set[str], kept: Mapping[str, Path]) -> None:
    """Delete what ovquant wrote and what was carried over, and the folder if nothing is left in it."""
    for name in (*ours, RECORD, *kept):
        place = folder / name
        if (name not in kept or _same(place, kept[name])) and (place.is_symlink() or not place.is_dir()):
            with contextlib.suppress(OSError):
                place.unlink()
    _remove_empty(folder)


def _same(one: Path, other: Path) -> bool:
    try:
        mine, theirs = one.lstat(), other.lstat()
    except OSError:
        return False
    return os.path.samestat(mine, theirs) or (mine.st_size, mine.st_mtime_ns) == (theirs.st_size, theirs.st_mtime_ns)


def free_name(folder: Path, name: str) -> str:
    """Return a name like the one given that nothing in a folder has."""
    free, number = f"{name}{EDITED}", 1
    while os.path.lexists(folder / free):
        number += 1
        free = f"{name}{EDITED}{number}"
    return free


def _make_parents(source: Path, target: Path, name: str) -> None:
    for parent in reversed(Path(name).parents[:-1]):
        if not (target / parent).is_dir():
            (target / parent).mkdir()
            shutil.copystat(source / parent, target / parent)


def _remove_empty(folder: Path, *, keep: bool = False, among: set[str] | None = None) -> None:
    """Remove the folders in a folder that hold nothing, and it too unless it is to be kept."""
    for place, _, _ in os.walk(folder, topdown=False):
        inside = Path(place).relative_to(folder).as_posix()
        chosen = among is None or any(name == inside or name.startswith(f"{inside}/") for name in among)
        if chosen and not (keep and Path(place) == folder):
            with contextlib.suppress(OSError):
                Path(place).rmdir()


def exchange(one: Path, other: Path) -> bool:
    """Exchange the names of two files or folders in one step; tell whether the system and the file system could."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    return bool(rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0)
