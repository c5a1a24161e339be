"""What processes hold that run saved models on the data of a run: sessions of their own, and replicas, called by name."""

import os
import pickle
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ovquant.api.session import Given, LocalSession, record, unpacked
from ovquant.domain.progress import Progress, silent
from ovquant.domain.split import Splits
from ovquant.domain.trial import WHERE
from ovquant.errors import ModelError, UsageError
from ovquant.measure.replica import Replica
from ovquant.runtime import Simulation

THREADS, PINNING = "INFERENCE_NUM_THREADS", "ENABLE_CPU_PINNING"
"""The properties that say how many threads a model may keep busy, and whether each stays on a core, the first ones in every process."""
SHARED = "OVQUANT_SHARED"
"""The environment variable that says where a folder of the machine that serves lies on this one: ITS PATH=PATH HERE."""


class HeldReplica:
    """A replica that computes as its processor does; see `ovquant.domain.task.Job`."""

    def __init__(self, progress: Progress = silent) -> None:
        self._progress = progress
        self._replica: Replica

    @staticmethod
    def record(device: str) -> dict[str, str]:
        """Return what answers depend on."""
        return record(device)

    def begin(self, given: bytes, threads: int) -> None:
        """Read model and metrics; given: what a run was given, and how it has split the data, pickled."""
        packed, splits = pickle.loads(given)
        session = joined(moved(unpacked(packed), os.environ.get(SHARED, "")), splits, self._progress)
        asked = session.settings.own_properties().get(THREADS)
        fewer = {} if asked is not None and int(asked) <= threads else {THREADS: str(threads)}
        # Workers of one machine would all be on its first cores.
        self._replica = session.replica({**fewer, PINNING: "NO"} if session.settings.device == "CPU" else {})

    def measure(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Call the replica."""
        return getattr(self._replica, method)(*arguments, **named)


class HeldSimulator:
    """A replica that computes as other processors do."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._replica: Replica

    def begin(self, given: bytes, simulated: Simulation, splits: Splits) -> None:
        """Read model, metrics and data, which are split as the process that measures has done.

        Raises ModelError where the processor does not compute as it was told to.
        """
        where, read = WHERE[simulated.arithmetic], unpacked(given)
        if not simulated.works(read.settings.device):
            raise ModelError(f"This processor cannot compute as {where} do: leave --processors any out.")
        self._replica = joined(read, splits, self._progress).replica(simulated.properties, f" as {where} do")

    def measure(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Call the replica."""
        return getattr(self._replica, method)(*arguments, **named)


def joined(given: Given, splits: Splits, progress: Progress) -> LocalSession:
    """Return a session of this process that has read model and metrics, and has the data as another process has split them."""
    session = LocalSession(given, progress)
    session.prepare()
    session.join(splits)
    return session


def moved(given: Given, shared: str) -> Given:
    """Return what a run was given with a folder's path as it is here; shared: see `SHARED`, "" where paths are the same.

    Raises UsageError for what says no two paths.
    """
    names = ("model", "metric", "data", "roles", "trained", "module", "numbers")
    return replace(given, **moved_values({name: getattr(given, name) for name in names}, shared))


def moved_values(values: Mapping[str, Any], shared: str) -> dict[str, Any]:
    """Return values by name with a folder's path in them as it is here; see `moved`."""
    if not shared:
        return dict(values)
    there, _, here = shared.partition("=")
    if not (there.startswith("/") and here.startswith("/")):
        raise UsageError(
            f"{SHARED}={shared} should be two absolute paths, of a folder there and of the same one here: /data=/mnt/data."
        )
    # Where a path begins, in options too: another folder may be called so.
    path, to = re.compile(rf"(?<![^=:,]){re.escape(there.rstrip('/'))}(?=[/:,]|$)"), here.rstrip("/")

    def as_here(value: Any) -> Any:
        if isinstance(value, Path):
            return Path(as_here(str(value)))
        if isinstance(value, str):
            return path.sub(lambda _: to, value)
        if isinstance(value, list | tuple):
            return type(value)(map(as_here, value))
        return {key: as_here(item) for key, item in value.items()} if isinstance(value, Mapping) else value

    return {name: as_here(value) for name, value in values.items()}
