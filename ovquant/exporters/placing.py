"""Write a folder under a temporary name, and rename it when it is whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ovquant.places import Place, resolved
from ovquant.records import Record


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
