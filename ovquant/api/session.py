"""What a run opens: its model, metrics and data, in this process or in another one that can be lost."""

import io
import os
import pickle
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import cloudpickle
import openvino

from ovquant import quantization, runtime
from ovquant.api.data import check_data, join_splits, open_splits, with_doubts
from ovquant.api.options import DEFAULT_STRATEGY, Options
from ovquant.api.prepare import (
    Described,
    Prepared,
    instruments_in,
    made_up_names,
    model_name,
    model_source,
    prepare,
    tokenizer_of,
    with_example,
)
from ovquant.domain.files import TemporaryFolder
from ovquant.domain.handed_on import detached
from ovquant.domain.objective import GENERATING
from ovquant.domain.profile import Profile
from ovquant.domain.progress import Progress
from ovquant.domain.split import Splits
from ovquant.domain.task import Job
from ovquant.errors import LostError, ModelError, OtherProcessorError, UsageError
from ovquant.graph.fingerprint import fingerprint
from ovquant.graph.names import with_unique_names
from ovquant.measure.conditions import Conditions
from ovquant.measure.elsewhere import Elsewhere
from ovquant.measure.instruments import Instruments, Local
from ovquant.measure.isolated import LIMIT_SECONDS, Isolated
from ovquant.measure.models import circumstances
from ovquant.measure.replica import Replica
from ovquant.measure.shards import Shards
from ovquant.measure.texts import length_notes
from ovquant.measure.worker import UnreadableError, Worker
from ovquant.plugins.executors import LOCAL, resolve_executor
from ovquant.plugins.loaders import load_model
from ovquant.plugins.metrics import resolve_metrics
from ovquant.plugins.protocols import Executor, Team
from ovquant.runtime import Simulation

VARIABLE = "OVQUANT_ISOLATE"
"""The environment variable that says with 0 that everything is measured in the process that asks for it."""
REPLICA, SIMULATOR = "ovquant.api.replicas:HeldReplica", "ovquant.api.replicas:HeldSimulator"
"""What processes hold that run saved models: with properties of their own, and with another int8 arithmetic."""
ENDING_SECONDS = 30.0
"""Seconds in which workers elsewhere are to be let go."""
MOST_BYTES = 2**30
"""Objects larger than this are not sent to another process."""


@dataclass(frozen=True)
class Given:
    """What a run was given to measure with; `roles` has the data by the names of `open_splits`' parameters.

    `scored` names the splits whose samples need targets. `trained` is the file of a model that was made of it by training.
    `module` is what the model was exported from, for training, and `numbers` the file of those that were trained before.
    """

    model: Any
    metric: Any
    settings: Options
    data: Any
    roles: Mapping[str, Any]
    scored: tuple[str, ...] = ("search", "holdout")
    trained: Path | None = None
    module: Any = None
    numbers: Path | None = None


class Session(Protocol):
    """What a run opens, step by step, so that what is wrong shows before what takes long."""

    def prepare(self) -> Described:
        """Read the model and the metrics and describe them."""

    def open(self) -> None:
        """Read the data, and check that they fit."""

    def instruments(self, folder: Path, profile: Profile) -> Instruments:
        """Return what measures plans, builds them in a folder and records in a profile."""


class LocalSession:
    """A session of this process; `notes` are for the user."""

    def __init__(self, given: Given, progress: Progress, notes: tuple[str, ...] = ()) -> None:
        self._given, self._progress, self._notes = given, progress, notes
        self._prepared: Prepared
        self._splits: Splits

    def prepare(self) -> Prepared:
        """Read the model and the metrics and describe them."""
        given = self._given
        self._prepared = prepare(given.model, given.metric, given.settings, given.data, given.trained)
        return self._prepared

    @property
    def settings(self) -> Options:
        """Return how the run was asked to go."""
        return self._given.settings

    def join(self, splits: Splits) -> None:
        """Open the data, of which another process has read and checked all; splits: which sample has which role there."""
        given = self._given
        roles = {role: given.roles.get(role) for role in ("holdout", "calibration")}
        tokenizer, model = tokenizer_of(given.model), self._prepared.model
        self._splits = join_splits(splits, given.data, given.settings, model=model, tokenizer=tokenizer, **roles)

    @property
    def splits(self) -> Splits:
        """Return the roles of the data."""
        return self._splits

    def open(self) -> None:
        """Read the data, and check that they fit."""
        given = self._given
        model = self._prepared.model
        splits = open_splits(
            given.data,
            given.settings,
            model=model,
            tokenizer=tokenizer_of(given.model),
            progress=self._progress,
            **given.roles,
        )
        check_data(self._prepared, splits, scored=given.scored)
        if given.settings.optimize in GENERATING:
            notes = length_notes(model, splits.search, given.settings.generation())
            splits = replace(splits, notes=(*splits.notes, *notes))
        self._splits = with_doubts(self._prepared, splits)

    def instruments(self, folder: Path, profile: Profile, elsewhere: Elsewhere | None = None) -> Local:
        """Return what measures plans; elsewhere: where the int8 arithmetic is simulated that this processor has not."""
        settings = self._given.settings
        made = instruments_in(folder, self._prepared, self._splits, settings, profile, self._progress, elsewhere)
        # What came in is let go where its weights are mapped from a file now.
        self._prepared = replace(
            self._prepared, model=made.models.model, float_model=made.models.float_model, normal=made.models.normal
        )
        made.models.tutor.module, made.models.tutor.given = self._given.module, self._given.numbers
        return replace(made, notes=self._notes)

    def replica(self, beside: Mapping[str, str], where: str = "") -> Replica:
        """Return what runs saved models, with further properties; where: what is otherwise here, for the progress."""
        settings = self._given.settings
        return Replica(
            self._splits,
            self._prepared.metrics,
            settings.deployment(),
            beside,
            where,
            settings.seed,
            self._progress,
        )


