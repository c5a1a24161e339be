"""Compare a quantized model with its float model while it serves, and act once they disagree more than they may."""

import contextlib
import queue
import random
import threading
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import openvino

from ovquant.errors import OvquantError, UsageError
from ovquant.live.core import NotServedWarning
from ovquant.live.disagreeing import disagreement, disagreement_bound, reference_of
from ovquant.live.drift import Drift
from ovquant.live.guarded import GuardedModel
from ovquant.live.replica import Replica
from ovquant.metrics import resolve_metric
from ovquant.protocols import Array
from ovquant.results import Result
from ovquant.runtime import Compiled, has_state, int8_arithmetic, known, marked, samples_in

Action = Literal["warn", "raise", "float"] | Callable[["Guard"], None]
WAITING = 64
"""Requests that wait to be compared; those that find no room are counted and left out."""
MARGIN = 0.01
"""How far, by default, disagreement may rise above what is certain not to be exceeded on the data given."""


class DriftError(OvquantError):
    """The quantized model disagrees with its float model more often than it may."""


class DriftWarning(UserWarning):
    """The same, where the guard is to warn."""


class Guard:
    """Compares a share of requests with the float model, in a thread, and acts once when disagreement is above its limit.

    The chance that it ever acts while disagreement is within the limit is at most 1 - confidence, however long it runs.
    """

    def __init__(
        self,
        reference: openvino.CompiledModel,
        *,
        limit: float,
        share: float,
        confidence: float,
        action: Action,
        metric: Any,
        seed: int,
        axes: Compiled | None = None,
        replica: Replica | None = None,
        doubt: str = "",
    ) -> None:
        """Start the thread. Raises UsageError for a limit or a share that is none.

        axes: the reference with what is known of its outputs' first axes, where more is known than it says itself. replica:
        a copy of the reference that is there already. doubt: why the quantized model is not to be served at all.
        """
        for name, value in (("limit", limit), ("share", share)):
            if not 0 < value <= 1:
                raise UsageError(f"{name} is {value:g}; give a number above 0 and at most 1.")
        self.reference, self.share, self.action = reference, share, action
        self.replica = replica or Replica(reference)
        self.drift = Drift(limit, confidence)
        self.requests = self.skipped = 0
        self.problem: Exception | None = None
        self.fired, self.doubt = False, doubt
        self._metric, self._axes = resolve_metric(metric), axes or known(reference)
        self._random, self._lock = random.Random(seed), threading.Lock()
        self._waiting: queue.Queue[tuple[list[Array], list[Array]] | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._compare_all, name="ovquant-guard", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise DriftError where there is drift and the guard is to raise."""
        if self.fired and self.action == "raise":
            raise DriftError(self.message)

    def picks(self) -> bool:
        """Count a request and tell whether it is to be compared."""
        with self._lock:
            self.requests += 1
            return self._random.random() < self.share

    def compare(self, inputs: list[Array], outputs: list[Array]) -> None:
        """Take over a request's inputs and outputs, which must not change afterwards; never waits."""
        try:
            self._waiting.put_nowait((inputs, outputs))
        except queue.Full:
            with self._lock:
                self.skipped += 1

    @property
    def waiting(self) -> int:
        """Return how many requests wait to be compared, nearly."""
        return self._waiting.qsize()

    @property
    def serves_float(self) -> bool:
        """Tell whether the float model is to answer from now on."""
        return bool(self.doubt) or (self.fired and self.action == "float")

    @property
    def message(self) -> str:
        """Say what was found."""
        found = self.drift
        return (
            f"The quantized model disagrees with its float model on {found.mean:.3g} of {found.count} requests compared; the "
            f"limit is {found.limit:.3g}. Refresh it with `ovquant refresh DIR --data RECORDED`."
        )

    def close(self) -> None:
        """Compare what waits and end the thread."""
        self._waiting.put(None)
        self._thread.join()

    def metrics(self) -> str:
        """Return counters and gauges in the text format of Prometheus."""
        drift = self.drift
        rows = (
            ("requests_total", "counter", "Requests that the guard has seen.", self.requests),
            ("compared_total", "counter", "Requests compared with the float model.", drift.count),
            ("skipped_total", "counter", "Requests picked that found no room.", self.skipped),
            ("disagreement", "gauge", "Mean disagreement of all requests compared.", drift.mean),
            ("disagreement_bound", "gauge", "What it does not exceed, with the confidence.", drift.bound()),
            ("disagreement_limit", "gauge", "The disagreement above which the guard acts.", drift.limit),
            ("drift", "gauge", "1 once disagreement was found above the limit.", int(self.fired)),
        )
        return "".join(
            f"# HELP ovquant_guard_{name} {text}\n# TYPE ovquant_guard_{name} {kind}\novquant_guard_{name} {value:g}\n"
            for name, kind, text, value in rows
        )

    def _compare_all(self) -> None:
        ask = partial(self.replica.infer, self.replica.create_infer_request())
        while (item := self._waiting.get()) is not None:
            try:
                inputs, outputs = item
                expected = ask(inputs)[: len(outputs)]
                count, flags = samples_in(self._axes, ask, inputs, expected), self._axes.batched
                found = disagreement(self._metric, outputs, expected, samples=count, batched=flags)
                if self.drift.add(found) and not self.fired:
                    self._act()
            except Exception as error:  # a thread has nobody to raise to
                self.problem = error
                said(f"The guard cannot compare a request: {error}")

    def _act(self) -> None:
        self.fired = True
        if callable(self.action):
            self.action(self)
        elif self.action == "warn":
            said(self.message)


def guard(
    quantized: openvino.CompiledModel,
    reference: openvino.CompiledModel,
    *,
    limit: float | None = None,
    data: Any = None,
    share: float = 0.01,
    confidence: float = 0.95,
    action: Action = "warn",
    metric: Any = "fidelity",
    seed: int = 0,
    result: str | Path | None = None,
) -> GuardedModel:
    """Return a compiled model that runs a share of its requests through the float model too, in the background.

    limit: the disagreement above which the guard acts. Without one it is what disagreement surely does not exceed on
    `data`, such as the holdout, with the same confidence, plus a hundredth. It is no accuracy budget: disagreement says
    that the data have changed, not how many answers are wrong. metric: what is given a request's outputs, with the float
    model's as targets, and says how close they are, from 0 to 1: "fidelity" by its comparisons, a metric of text with
    what decodes it, or a function. action: "warn" once,
    "raise" DriftError at the next request, serve "float" from then on, or a function that is given the guard. Under no
    drift it ever acts with a chance of at most 1 - confidence. Where the model was measured with another int8 arithmetic than
    this machine's, float is served, and a NotServedWarning says what to run; result: the folder that it comes from, where it
    was compiled by openvino itself and `ovquant check` has passed there. The guard never changes what either model is given, and a
    reference with dynamic shapes is compiled once more for it. Raises UsageError where that is needed and cannot be done,
    and for a model that keeps state.
    """
    if has_state(quantized) or has_state(reference):
        raise UsageError(
            "The model keeps state from one request to the next, and the guard compares single requests, for which the float "
            "model would have another state. Guard a model without state, or verify the result with `ovquant check`."
        )
    doubt = _doubt(quantized, result)
    if doubt:
        warnings.warn(f"The guard serves float: {doubt}.", NotServedWarning, stacklevel=2)
    replica, mine = Replica(reference), None
    if limit is None:
        if data is None:
            raise UsageError("Give the guard a limit, or data to find one with, such as the holdout.")
        mine = Replica(quantized)
        limit = disagreement_bound(mine, replica, data, confidence=confidence, metric=metric) + MARGIN
    watching = Guard(
        reference,
        limit=limit,
        share=share,
        confidence=confidence,
        action=action,
        metric=metric,
        seed=seed,
        axes=reference_of(quantized, reference),
        replica=replica,
        doubt=doubt,
    )
    return GuardedModel(quantized, watching, mine)


def _doubt(quantized: openvino.CompiledModel, result: str | Path | None) -> str:
    """Say why the accuracy of a model is not known on this machine; "" where it is, or where nothing says how it was measured."""
    if result is not None:
        return Result.load(result).doubt()
    if isinstance(quantized, Compiled):
        return quantized.doubt
    measured, here = marked(quantized), int8_arithmetic("CPU")
    if not measured or measured == here or "CPU" not in quantized.get_property("EXECUTION_DEVICES"):
        return ""
    return (
        f"the model was measured where sums of int8 products are {measured}, and here they are {here}: its answers are others, "
        "and its accuracy here is not known. Run `ovquant check DIR --data DATA` here, and give the guard result=DIR"
    )


def said(message: str) -> None:
    """Warn from a thread, which goes on also where warnings are errors: there is nobody to raise to."""
    with contextlib.suppress(DriftWarning):
        warnings.warn(message, DriftWarning, stacklevel=2)
