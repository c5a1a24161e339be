"""What processes hold that run saved models on the data of a run: sessions of their own, and replicas, called by name."""

import pickle
from typing import Any

from ovquant.api.session import LocalSession, record, unpacked
from ovquant.domain.progress import Progress, silent
from ovquant.domain.split import Splits
from ovquant.domain.trial import WHERE
from ovquant.errors import ModelError
from ovquant.measure.replica import Replica
from ovquant.runtime import Simulation

THREADS, PINNING = "INFERENCE_NUM_THREADS", "ENABLE_CPU_PINNING"
"""The properties that say how many threads a model may keep busy, and whether each stays on a core, the first ones in every process."""


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
        session = joined(packed, splits, self._progress)
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
        where = WHERE[simulated.arithmetic]
        if not simulated.works(unpacked(given).settings.device):
            raise ModelError(f"This processor cannot compute as {where} do: leave --processors any out.")
        self._replica = joined(given, splits, self._progress).replica(simulated.properties, f" as {where} do")

    def measure(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Call the replica."""
        return getattr(self._replica, method)(*arguments, **named)


def joined(given: bytes, splits: Splits, progress: Progress) -> LocalSession:
    """Return a session of this process that has read model and metrics, and has the data as another process has split them."""
    session = LocalSession(unpacked(given), progress)
    session.prepare()
    session.join(splits)
    return session