class Held:
    """What the other process holds: a session of its own, and its instruments, called by name."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._given: bytes
        self._session: LocalSession
        self._team: Team | None = None
        self._alone = ""
        self._instruments: Local

    def prepare(self, given: bytes) -> Described:
        """Read the model and the metrics; given: pickled, so that what it refers to is imported here."""
        self._given, self._session = given, LocalSession(unpacked(given), self._progress)
        # Where there are no workers this is told first.
        self._team = self._gathered(given)
        return self._session.prepare().plain()

    def _gathered(self, given: bytes) -> Team | None:
        """Return the workers elsewhere that score plans, if there should be some; given: what they hold."""
        settings = self._session.settings
        executor: Executor = settings.executor
        try:
            return executor.gather(Job(REPLICA, given, settings.device, record(settings.device)))
        except OtherProcessorError as error:
            self._alone = f"Plans were scored here. {error}"
            return None

    def notes(self) -> tuple[str, ...]:
        """Say where plans are scored, if they should have been, or were, elsewhere."""
        if self._team is None:
            return (self._alone,) if self._alone else ()
        workers = self._team.workers
        return (
            f"Plans were scored by workers elsewhere that compute as this processor does ({', '.join(workers)}), and built and timed "
            "here.",
        )

    def open(self) -> None:
        """Read the data, and check that they fit."""
        self._session.open()

    def begin(self, folder: Path, profile: Path) -> Conditions:
        """Make the instruments."""
        quantization.load_alone()
        elsewhere = self._elsewhere()
        if elsewhere is not None and self._session.settings.processors == "any":
            # Where nothing can be simulated it is told before anything is measured.
            elsewhere.open()
        made = self._session.instruments(folder, Profile(profile), elsewhere)
        if self._team is not None:
            self._team.close()
            # They take over what was compared here.
            self._team = self._gathered(pickle.dumps((self._given, detached(self._session.splits))))
        made.scorer.shards = None if self._team is None else Shards(self._team)
        self._instruments = replace(made, processes=True)
        return self._instruments.conditions

    def end(self) -> None:
        """Let the workers elsewhere go, if there are some."""
        if self._team is not None:
            self._team.close()

    def _elsewhere(self) -> Elsewhere | None:
        """Return what starts a third process, in which the int8 arithmetic is simulated that this processor has not."""
        device = self._session.settings.device
        simulated = runtime.simulation(device)
        return None if simulated is None else Elsewhere(simulated.arithmetic, lambda: self._simulating(simulated))

    def _simulating(self, simulated: Simulation) -> Worker:
        worker = Worker(SIMULATOR, self._progress, simulated.environment)
        worker.start("begin", self._given, simulated, detached(self._session.splits))
        return worker

    def measure(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Call the instruments."""
        return getattr(self._instruments, method)(*arguments, **named)


def record(device: str) -> dict[str, str]:
    """Return what the answers of a process depend on: versions, and how the device computes."""
    return {**circumstances(device), "ovquant": version("ovquant")}


def unpacked(given: bytes) -> Given:
    """Return what was packed; raises UnreadableError for what refers to something that cannot be imported here."""
    try:
        read: Given = pickle.loads(given)
    except Exception as error:
        raise UnreadableError(f"{type(error).__name__}: {error}") from error
    return read


