"""The workers of a Dask cluster that answer as the process that measures would."""

import contextlib
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from distributed import Client, Future, KilledWorker, performance_report, wait
from distributed.comm.core import CommClosedError

from ovquant.errors import ExecutorError, ModelError, OtherProcessorError
from ovquant.protocols import Job, Task
from ovquant_dask import tasks as there

ROUNDS = 3
"""How often tasks may be left undone, since workers or what they held were lost, before a plan is given up."""
TICK_SECONDS = 0.5
"""How long one waits before one looks whether scheduler and workers are still there."""
TAG = "target-"
"""How the resource begins that a worker is started with where a whole search may be asked for; such a one is asked for no scores."""
VERSIONS = ("openvino", "nncf", "ovquant")
"""What of a record can be mended by an installation; the rest is what the processor is."""
KEPT_MODELS = 3
"""Models that stay in the workers' memory: float, and those that are asked for in turn."""

Files = tuple[str, Callable[[], there.Content]]
"""The digest of a model's files, and what reads them."""


class DaskTeam:
    """Workers that hold what a job says; `wait` is how many seconds there may be none."""

    def __init__(self, client: Client, address: str, job: Job, wait: float) -> None:
        self._client, self._address, self._job, self._wait = client, address, job, wait
        self._digest = sha256(job.target.encode() + job.given).hexdigest()[:16]
        self._workers = dict[str, str]()
        """Every worker that was asked, by address: what is wrong with it, or nothing."""
        self._answers = dict[str, Any]()
        """What each of them said of itself, or the error that it raised."""
        self._sent = OrderedDict[str, Future[Any]]()
        self._closing = contextlib.ExitStack()

    @property
    def workers(self) -> Sequence[str]:
        """Return the addresses of the workers that will do."""
        return [address for address, problem in self._workers.items() if not problem]

    def report(self, path: Path) -> None:
        """Have Dask write a page into a file, once the team is closed, of what it did; raises ExecutorError where the scheduler lacks bokeh."""
        # A lambda is sent whole: the scheduler may have nothing of this package.
        if not self._client.run_on_scheduler(lambda: find_spec("bokeh") is not None):
            raise ExecutorError(
                "Dask's report needs bokeh where the scheduler runs: pip install bokeh there, or leave report= out."
            )
        with self._client.as_current():
            self._closing.enter_context(performance_report(filename=str(path)))

    def refresh(self) -> None:
        """Find the workers that will do; raises ExecutorError where there is none for as long as may be."""
        end = time.monotonic() + self._wait
        while True:
            self._look()
            if self.workers:
                return
            if time.monotonic() > end:
                raise self._none()
            time.sleep(TICK_SECONDS)

    def run(self, tasks: Sequence[Task], done: Callable[[int, str], None]) -> list[Any]:
        """Return the value of each task, in order."""
        values = dict[int, Any]()
        for _ in range(ROUNDS):
            self.refresh()
            left = [place for place in range(len(tasks)) if place not in values]
            with self._client.as_current():
                self._round({place: tasks[place] for place in left}, values, done)
            if len(values) == len(tasks):
                return [values[place] for place in range(len(tasks))]
        raise ModelError(f"It cost the workers of {self._address} {ROUNDS} times over.")

    def close(self) -> None:
        """End what is under way, and leave the cluster as it was."""
        try:
            with self._client.as_current():
                self._closing.close()
        except Exception as error:
            warnings.warn(f"Dask's report could not be written: {error}", stacklevel=2)
        self._sent.clear()
        # The scheduler forgets what no client wants.
        with contextlib.suppress(Exception):
            self._client.close(timeout=5)

    def _round(self, tasks: Mapping[int, Task], values: dict[int, Any], done: Callable[[int, str], None]) -> None:
        """Have tasks done, and leave out those that are lost with their workers."""
        workers, pending = list(self.workers), dict[Future[Any], int]()
        models = {path: _read(path) for path in {path for task in tasks.values() for path in task.models}}
        try:
            # A worker that was lost just now is not known to be until something is sent to it.
            with contextlib.suppress(CommClosedError, TimeoutError):
                for place, task in tasks.items():
                    pending[self._submit(task, [models[path] for path in task.models], workers)] = place
            while pending:
                finished = self._finished(list(pending))
                if not finished and not self._alive(workers):
                    return
                for future in finished:
                    place = pending.pop(future)
                    if future.status == "finished":
                        # The worker that has the value may be lost before it has sent it.
                        with contextlib.suppress(CancelledError, CommClosedError):
                            worker, values[place] = future.result()
                            done(len(values), worker)
                    elif future.status == "error":
                        raise self._told(future.exception())
        finally:
            if pending:
                with contextlib.suppress(Exception):
                    self._client.cancel(list(pending), force=True)

    def _submit(self, task: Task, models: Sequence[Files], workers: list[str]) -> Future[Any]:
        given = self._content(self._digest, lambda: self._job.given)
        job = (self._digest, self._job.target, given)
        sent = [(digest, self._content(digest, content)) for digest, content in models]
        return self._client.submit(there.run, job, task.method, sent, task.arguments, workers=workers, pure=False)

    def _content(self, digest: str, content: Callable[[], Any]) -> Future[Any]:
        """Return what was sent to the workers under a digest, which is sent where it is not there any more."""
        known = self._sent.get(digest)
        if known is None or known.status in ("cancelled", "lost", "error"):
            name = f"ovquant-{digest}"
            try:
                sent = self._client.scatter({name: content()}, workers=list(self.workers), broadcast=True)
            except KeyError as error:
                # The scheduler says so of a worker that it has forgotten since it was asked for those it has.
                raise CommClosedError(f"The worker {error} is gone.") from error
            self._sent[digest] = sent[name]
        self._sent.move_to_end(digest)
        while len(self._sent) > KEPT_MODELS + 1:
            oldest = next(key for key in self._sent if key != self._digest)
            del self._sent[oldest]
        return self._sent[digest]

    def _finished(self, pending: list[Future[Any]]) -> list[Future[Any]]:
        # What was cancelled, since what it needs is lost, is done too.
        with contextlib.suppress(TimeoutError, CancelledError):
            wait(pending, timeout=TICK_SECONDS, return_when="FIRST_COMPLETED")
        if self._client.status != "running":
            raise ExecutorError(self._gone())
        return [future for future in pending if future.status != "pending"]

    def _alive(self, workers: Sequence[str]) -> bool:
        return bool({*workers} & {*self._running()})

    def _running(self) -> list[str]:
        try:
            return [address for address, tags in tagged(self._client).items() if not tags]
        except Exception as error:
            raise ExecutorError(self._gone()) from error

    def _look(self) -> None:
        """Ask the workers that were not asked yet, and forget those that are not there any more."""
        if self._client.status != "running":
            raise ExecutorError(self._gone())
        running = self._running()
        self._workers = {address: problem for address, problem in self._workers.items() if address in running}
        new = [address for address in running if address not in self._workers]
        if not new:
            return
        found = self._client.run(there.record, self._job.target, self._job.device, workers=new, on_error="return")
        self._answers |= found
        self._workers |= {address: self._problem(answer) for address, answer in found.items()}

    def _problem(self, answer: Any) -> str:
        """Say why a worker will not do, or nothing."""
        if isinstance(answer, BaseException):
            return f"{type(answer).__name__}: {answer} (pip install ovquant-dask there, in the version that is here)"
        expected = self._job.record
        other = [
            f"{name} {answer.get(name, 'missing')} for {value}"
            for name, value in expected.items()
            if answer.get(name) != value
        ]
        return ", ".join(other)

    def _none(self) -> ExecutorError:
        if not self._workers and tagged(self._client):
            return OtherProcessorError(
                f"All workers of '{self._address}' are machines that search, and none is left for scores."
            )
        if not self._workers:
            return ExecutorError(
                f"The Dask scheduler at '{self._address}' had no worker for {self._wait:g} s. Start one: dask worker {self._address} "
                "--nthreads 1"
            )
        told = "; ".join(f"{address} has {problem}" for address, problem in self._workers.items())
        problem = f"No worker of '{self._address}' answers as this process does: {told}."
        if any(self._is_like(self._answers[address]) for address in self._workers):
            return OtherProcessorError(problem)
        return ExecutorError(f"{problem} Install there what is installed here.")

    def _is_like(self, answer: Any) -> bool:
        """Tell whether a worker has the versions that are here."""
        return isinstance(answer, dict) and all(answer.get(name) == self._job.record.get(name) for name in VERSIONS)

    def _gone(self) -> str:
        return (
            f"The Dask scheduler at '{self._address}' is gone. What was measured is kept: the same command goes on from there once it "
            "answers again."
        )

    def _told(self, error: BaseException | None) -> BaseException:
        if isinstance(error, KilledWorker):
            return ModelError(f"It cost the workers of {self._address} too often: {error}")
        return error or ModelError(f"A task on {self._address} failed.")


def tagged(client: Client) -> dict[str, list[str]]:
    """Return all workers by address, with the machines that they are named as."""
    found = client.scheduler_info(n_workers=-1)["workers"]
    return {
        address: [name.removeprefix(TAG) for name in worker["resources"] if name.startswith(TAG)]
        for address, worker in found.items()
    }


def _read(path: Path) -> Files:
    """Return a model's files."""
    files = [path, *([path.with_suffix(".bin")] if path.suffix == ".xml" else [])]
    digest = sha256()
    for file in files:
        with file.open("rb") as opened:
            while block := opened.read(2**20):
                digest.update(block)
    return digest.hexdigest()[:32], lambda: {file.name: file.read_bytes() for file in files}
