"""What runs on a worker: an object that is made of a job once, and calls of it."""

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any

from distributed import get_worker

from ovquant.errors import DataError, ExecutorError, ModelError

KEPT_BYTES = 4 * 2**30
"""How much of models a worker keeps on its disk, beside those of the task at hand."""
TELLING_SECONDS = 0.5
"""How long lies between two words of progress."""
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


def whole(function: str, given: bytes, executor: Any, topic: str, versions: Mapping[str, str]) -> Any:
    """Call a function of this machine with what it is given and with an executor, whose address is as this worker knows it.

    Progress is logged under a topic. Raises ExecutorError where other versions are installed here, and once nobody waits for the
    value any more.
    """
    other = [f"{name} {version(name)} for {value}" for name, value in versions.items() if version(name) != value]
    if other:
        raise ExecutorError(f"The machine has {', '.join(other)}. Install there what is installed here.")
    worker, last = get_worker(), 0.0
    key = worker.get_current_task()

    def tell(what: str, done: int, total: int) -> None:
        nonlocal last
        task = worker.state.tasks.get(key)
        if task is None or task.state != "executing":
            raise ExecutorError("Nobody waits for this search any more.")
        if time.monotonic() - last > TELLING_SECONDS or done == total:
            last = time.monotonic()
            worker.log_event(topic, (what, done, total))

    return _class(function)(given, replace(executor, address=worker.scheduler.address), tell)


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
        try:
            made.begin(given, get_worker().state.nthreads)
        except (DataError, ModelError):
            raise
        except Exception as error:
            raise ExecutorError(
                f"The worker {get_worker().address} cannot take what the run was given: {error} Install there what is installed here, "
                "plugins and the modules of metrics and data too."
            ) from error
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
