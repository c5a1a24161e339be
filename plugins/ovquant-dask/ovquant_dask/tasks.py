"""What runs on a worker: an object that is made of a job once, and calls of it."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any

from distributed import get_worker

from ovquant.errors import DataError, ModelError

KEPT_BYTES = 4 * 2**30
"""How much of models a worker keeps on its disk, beside those of the task at hand."""
Content = Mapping[str, bytes]
"""The files of a model by their names."""
_HELD = dict[str, Any]()
_LOCK = Lock()


def record(target: str, device: str) -> dict[str, str]:
    """Return what the answers of this worker depend on."""
    found: dict[str, str] = _class(target).record(device)
    return found


def run(
    job: tuple[str, str, bytes], method: str, models: Sequence[tuple[str, Content]], arguments: Sequence[Any]
) -> tuple[str, Any]:
    """Call what this worker holds, and return its own address with the value.

    job: a digest, the target, and what it is made of. models: each with its digest.
    """
    # A worker of several threads has them all at work on one task, since what it holds answers one call at a time.
    with _LOCK, _naming_worker():
        held = _held(*job)
        paths = [_written(digest, content) for digest, content in models]
        _make_room([path.parent for path in paths])
        return get_worker().address, held.measure(method, *paths, *arguments)


@contextmanager
def _naming_worker() -> Iterator[None]:
    """Say on which machine data or a model cannot be read, or are other ones."""
    try:
        yield
    except (DataError, ModelError) as error:
        raise type(error)(f"On the worker {get_worker().address}: {error}") from error


def _class(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


def _held(digest: str, target: str, given: bytes) -> Any:
    if digest not in _HELD:
        _HELD.clear()
        made = _class(target)()
        made.begin(given, get_worker().state.nthreads)
        _HELD[digest] = made
    return _HELD[digest]


def _written(digest: str, content: Content) -> Path:
    """Return the path of a model's first file, written where it is not there."""
    folder = _folder() / digest
    if not folder.exists():
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for name, data in content.items():
            (partial / name).write_bytes(data)
        partial.rename(folder)
    folder.touch()
    return folder / next(iter(content))


def _make_room(used: Sequence[Path]) -> None:
    """Delete the models that were used the longest ago, beyond what may be kept."""
    others = [folder for folder in _folder().iterdir() if folder not in used]
    room = KEPT_BYTES
    for folder in sorted(others, key=lambda folder: folder.stat().st_mtime, reverse=True):
        room -= sum(path.stat().st_size for path in folder.iterdir())
        if room < 0:
            shutil.rmtree(folder)


def _folder() -> Path:
    return Path(get_worker().local_directory) / "ovquant"
