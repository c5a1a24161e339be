"""Write a folder under a temporary name, and rename it when it is whole."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ovquant.replacing import move_into_place


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Give an empty folder that becomes the target once all was written, in place of what is there."""
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    yield partial
    move_into_place(partial, target)
