"""The drop-in for openvino's AsyncInferQueue, which bypasses the Python model that it is made for."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino

from ovquant.live.guarding import GuardedModel
from ovquant.live.recording import RecordedModel, record_from
from ovquant.live.requests import arrays_of

Callback = Callable[[Any, Any], Any]


class AsyncInferQueue(openvino.AsyncInferQueue):  # type: ignore[misc]  # openvino has no types
    """openvino's queue, which records and watches what a recorded or a guarded model is given.

    A guard that falls back to float does so for requests and calls; a queue goes on with the quantized model.
    """

    def __init__(self, model: openvino.CompiledModel, jobs: int = 0) -> None:
        """Make a queue for a compiled model."""
        super().__init__(model, jobs)
        self._model = model
        if isinstance(model, GuardedModel):
            self.set_callback(None)

    def set_callback(self, callback: Callback | None) -> None:
        """Set what is called with every finished request and its user data."""
        model = self._model
        if not isinstance(model, GuardedModel):
            super().set_callback(callback)
            return

        def watched(request: Any, userdata: Any) -> None:
            if model.guard.picks():
                outputs = [np.array(request.get_output_tensor(place).data) for place in range(len(model.outputs))]
                model.guard.compare(list(arrays_of(model.names, None, request)), outputs)
            if callback is not None:
                callback(request, userdata)

        super().set_callback(watched)

    def start_async(self, inputs: Any = None, *arguments: Any, **options: Any) -> None:
        """Record the inputs, or not, and start as openvino does."""
        if isinstance(self._model, RecordedModel) and inputs is not None:
            record_from(self._model.recorder, inputs, None)
        if isinstance(self._model, GuardedModel):
            self._model.guard.check()
        super().start_async(inputs, *arguments, **options)
