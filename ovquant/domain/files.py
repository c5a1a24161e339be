"""Files and folders that are whole or not there at all, and those that are deleted with what uses them."""

import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ovquant.errors import DataError


@contextmanager
def written(path: Path, *, folder: bool = False) -> Iterator[Path]:
    """Give a temporary name beside a path to write to, and rename it once all was written.

    folder: make an empty folder there; nothing may lie at `path` then. What a killed run left there is deleted first.
    """
    partial = path.with_name(f"{path.name}.partial")
    if folder:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    yield partial
    partial.replace(path)


def temporary_folder(owner: object) -> Path:
    """Make a folder that is deleted when its owner is, or when Python exits; raise DataError if none can be made."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="ovquant-"))
    except OSError as error:
        raise DataError(f"No temporary folder can be made: {error}. Set TMPDIR to a folder with space.") from error
    weakref.finalize(owner, shutil.rmtree, folder, True)
    return folder


class TemporaryFolder:
    """A folder that is deleted with the object: a result without an output lives as long as it is used."""

    def __init__(self) -> None:
        self.path = temporary_folder(self)