class IsolatedSession:
    """A session of another process."""

    def __init__(self, given: Given, progress: Progress) -> None:
        self._given, self._progress = given, progress
        self._folder = TemporaryFolder()
        self._sent = packed(given, self._folder.path)
        self._worker: Worker | None = None

    def prepare(self) -> Described:
        """Read the model and the metrics there and describe them; raises UnreadableError for what cannot be read there."""
        self._worker = Worker(f"{__name__}:{Held.__name__}", self._progress)
        found: Described = self._opening(lambda worker: worker.call("prepare", self._sent, limit=self._limit()))
        model = self._given.model
        return replace(found, name=model_name(model), source=model_source(model))

    def open(self) -> None:
        """Read the data there, and check that they fit."""
        self._opening(lambda worker: worker.call("open", limit=self._limit()))

    def instruments(self, folder: Path, profile: Profile) -> Isolated:
        """Return what measures plans there."""

        def start() -> tuple[Worker, Conditions]:
            if self._worker is None or self._worker.closed:
                self.prepare()
                self.open()
            conditions = self._opening(lambda worker: worker.call("begin", folder, profile.path))
            assert self._worker is not None
            return self._worker, conditions

        timeout = self._given.settings.trial_timeout
        made = Isolated(start, profile, trial_timeout=timeout, float_limit=self._limit())
        made.notes += self._opening(lambda worker: worker.call("notes"))
        return made

    def _limit(self) -> float:
        """Return the seconds that reading, or a measurement of float, may take: nothing says how long they should."""
        budget = self._given.settings.time_budget
        return float("inf") if budget is None else budget + LIMIT_SECONDS

    def _opening(self, ask: Callable[[Worker], Any]) -> Any:
        assert self._worker is not None
        try:
            return ask(self._worker)
        except LostError as error:
            raise ModelError(f"The process that reads the model and the data was lost: {error}.") from error

    def close(self) -> None:
        """End the process."""
        if self._worker is not None:
            if self._given.settings.executor != LOCAL and not self._worker.closed:
                try:
                    self._worker.call("end", limit=ENDING_SECONDS)
                except Exception as error:
                    cause = str(error).partition("\n")[0]
                    warnings.warn(
                        f"Workers elsewhere may go on for a while, and a report of them may be missing: {cause}",
                        stacklevel=2,
                    )
            self._worker.close()


@contextmanager
def opened(given: Given, progress: Progress) -> Iterator[tuple[Session, Described]]:
    """Open a session, and describe its model: in another process unless that is turned off or something cannot be sent there."""
    settings = given.settings
    if settings.processors == "any" and runtime.simulation(settings.device) is None:
        raise UsageError(
            f"--processors any is for the CPU; {settings.device} adds int8 products in its own way. Leave it out."
        )
    settings = replace(settings, executor=resolve_executor(settings.executor))
    given = replace(given, model=with_example(given.model, given.data), settings=settings)
    notes: tuple[str, ...] = ()
    with ExitStack() as held:
        if may_start_processes(asked=settings.isolate):
            try:
                there = IsolatedSession(given, progress)
                held.callback(there.close)
                described = there.prepare()
            except UnreadableError as error:
                notes = (
                    "Everything was measured in this process, which a crash would have ended: what was given cannot be sent "
                    f"to another one ({error}).",
                )
            else:
                yield there, described
                return
        if settings.executor != LOCAL:
            raise UsageError(
                "Workers elsewhere are asked by a process of its own. "
                + (" ".join(notes) or "Leave --no-isolate and OVQUANT_ISOLATE=0 out.")
            )
        if settings.processors == "any":
            raise UsageError(
                "--processors any simulates other processors in a process of its own. "
                + (" ".join(notes) or "Leave --no-isolate and OVQUANT_ISOLATE=0 out.")
            )
        here = LocalSession(given, progress, notes)
        yield here, here.prepare().plain()


def may_start_processes(*, asked: bool | None = None) -> bool:
    """Tell whether others may be started: as asked, else unless the environment says no, and where a socket can be handed over."""
    wanted = os.environ.get(VARIABLE) != "0" if asked is None else asked
    return wanted and os.name == "posix"


def packed(given: Given, folder: Path) -> bytes:
    """Return what another process unpickles; models that are objects are written to a folder.

    Raises UnreadableError for what cannot be sent.
    """
    model = given.model
    if not isinstance(model, str | Path):
        loaded = with_unique_names(load_model(model), made_up=made_up_names(model))
        model = folder / "model.xml"
        openvino.serialize(loaded, model)
        if fingerprint(openvino.Core().read_model(model)) != fingerprint(loaded):
            raise UnreadableError("the model is another one once it is written and read")
    metric = given.metric
    if not all(isinstance(item, str) for item in (metric if isinstance(metric, list | tuple) else [metric])):
        metric = resolve_metrics(metric)
        # Their code is read here, where it is: a function that is sent has left its module behind.
        for item in metric:
            _ = item.key
    # Proposals are made here, where the strategy stays.
    settings = replace(given.settings, strategy=DEFAULT_STRATEGY)
    file = Bounded(MOST_BYTES)
    try:
        cloudpickle.Pickler(file).dump(replace(given, model=model, metric=metric, settings=settings))
    except Exception as error:
        raise UnreadableError(f"{type(error).__name__}: {error}") from error
    return file.getvalue()


class Bounded(io.BytesIO):
    """Bytes in memory, so many at most."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def write(self, data: Any, /) -> int:
        """Write bytes; raises OverflowError when they become too many."""
        if self.tell() + memoryview(data).nbytes > self._most:
            raise OverflowError(f"it is more than {self._most / 1e9:.1f} GB; give the data by a path")
        return super().write(data)
