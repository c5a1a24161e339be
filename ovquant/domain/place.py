"""Where an output goes: found, tried and locked before the work begins, and written whole or not at all."""

import contextlib
import errno
import json
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ovquant.domain.record import Record, is_result, is_run
from ovquant.domain.swap import move_into_place, move_up
from ovquant.domain.typed import read_json
from ovquant.errors import OutputError

LONGEST_NAME = 255 - len(".partial.lock") - 12
"""Bytes of the longest name of an output: that of a file beside it, a scratch folder's or the lock's, is a name too."""
FULL = (errno.ENOSPC, errno.EDQUOT)
LOW_BYTES = 2**20
"""A disk with less room than this is named as the cause where openvino says only that writing failed."""
WITHOUT = ("lost+found",)
"""What a file system puts into its own topmost folder."""


@dataclass(frozen=True)
class Place:
    """Where a folder goes.

    `target` is as it was given, `real` with links followed. `inside` tells that it cannot be renamed, as the mount point of
    a container, so that the work is done inside it.
    """

    target: Path
    real: Path
    inside: bool = False

    @property
    def partial(self) -> Path:
        """Return where a run works until it is finished."""
        return self.real / ".partial" if self.inside else self.real.with_name(f"{self.real.name}.partial")

    def put(self, folder: Path) -> Path:
        """Give a finished folder its final name, in place of an earlier result, and return the target."""
        with writing(self.target):
            (move_up if self.inside else move_into_place)(folder, self.real)
        return self.target

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give a new folder, to be filled and then put; it is gone at the end unless it was put."""
        with writing(self.target):
            within = self.real if self.inside else self.real.parent
            within.mkdir(parents=True, exist_ok=True)
            outer = Path(tempfile.mkdtemp(prefix=f".{self.real.name}.", dir=within))
        try:
            folder = outer / self.real.name
            folder.mkdir()
            yield folder
        finally:
            # All in it was written for this output; what was put is there no more.
            shutil.rmtree(outer, ignore_errors=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the place for one run. Raises OutputError when another holds it; a run that was killed holds nothing."""
        path = self.partial.with_name(f"{self.partial.name}.lock")
        if path.exists() and path.stat().st_size and _holder(path) is None:
            raise OutputError(f"'{path}' is not a lock that ovquant made. Move it, or give another folder with -o.")
        lock = FileLock(path, timeout=0.2)
        try:
            lock.acquire()
        except Timeout as error:
            who = _holder(path) or {}
            since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(who.get("since", 0))) if who else "now"
            raise OutputError(
                f"Another run writes '{self.target}': process {who.get('pid', 'unknown')} on {who.get('host', 'this host')}, "
                f"since {since}. Wait for it, stop it, or give another folder with -o."
            ) from error
        except OSError as error:
            raise OutputError(_unwritable(self.target, error)) from error
        try:
            holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}
            path.write_text(json.dumps(holder) + "\n", encoding="utf-8")
            yield
        finally:
            # Who opened it meanwhile finds that it is gone and makes a new one.
            path.unlink(missing_ok=True)
            lock.release()


def _holder(path: Path) -> dict[str, Any] | None:
    try:
        values = read_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) and {"pid", "host", "since"} <= values.keys() else None


def find_place(target: str | Path, *, force: bool = False, inputs: Sequence[Any] = ()) -> Place:
    """Return where a result goes, once all that will be done there was tried; nothing there is changed.

    inputs: what the run reads, as it was given. Raises OutputError for a place that holds something other than a result,
    a result without `force`, an input, or that cannot be written.
    """
    place = Path(target)
    real = resolved(place)
    refuse_inputs(place, real, inputs)
    refuse_content(place, real, force=force)
    return tried(place, real)


def resolved(target: Path) -> Path:
    """Return where a path leads to, links followed. Raises OutputError for links in a ring, the topmost folder, and long names."""
    try:
        real = target.resolve()
    except (OSError, RuntimeError) as error:
        raise OutputError(f"'{target}' leads nowhere: {error}. Give another place with -o.") from error
    if len(os.fsencode(real.name)) > LONGEST_NAME:
        raise OutputError(
            f"The name '{target.name}' is too long, since files beside it are named after it. Give one of at most "
            f"{LONGEST_NAME} bytes with -o."
        )
    if not real.name or real.is_symlink():
        raise OutputError(f"'{target}' cannot be an output. Give a folder of its own with -o.")
    return real


def refuse_inputs(target: Path, real: Path, inputs: Sequence[Any]) -> None:
    """Raise OutputError when an output is, or lies around, what a run reads."""
    for given in inputs:
        for path in paths_in(given):
            if real == path or real in path.parents:
                raise OutputError(
                    f"'{target}' is or holds '{given}', which this run reads: a result has a folder of its own. "
                    f"Give another with -o, such as -o {real.stem}-ovquant."
                )


def paths_in(given: Any) -> list[Path]:
    """Return the files and folders that an input names, as a path or in a text such as `images:path=val`."""
    if not isinstance(given, str | Path):
        return []
    text = str(given)
    pieces = {text, *re.split(r"[:=,]", text)}
    found = []
    for piece in sorted(pieces - {""}):
        with contextlib.suppress(OSError, ValueError):
            if Path(piece).exists():
                found.append(Path(piece).resolve())
    return found


