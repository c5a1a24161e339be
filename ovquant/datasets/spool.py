"""Give a dataset a temporary folder that is deleted with it."""

import shutil
import tempfile
import weakref
from pathlib import Path

from ovquant.errors import DataError


def temporary_folder(owner: object) -> Path:
    """Make a folder that is deleted when its owner is, or when Python exits; raise DataError if none can be made."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="ovquant-"))
    except OSError as error:
        raise DataError(f"No temporary folder can be made: {error}. Set TMPDIR to a folder with space.") from error
    weakref.finalize(owner, shutil.rmtree, folder, True)
    return folder
