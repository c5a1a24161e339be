"""Count the inferences and compilations of this process, NNCF's own among them; inferences for timing stand apart.

`CompiledModel.__call__` and `infer_new_request` run through `InferRequest.infer`, and `openvino.compile_model` through
`Core.compile_model`, so each is counted once, where all ways meet.
"""

import functools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

TIMING = ("interleave", "interleave_throughput")


@dataclass
class Counts:
    """Inferences and compilations since counting began; `timed` are the inferences that only timed a model."""

    inferences: int = 0
    compiles: int = 0
    timed: int = 0
    _pauses: int = 0
    _lock: Any = field(default_factory=threading.Lock, repr=False)

    def infer(self) -> None:
        """Count one inference."""
        with self._lock:
            if self._pauses:
                self.timed += 1
            else:
                self.inferences += 1

    def compile(self) -> None:
        """Count one compilation."""
        with self._lock:
            self.compiles += 1

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Count inferences as timing for a while."""
        with self._lock:
            self._pauses += 1
        try:
            yield
        finally:
            with self._lock:
                self._pauses -= 1

    def to_json(self) -> dict[str, int]:
        """Return plain values for JSON."""
        return {"inferences": self.inferences, "compiles": self.compiles, "timed": self.timed}


def count() -> Counts:
    """Begin to count; call it once in a process. What measures is kept in it, where it can be counted."""
    import openvino

    os.environ["OVQUANT_ISOLATE"] = "0"

    counts = Counts()
    for owner, name in (
        (openvino.InferRequest, "infer"),
        (openvino.InferRequest, "start_async"),
        (openvino.AsyncInferQueue, "start_async"),
    ):
        setattr(owner, name, _counted(getattr(owner, name), counts.infer))
    openvino.Core.compile_model = _counted(openvino.Core.compile_model, counts.compile)
    _pause_while_timing(counts)
    return counts


def _counted(function: Callable[..., Any], note: Callable[[], None]) -> Callable[..., Any]:
    @functools.wraps(function)
    def counted(*arguments: Any, **options: Any) -> Any:
        note()
        return function(*arguments, **options)

    return counted


def _pause_while_timing(counts: Counts) -> None:
    """Wrap the timing functions in every module of ovquant that holds them by name."""
    from ovquant.runtime import timing

    for name in TIMING:
        original = getattr(timing, name)
        paused = _paused(original, counts)
        for module in list(sys.modules.values()):
            if getattr(module, "__name__", "").startswith("ovquant") and vars(module).get(name) is original:
                setattr(module, name, paused)


def _paused(function: Callable[..., Any], counts: Counts) -> Callable[..., Any]:
    @functools.wraps(function)
    def paused(*arguments: Any, **options: Any) -> Any:
        with counts.pause():
            return function(*arguments, **options)

    return paused
