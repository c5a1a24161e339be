"""The memory that serving a model takes: what a process that does nothing else grows by."""

import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from ovquant import runtime
from ovquant.domain.progress import Progress, silent
from ovquant.domain.sample import Array
from ovquant.errors import OvquantError
from ovquant.measure.worker import UnreadableError, Worker

FOOTPRINT_REQUESTS = 3
"""Requests after which a served model holds all that it will."""
STATUS = Path("/proc/self/status")


class Server:
    """Reads, compiles and runs a model in a process of its own."""

    def __init__(self, progress: Progress) -> None:
        runtime.core()

    def grown(self, path: Path, deployment: runtime.Deployment, requests: Sequence[Sequence[Array]]) -> int:
        """Return by how many bytes this process grew at most; it can be asked once."""
        before: int = psutil.Process().memory_info().rss
        compiled = runtime.compile_model(path, deployment)
        for inputs in requests:
            runtime.run(compiled.create_infer_request(), list(inputs))
        return max(0, _peak() - before)


def footprint(
    path: Path, deployment: runtime.Deployment, requests: Sequence[Sequence[Array]], progress: Progress = silent
) -> int | None:
    """Return the bytes that a process grows by at most while it reads, compiles and runs a model; None where that failed.

    Mapped weights count as far as they were read. requests: the inputs of whole requests.
    """
    try:
        worker = Worker(f"{__name__}:{Server.__name__}", progress)
        try:
            return int(worker.call("grown", path, deployment, requests))
        finally:
            worker.close()
    except (OvquantError, UnreadableError, RuntimeError):
        return None


def _peak() -> int:
    """Return the most bytes that were resident in this process."""
    if STATUS.exists():
        # That of getrusage is the larger one of this process and of the one that started it.
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        raise OvquantError("Windows starts no process here, so there is no peak to read.")
    # Windows has no such module.
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
