"""The drop-in for openvino's AsyncInferQueue, which bypasses the Python model that it is made for."""

import weakref
from collections.abc import Callable
from typing import Any

import openvino

from ovquant.live.guard import GuardedModel
from ovquant.live.record import RecordedModel
from ovquant.live.requests import arrays_of
from ovquant.runtime import outputs_of

Callback = Callable[[Any, Any], Any]


class AsyncInferQueue(openvino.AsyncInferQueue):  # type: ignore[misc]  # openvino has no types
    """openvino's queue, which records and watches what a recorded or a guarded model is given."""

    def __init__(self, model: openvino.CompiledModel, jobs: int = 0) -> None:
        """Make a queue for a compiled model."""
        super().__init__(model, jobs)
        self._model, self._jobs = model, jobs
        self._callback: Callback | None = None
        self._float: openvino.AsyncInferQueue | None = None
        if isinstance(model, GuardedModel):
            self.set_callback(None)

    def set_callback(self, callback: Callback | None) -> None:
        """Set what is called with every finished request and its user data."""
        model, self._callback = self._model, callback
        if not isinstance(model, GuardedModel):
            super().set_callback(callback)
            return

        # A request that is destroyed destroys its callback: were that the last to know the model, openvino would wait, in the
        # model's own thread, for that thread to end.
        known = weakref.ref(model)

        def watched(request: Any, userdata: Any) -> None:
            alive = known()
            if alive is not None and alive.guard.picks():
                alive.guard.compare(list(arrays_of(alive.names, None, request)), outputs_of(request))
            if callback is not None:
                callback(request, userdata)

        super().set_callback(watched)
        if self._float is not None and callback is not None:
            self._float.set_callback(callback)

    def start_async(self, inputs: Any = None, userdata: Any = None, share_inputs: bool = False) -> None:
        """Record the inputs, or not, and start as openvino does; by the float model once the guard has fallen back to it."""
        if isinstance(self._model, RecordedModel) and inputs is not None:
            with self._model.recorder.recording(inputs, None):
                super().start_async(inputs, userdata, share_inputs)
            return
        if isinstance(self._model, GuardedModel):
            self._model.guard.check()
            if self._model.guard.serves_float:
                given = inputs if inputs is None else self._model.own_tensors(inputs)
                self._float_queue(self._model).start_async(given, userdata)
                return
            if self._model.is_dynamic and inputs is not None and not share_inputs:
                inputs = self._model.own_tensors(inputs)
        super().start_async(inputs, userdata, share_inputs)

    def wait_all(self) -> None:
        """Wait until every request is done."""
        super().wait_all()
        if self._float is not None:
            self._float.wait_all()

    def is_ready(self) -> bool:
        """Tell whether a request is idle."""
        return bool(super().is_ready() if self._float is None else self._float.is_ready())

    def _float_queue(self, model: GuardedModel) -> openvino.AsyncInferQueue:
        if self._float is None:
            self._float = openvino.AsyncInferQueue(model.guard.replica.compiled, self._jobs)
            if self._callback is not None:
                self._float.set_callback(self._callback)
        return self._float