def refuse_content(target: Path, real: Path, *, force: bool) -> None:
    """Raise OutputError when a place holds something other than a result, or one that may not be replaced."""
    if not os.path.lexists(real):
        return
    if not real.is_dir():
        raise OutputError(f"'{target}' is a file, which ovquant did not write. Give a folder with -o.")
    try:
        # A run that works inside its output may have been killed.
        content = [item for item in real.iterdir() if item.name not in (".partial", ".partial.lock", *WITHOUT)]
        moving = is_run(real / ".partial") and Record.read(real) is not None
    except OSError as error:
        raise OutputError(_unwritable(target, error)) from error
    if not content or moving:
        return
    if not is_result(real):
        raise OutputError(
            f"'{target}' already holds something else, such as '{content[0].name}', and only a result is ever replaced. "
            "Give another folder with -o."
        )
    if not force:
        raise OutputError(
            f"'{target}' already holds a result. Give another folder with -o, or replace it with --force."
        )


def tried(target: Path, real: Path) -> Place:
    """Return how a place can be written, by doing there what the end of a run does. Raises OutputError when it cannot."""
    place = Place(target, real)
    try:
        _try_beside(real)
    except OSError as error:
        if not real.is_dir():
            raise OutputError(_unwritable(target, error)) from error
        place = Place(target, real, inside=True)
        try:
            _try_in(real)
        except OSError as second:
            raise OutputError(_unwritable(target, second)) from second
    return place


def refuse_partial(place: Place) -> None:
    """Raise OutputError when a run would have to work in a folder that ovquant did not make."""
    if place.partial.is_symlink():
        raise OutputError(
            f"'{place.partial}' is a link, and a run works there. Remove it, or give another folder with -o."
        )
    if os.path.lexists(place.partial) and not is_run(place.partial):
        raise OutputError(
            f"'{place.partial}' is where a run works, and ovquant did not write what is there. Move it, or give another "
            "folder with -o."
        )


def _try_beside(real: Path) -> None:
    """Make, rename and remove a folder beside the place, and try to rename the place itself, which is not to succeed."""
    anchor = next(parent for parent in real.parents if parent.exists())
    scratch = _try_in(anchor, keep=real.is_dir())
    if scratch is None:
        return
    try:
        (scratch / "full").mkdir()
        # Nothing can take the name of a folder that holds something: what is asked is whether that is all that hinders.
        real.rename(scratch)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    else:
        scratch.rename(real)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _try_in(folder: Path, *, keep: bool = False) -> Path | None:
    made = Path(tempfile.mkdtemp(prefix=".ovquant-", dir=folder))
    moved = made.with_name(f"{made.name}-moved")
    try:
        made.rename(moved)
    except OSError:
        made.rmdir()
        raise
    if keep:
        return moved
    moved.rmdir()
    return None


@contextlib.contextmanager
def writing(place: Path) -> Iterator[None]:
    """Say which folder cannot be written, and why, where that is what goes wrong."""
    try:
        yield
    except OSError as error:
        raise OutputError(_unwritable(place, error)) from error
    except RuntimeError as error:
        if not is_stream_failure(error):
            raise
        raise OutputError(_unwritable(place, error)) from error


def disk_error(folder: Path, error: BaseException | None) -> OutputError | None:
    """Return what to say of an error of a run that works in a folder, if it is that this cannot be written."""
    if isinstance(error, OSError):
        names = [Path(os.fsdecode(name)) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
        if error.errno in (*FULL, errno.EROFS) or any(folder in (name, *name.parents) for name in names):
            return OutputError(_unwritable(folder, error))
    if isinstance(error, RuntimeError) and is_stream_failure(error):
        return OutputError(_unwritable(folder, error))
    return None


def is_stream_failure(error: RuntimeError) -> bool:
    """Tell whether an error is how openvino says that a file could not be written."""
    return any(
        words in str(error) for words in ("iostream error", "basic_ios", "Can't open bin file", "Can't open xml file")
    )


def _unwritable(place: Path, error: Exception) -> str:
    """Say which place cannot be written and why; where the disk is full, which one."""
    full = isinstance(error, OSError) and error.errno in FULL
    for folder in (place, Path(tempfile.gettempdir())):
        anchor = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if (full or not isinstance(error, OSError)) and shutil.disk_usage(anchor).free < LOW_BYTES:
            return (
                f"'{folder}' cannot be written: no space is left on the disk. Make room, or give another place with -o."
            )
    cause = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"'{place}' cannot be written: {cause.strip().rstrip('.')}. Give another place with -o."


@contextlib.contextmanager
def new_file(target: Path, ours: Callable[[Path], bool]) -> Iterator[Path]:
    """Give a path to write a file to, which takes the place of the target at the end, links followed.

    Raises OutputError when what is there is not a file, or none of `ours`.
    """
    real = resolved(target)
    if os.path.lexists(real) and not (real.is_file() and ours(real)):
        raise OutputError(
            f"'{target}' was not written by ovquant, which replaces nothing else. Give another place with -o."
        )
    with writing(target), Place(target, real).scratch() as folder:
        yield folder / real.name
        if real.is_symlink() or real.is_dir():
            raise OutputError(f"'{target}' became a folder or a link meanwhile. Give another place with -o.")
        (folder / real.name).replace(real)


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Give an empty folder that becomes the target once all was written, in place of an earlier export.

    Whatever else is in the target stays there.
    """
    place = Place(target, resolved(target))
    with place.scratch() as partial:
        yield partial
        Record.of("export", partial).write(partial)
        place.put(partial)
