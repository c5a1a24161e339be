"""One search for each of several devices, done where the device is, on machines that an executor reaches by name."""

import io
import os
import pickle
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cloudpickle

from ovquant.api.quantize import quantize
from ovquant.api.replicas import SHARED as FOLDER
from ovquant.api.replicas import moved_values
from ovquant.api.result import Result
from ovquant.domain.place import find_place, refuse_content, writing
from ovquant.domain.profile import Profile
from ovquant.domain.progress import Progress, silent
from ovquant.domain.record import Record
from ovquant.errors import ExecutorError, OvquantError, UsageError
from ovquant.plugins.executors import resolve_executor
from ovquant.plugins.protocols import Executor, Reaching

KINDS = ("evaluation", "divergence", "calibrations")
"""What of a search another machine need not measure again: by their keys these serve where versions and processor are the same."""
PROFILE = "profile.jsonl"
Known = Sequence[tuple[str, Mapping[str, Any], Any]]
"""Measurements: the kind, key and value of each."""


def quantize_for(
    targets: Sequence[str],
    model: Any,
    *,
    executor: Any,
    output: str | Path,
    force: bool = False,
    progress: Progress = silent,
    done: Callable[[str, Result], None] = lambda name, result: None,
    **asked: Any,
) -> dict[str, Result]:
    """Search on each of these machines for itself, one after the other, and put the results into folders of their names.

    targets: names of machines that the executor reaches. Each is asked for a whole `quantize` of `asked`: it builds and times there, and has
    scores taken by the executor's workers that compute as it does, or takes them itself. What one has measured, timings aside,
    serves those after it with the same processor and versions. done: called with each result.
    Raises UsageError for an executor that reaches no machines, and OvquantError with what went wrong on one.
    """
    reached = resolve_executor(executor)
    if not isinstance(reached, Reaching):
        raise UsageError("Targets are machines that an executor reaches: give --executor dask:ADDRESS too.")
    check_names(targets)
    places = {name: find_place(Path(output) / name, force=force, inputs=(model, *asked.values())) for name in targets}
    results, known = dict[str, Result](), list[tuple[str, Mapping[str, Any], Any]]()
    for name, place in places.items():

        def shown(what: str, ended: int, total: int, name: str = name) -> None:
            progress(f"{name}: {what}", ended, total)

        given = cloudpickle.dumps(({"model": model, **asked}, known))
        with writing(place.target):
            place.real.parent.mkdir(parents=True, exist_ok=True)
        with place.locked(), place.scratch() as folder:
            # Another run may have finished since the place was found.
            refuse_content(place.target, place.real, force=force)
            with naming(name):
                packed = reached.call(name, f"{__name__}:quantize_here", given, shown)
            unpack(packed, folder)
            profile = Profile(folder / PROFILE)
            known += [(kind, key, value) for kind in KINDS for key, value in profile.entries(kind)]
            place.put(folder)
        results[name] = Result.load(place.target)
        done(name, results[name])
    return results


@contextmanager
def naming(machine: str) -> Iterator[None]:
    """Say on which machine a path, the data or an option would not do."""
    try:
        yield
    except ExecutorError:
        raise
    except OvquantError as error:
        error.args = (f"On the machine '{machine}': {error}",)
        raise


def check_names(targets: Sequence[str]) -> None:
    """Raise UsageError for names that are no folders' names, or are given twice."""
    for name in targets:
        if not name or name in (".", "..") or Path(name).name != name:
            raise UsageError(f"--target '{name}' is no name: its result is put into a folder of that name.")
    if len(set(targets)) != len(targets):
        raise UsageError("--target names a machine twice.")


def quantize_here(given: bytes, executor: Executor, progress: Progress) -> bytes:
    """Search on this machine and return the folder of the result; given: what `quantize` is asked, and what is known, pickled."""
    asked, known = pickle.loads(given)
    with tempfile.TemporaryDirectory(prefix="ovquant-") as folder:
        output = Path(folder) / "result"
        place = find_place(output)
        place.partial.mkdir(parents=True)
        Record("run").write(place.partial)
        profile = Profile(place.partial / PROFILE)
        for kind, key, value in known:
            profile.record(kind, key, value)
        quantize(**moved_values(asked, os.environ.get(FOLDER, "")), executor=executor, output=output, progress=progress)
        return pack(output)


def pack(folder: Path) -> bytes:
    """Return a folder's content as the bytes of an archive."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        archive.add(folder, arcname=".")
    return made.getvalue()


def unpack(packed: bytes, folder: Path) -> None:
    """Put the content of an archive into a folder."""
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
