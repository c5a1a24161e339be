"""Samples of a running application's requests, kept as a dataset."""

import json
import random
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import openvino

from ovquant.domain.bfloats import widened
from ovquant.domain.files import written
from ovquant.domain.sample import Array
from ovquant.errors import OutputError, UsageError
from ovquant.graph.names import names_of
from ovquant.live.requests import PythonModel, arrays_of

INDEX = "recording.json"
PAUSE_SECONDS, REST = 0.05, 50
"""How long the writer rests before the next sample, at least and in times of what the last one took to write."""


class Recorder:
    """Keeps a uniform sample of the requests it is shown (algorithm R; Vitter, 1985) in a folder.

    A request costs a random number, and a copy of its inputs where it is picked. A thread writes what was picked, so that no
    request waits for the disk; in memory are at most as many samples as in the folder. Safe to call from any thread.
    """

    def __init__(
        self,
        folder: str | Path,
        names: Sequence[str],
        *,
        count: int = 300,
        seed: int = 0,
        bfloats: Collection[int] = (),
        shapes: Sequence[openvino.PartialShape] = (),
    ) -> None:
        """Make the folder.

        bfloats: the places of inputs of bfloat16, which are kept as float32. shapes: what the inputs' shapes must fit.
        Raises OutputError when the folder holds something already, UsageError for a count below one.
        """
        if count < 1:
            raise UsageError(f"n is {count}; record at least one sample.")
        self.folder, self.names, self.count = Path(folder), tuple(names), count
        self.bfloats, self.shapes = frozenset(bfloats), tuple(shapes)
        self.seen = 0
        if self.folder.exists() and any(self.folder.iterdir()):
            raise OutputError(f"'{folder}' already holds something. Record into a new folder.")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write_index()
        self._random = random.Random(seed)
        self._lock, self._closed = threading.Lock(), threading.Event()
        self._picked: dict[int, list[Array]] = {}
        self._free: list[int] = []
        self._problem: OSError | None = None
        self._writer = threading.Thread(target=self._write, name="ovquant-recorder", daemon=True)
        self._writer.start()

    @contextmanager
    def recording(self, inputs: Any, request: openvino.InferRequest | None) -> Iterator[None]:
        """Keep a request, or not: its inputs as they were given, or as they are set in it; none that openvino refuses."""
        place = self._place()
        try:
            arrays = None if place is None else self._copied(inputs, request)
            yield
        except BaseException:
            self._refused(place)
            raise
        if place is None or arrays is None:
            return
        if not self._fit(arrays):
            # openvino refuses these once they run, which may be later.
            self._refused(place)
            return
        with self._lock:
            self._picked[place] = arrays

    def _place(self) -> int | None:
        """Return where the next request is to be kept, or None where it is not."""
        with self._lock:
            self.seen += 1
            if self._free:
                return self._free.pop()
            place = self.seen - 1 if self.seen <= self.count else self._random.randrange(self.seen)
        return place if place < self.count else None

    def _refused(self, place: int | None) -> None:
        with self._lock:
            self.seen -= 1
            # What another request was to replace stays.
            if place is not None and place not in self._picked and not self._file(place).exists():
                self._free.append(place)

    def _copied(self, inputs: Any, request: openvino.InferRequest | None) -> list[Array]:
        arrays = enumerate(arrays_of(self.names, inputs, request))
        return [widened(array) if which in self.bfloats else array for which, array in arrays]

    def _fit(self, arrays: Sequence[Array]) -> bool:
        shapes = zip(self.shapes, arrays, strict=False)
        return all(shape.compatible(openvino.PartialShape(list(array.shape))) for shape, array in shapes)

    def _file(self, place: int) -> Path:
        return self.folder / f"{place:06}.npy"

    def close(self) -> Path:
        """Write what is left, end the recording, and return the folder. Raises OutputError when it cannot be written."""
        self._closed.set()
        self._writer.join()
        try:
            self._write_index()
        except OSError as error:
            self._problem = self._problem or error
        if self._problem is not None:
            raise OutputError(f"The recording '{self.folder}' cannot be written: {self._problem}.") from self._problem
        return self.folder

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self) -> None:
        """Write what was picked, one sample after the other, until all is written after the end.

        Writing takes a processor from the requests, and so does waking up: it does both seldom, and at once when it ends.
        """
        pause = PAUSE_SECONDS
        while not self._closed.wait(pause) or self._picked:
            begin = time.monotonic()
            try:
                self._write_next()
            except OSError as error:
                self._problem = error
                return
            pause = max(PAUSE_SECONDS, REST * (time.monotonic() - begin))

    def _write_next(self) -> None:
        with self._lock:
            if not self._picked:
                return
            place = next(iter(self._picked))
            arrays = self._picked.pop(place)
        self._write_sample(place, arrays)

    def _write_sample(self, place: int, arrays: Sequence[Array]) -> None:
        with written(self._file(place)) as partial, partial.open("wb") as file:
            for array in arrays:
                np.save(file, array)

    def _write_index(self) -> None:
        with written(self.folder / INDEX) as partial:
            partial.write_text(json.dumps({"inputs": self.names, "seen": self.seen}) + "\n", encoding="utf-8")


class RecordedRequest(openvino.InferRequest):  # type: ignore[misc]  # openvino has no types
    """An InferRequest of a recorded model."""

    def __init__(self, request: openvino.InferRequest, recorder: Recorder) -> None:
        """Wrap a request."""
        super().__init__(request)
        self._recorder = recorder

    def infer(self, inputs: Any = None, *arguments: Any, **options: Any) -> Any:
        """Record the inputs, or not, and infer as openvino does."""
        with self._recorder.recording(inputs, self):
            return super().infer(inputs, *arguments, **options)

    def start_async(self, inputs: Any = None, *arguments: Any, **options: Any) -> None:
        """Record the inputs, or not, and start as openvino does."""
        with self._recorder.recording(inputs, self):
            super().start_async(inputs, *arguments, **options)


class RecordedModel(PythonModel):
    """A compiled model whose requests are recorded; `recorder` ends it."""

    def __init__(self, compiled: openvino.CompiledModel, recorder: Recorder) -> None:
        """Wrap a compiled model."""
        super().__init__(compiled)
        self.recorder = recorder

    def create_infer_request(self) -> RecordedRequest:
        """Return a request that records."""
        return RecordedRequest(super().create_infer_request(), self.recorder)


def record(compiled: openvino.CompiledModel, folder: str | Path, *, n: int = 300, seed: int = 0) -> RecordedModel:
    """Return a compiled model that keeps a uniform sample of n of its requests in a folder, as data for `--calibration`.

    Use it in place of the compiled model, from any thread, and end the recording with `recorder.close()`, which writes what
    has not been written yet: writing goes on in the background, slowly, so that requests do not notice. With
    `ovquant.AsyncInferQueue` in place of openvino's the requests of a queue are recorded too.
    """
    names = names_of(compiled.inputs)
    bfloats = [place for place, port in enumerate(compiled.inputs) if port.get_element_type() == openvino.Type.bf16]
    shapes = [port.get_partial_shape() for port in compiled.inputs]
    return RecordedModel(compiled, Recorder(folder, names, count=n, seed=seed, bfloats=bfloats, shapes=shapes))
