"""Compare a quantized model with its float model while it serves, and act once they disagree more than they may."""

import atexit
import contextlib
import queue
import random
import threading
import warnings
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import openvino

from ovquant.api.result import Result
from ovquant.domain.checks import BOTH
from ovquant.domain.sample import Array
from ovquant.errors import OvquantError, UsageError
from ovquant.graph.names import names_of
from ovquant.live.core import NotServedWarning
from ovquant.live.disagreement import disagreement, disagreement_bound, reference_of
from ovquant.live.replica import Replica
from ovquant.live.requests import PythonModel, arrays_of, given_inputs, is_dynamic, own_tensor
from ovquant.plugins.metrics import resolve_metric
from ovquant.runtime import Compiled, has_state, int8_arithmetic, marked, outputs_of, samples_in
from ovquant.stats.drift import Drift

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
        replica: Replica,
        drift: Drift,
        *,
        share: float,
        action: Action,
        metric: Any,
        seed: int,
        axes: Compiled,
        doubt: str = "",
    ) -> None:
        """Start the thread.

        replica: the float model. drift: the test that disagreement is within its limit. axes: the float model with what is
        known of its outputs' first axes. doubt: why the quantized model is not to be served at all.
        """
        self.replica, self.drift, self.share, self.action = replica, drift, share, action
        self.requests = self.skipped = 0
        self.problem: Exception | None = None
        self.fired, self.doubt = False, doubt
        self._metric, self._axes = resolve_metric(metric), axes
        self._random, self._lock = random.Random(seed), threading.Lock()
        self._waiting: queue.Queue[tuple[list[Array], list[Array]] | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._compare_all, name="ovquant-guard", daemon=True)
        self._thread.start()
        # An interpreter that ends while the thread is in openvino would abort the process.
        atexit.register(self._leave)

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
        atexit.unregister(self._leave)
        self._waiting.put(None)
        self._thread.join()

    def _leave(self) -> None:
        """End the thread as soon as it has compared what it is at."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._waiting.get_nowait()
        self.close()

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


class GuardedRequest(openvino.InferRequest):  # type: ignore[misc]  # openvino has no types
    """An InferRequest of a guarded model, which the float model answers once the guard has fallen back to it."""

    def __init__(self, request: openvino.InferRequest, model: "GuardedModel") -> None:
        """Wrap a request."""
        super().__init__(request)
        self._model = model
        self._picked: list[Array] | None = None
        self._callback: tuple[Callable[[Any], Any], Any] | None = None
        self._float: openvino.InferRequest | None = None
        self._float_runs = False

    def infer(self, inputs: Any = None, share_inputs: bool = False, *arguments: Any, **options: Any) -> Any:
        """Infer as openvino does."""
        guard = self._model.guard
        guard.check()
        if guard.serves_float:
            found = self._by_float().infer(
                self._model.guard.replica.tensors(self._arrays(inputs)), *arguments, **options
            )
            self._take_outputs()
            return found
        picked = self._arrays(inputs) if guard.picks() else None
        found = super().infer(self._safe(inputs, share_inputs), share_inputs, *arguments, **options)
        if picked is not None:
            guard.compare(picked, outputs_of(self))
        return found

    def start_async(self, inputs: Any = None, userdata: Any = None, share_inputs: bool = False, **options: Any) -> None:
        """Start as openvino does; what is picked is compared once it was waited for."""
        guard = self._model.guard
        guard.check()
        self._float_runs = guard.serves_float
        if self._float_runs:
            self._by_float().start_async(guard.replica.tensors(self._arrays(inputs)), userdata, **options)
            return
        self._picked = self._arrays(inputs) if guard.picks() else None
        super().start_async(self._safe(inputs, share_inputs), userdata, share_inputs, **options)

    def wait(self) -> None:
        """Wait as openvino does."""
        if self._float_runs:
            self._by_float().wait()
        else:
            super().wait()
        self._finish()

    def wait_for(self, timeout: int) -> bool:
        """Wait as openvino does, for some milliseconds at most."""
        done = bool(self._by_float().wait_for(timeout) if self._float_runs else super().wait_for(timeout))
        if done:
            self._finish()
        return done

    def set_callback(self, callback: Callable[[Any], Any], userdata: Any) -> None:
        """Set what is called with the user data when a request that was started is done."""
        self._callback, self._float = (callback, userdata), None
        super().set_callback(callback, userdata)

    def _finish(self) -> None:
        """Take the float model's outputs, or have what was picked compared."""
        if self._float_runs:
            self._take_outputs()
        elif self._picked is not None:
            self._model.guard.compare(self._picked, outputs_of(self))
            self._picked = None

    def _arrays(self, inputs: Any) -> list[Array]:
        return list(arrays_of(self._model.names, inputs, self))

    def _safe(self, inputs: Any, share_inputs: bool) -> Any:
        """Return what openvino is given, and have what is set in the request set anew where nothing is; see Replica."""
        if share_inputs or not self._model.is_dynamic:
            return inputs
        if inputs is not None:
            return self._model.own_tensors(inputs)
        for place in range(len(self._model.inputs)):
            self.set_input_tensor(place, self.get_input_tensor(place))
        return None

    def _by_float(self) -> openvino.InferRequest:
        """Return the float model's request, which is one of the guard's own copy of it."""
        if self._float is None:
            self._float = self._model.guard.replica.create_infer_request()
            if self._callback is not None:
                # Weakly, since this holds that request: neither would ever be destroyed.
                known = weakref.ref(self)
                self._float.set_callback(lambda given: _called_back(known(), given), None)
        return self._float

    def call_back(self, given: Any) -> None:
        """Call what was set, with the user data of the start where it had some."""
        self._take_outputs()
        if self._callback is not None:
            callback, userdata = self._callback
            callback(userdata if given is None else given)

    def _take_outputs(self) -> None:
        for place in range(len(self._model.outputs)):
            found = self._by_float().get_output_tensor(place)
            copy = openvino.Tensor(found.get_element_type(), found.get_shape())
            copy.data[...] = found.data
            self.set_output_tensor(place, copy)


