"""A compiled model that nobody else asks, so that its inferences and an application's do not meet."""

from collections import deque
from collections.abc import Sequence
from typing import Any

import openvino

from ovquant.domain.sample import Array
from ovquant.errors import UsageError
from ovquant.graph.causes import first_line
from ovquant.live.requests import is_dynamic, own_tensor
from ovquant.runtime import Compiled, core, outputs_of

PROPERTIES = (
    "INFERENCE_PRECISION_HINT",
    "EXECUTION_MODE_HINT",
    "PERFORMANCE_HINT",
    "NUM_STREAMS",
    "INFERENCE_NUM_THREADS",
    "DYNAMIC_QUANTIZATION_GROUP_SIZE",
    "KV_CACHE_PRECISION",
)
"""What a copy is compiled with as the model was: all that its answers, or the load of the machine, can depend on."""
KEPT = 4
"""Requests whose tensors are kept where a model cannot be copied: its streams still point to those of the last ones."""


class Replica:
    """A compiled model to infer with beside the application that it belongs to.

    openvino's CPU plugin (2026.4.1) keeps, per stream, a pointer to the input of the last request. Where that was shared, by
    a call of the compiled model for example, and the shapes are dynamic, the next request that copies its inputs copies
    them into that memory: into an array of the application's, or into memory that was freed. So inputs are never copied by
    openvino here, but given as tensors that own their memory, and a dynamic model is compiled once more, so that requests
    of the application's that do copy never find one of ours. That takes the memory of the weights again.
    """

    def __init__(self, compiled: openvino.CompiledModel) -> None:
        """Copy the model where it must be. Raises UsageError for a model that cannot be copied and has several streams."""
        alone = is_dynamic(compiled) and "CPU" in compiled.get_property("EXECUTION_DEVICES")
        self.compiled = _copy(compiled) if alone else compiled
        if alone and isinstance(compiled, Compiled):
            self.compiled = Compiled(self.compiled, compiled.batched)
        self._kept: deque[dict[int, openvino.Tensor]] = deque(maxlen=KEPT)

    def create_infer_request(self) -> openvino.InferRequest:
        """Return a request, whose inputs `tensors` makes."""
        return self.compiled.create_infer_request()

    def tensors(self, arrays: Sequence[Any]) -> dict[int, openvino.Tensor]:
        """Return inputs, in the model's order, as tensors with memory of their own."""
        given = zip(self.compiled.inputs, arrays, strict=True)
        made = {place: own_tensor(port, array) for place, (port, array) in enumerate(given)}
        self._kept.append(made)
        return made

    def infer(self, request: openvino.InferRequest, arrays: Sequence[Array]) -> list[Array]:
        """Return copies of the outputs for inputs in the model's order, by a request of this replica."""
        request.infer(self.tensors(arrays))
        return outputs_of(request)


def _copy(compiled: openvino.CompiledModel) -> openvino.CompiledModel:
    """Return a compiled model once more, or itself where it has no export, as one for AUTO, and a single stream."""
    try:
        device = str(compiled.get_property("EXECUTION_DEVICES")[0])
        supported = {str(name) for name in compiled.get_property("SUPPORTED_PROPERTIES")}
        properties = {name: compiled.get_property(name) for name in PROPERTIES if name in supported}
        return core().import_model(compiled.export_model().getvalue(), device, properties)
    except RuntimeError as error:
        if int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")) == 1:
            return compiled
        raise UsageError(
            f"The model cannot be copied ({first_line(error)}), and with several streams and dynamic shapes the guard's "
            'requests and the application\'s would meet. Compile it for the device itself, such as "CPU", and not for AUTO.'
        ) from error