def _called_back(request: GuardedRequest | None, given: Any) -> None:
    if request is not None:
        request.call_back(given)


class GuardedModel(PythonModel):
    """A compiled model that is watched; `guard` tells how it does."""

    def __init__(self, compiled: openvino.CompiledModel, watching: "Guard", kept: Any = None) -> None:
        """Wrap a compiled model; `kept` must live as long as it."""
        super().__init__(compiled)
        self._kept = kept
        self.guard = watching
        self.names = names_of(self.inputs)
        self.is_dynamic = is_dynamic(compiled)

    def own_tensors(self, inputs: Any) -> dict[int, openvino.Tensor]:
        """Return the inputs of a request as tensors that own their memory, so that openvino copies them nowhere else."""
        ports = self.inputs
        return {place: own_tensor(ports[place], value) for place, value in given_inputs(self.names, inputs).items()}

    def create_infer_request(self) -> GuardedRequest:
        """Return a request that is watched."""
        return GuardedRequest(super().create_infer_request(), self)


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

    limit: the disagreement, from 0 to 1, above which the guard acts. Without one it is found on `data`, such as the
    holdout: an upper bound of the mean disagreement there, with the same confidence, plus 0.01. It is not an accuracy
    budget: disagreement says that the data have changed, not how many answers are wrong.
    data: as `ovquant.quantize` takes them; not needed with a limit.
    share: of the requests that are compared, above 0 and at most 1.
    confidence: as long as nothing drifts, the guard ever acts with a probability of at most 1 - confidence.
    action: "warn" once, "raise" DriftError at the next request, serve "float" from then on, or a function that is called
    with the guard.
    metric: is given a request's outputs, with the float model's as targets, and says how close they are, from 0 to 1:
    "fidelity", a metric of text with its decode function, or a function of yours.
    seed: of the choice of requests.
    result: the folder of the result, for a model that openvino's own Core compiled from it.

    Where the model was measured with another int8 arithmetic than this machine's, float is served and a NotServedWarning
    says what to run; once `ovquant check` has passed here, name the folder with `result`. The guard never changes what
    either model is given. A reference with dynamic shapes is compiled once more for the guard; raises UsageError where that
    cannot be done, and for a model that keeps state.
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
    for name, value in (("limit", limit), ("share", share)):
        if not 0 < value <= 1:
            raise UsageError(f"{name} is {value:g}; give a number above 0 and at most 1.")
    axes = reference_of(quantized, reference)
    drift = Drift(limit, confidence)
    watching = Guard(replica, drift, share=share, action=action, metric=metric, seed=seed, axes=axes, doubt=doubt)
    return GuardedModel(quantized, watching, mine)


def _doubt(quantized: openvino.CompiledModel, result: str | Path | None) -> str:
    """Say why the accuracy of a model is not known on this machine; "" where it is, or where nothing says how it was measured."""
    if result is not None:
        return Result.load(result).doubt()
    if isinstance(quantized, Compiled):
        return quantized.doubt
    measured, here = marked(quantized), int8_arithmetic("CPU")
    if measured in ("", BOTH, here) or "CPU" not in quantized.get_property("EXECUTION_DEVICES"):
        return ""
    return (
        f"the model was measured where sums of int8 products are {measured}, and here they are {here}: its answers are others, "
        "and its accuracy here is not known. Run `ovquant check DIR --data DATA` here, and give the guard result=DIR"
    )


def said(message: str) -> None:
    """Warn from a thread, which goes on also where warnings are errors: there is nobody to raise to."""
    with contextlib.suppress(DriftWarning):
        warnings.warn(message, DriftWarning, stacklevel=2)
