"""Requests of a compiled model in Python: who makes them, and what they are given as arrays in the model's order."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import openvino

from ovquant.domain.sample import Array
from ovquant.graph.names import port_name


class PythonModel(openvino.CompiledModel):  # type: ignore[misc]  # openvino has no types
    """A compiled model all of whose requests come from its `create_infer_request`, which subclasses override."""

    def __init__(self, compiled: openvino.CompiledModel) -> None:
        """Wrap a compiled model."""
        super().__init__(compiled)
        self._own = threading.local()

    def infer_new_request(self, inputs: Any = None) -> Any:
        """Infer with a new request."""
        return self.create_infer_request().infer(inputs)

    def __call__(self, inputs: Any = None, share_inputs: bool = True, *arguments: Any, **options: Any) -> Any:
        """Infer with a request that each thread has for itself; like openvino's, it does not copy the inputs."""
        return self._request.infer(inputs, share_inputs, *arguments, **options)

    def query_state(self) -> Any:
        """Return the states of this thread's request."""
        return self._request.query_state()

    def reset_state(self) -> None:
        """Reset the states of this thread's request."""
        self._request.reset_state()

    @property
    def _request(self) -> Any:
        if not hasattr(self._own, "request"):
            self._own.request = self.create_infer_request()
        return self._own.request


def arrays_of(names: Sequence[str], inputs: Any, request: openvino.InferRequest | None) -> Iterator[Array]:
    """Yield a copy of each input of a request, in the model's order; what was not given is what is set in the request.

    Those of bfloat16 are as openvino takes and shows them: float16 of the same bits.
    """
    given = given_inputs(names, inputs)
    for place in range(len(names)):
        value = given.get(place)
        if value is None and request is not None:
            value = request.get_input_tensor(place)
        yield np.array(value.data if isinstance(value, openvino.Tensor) else value)


def given_inputs(names: Sequence[str], inputs: Any) -> dict[int, Any]:
    """Return what a request is given by its place among the model's inputs."""
    if isinstance(inputs, Mapping):
        return {_place(names, key): value for key, value in inputs.items()}
    if isinstance(inputs, list | tuple):
        return dict(enumerate(inputs))
    return {} if inputs is None else {0: inputs}


def is_dynamic(model: openvino.CompiledModel) -> bool:
    """Tell whether a model has an input whose shape is not fixed."""
    return any(port.get_partial_shape().is_dynamic for port in model.inputs)


def own_tensor(port: Any, value: Any) -> openvino.Tensor:
    """Return an input as a tensor that owns its memory, converted to the type of the port; tensors stay as they are."""
    if isinstance(value, openvino.Tensor):
        return value
    array, kind = np.asarray(value), port.get_element_type()
    if kind == openvino.Type.bf16:
        tensor = openvino.Tensor(kind, array.shape)
        tensor.data[:] = array.view(kind.to_dtype())
        return tensor
    if kind != openvino.Type.string and array.dtype != kind.to_dtype():
        array = array.astype(kind.to_dtype())
    if array.ndim == 0 and port.get_partial_shape().is_static:
        array = array.reshape(tuple(port.shape))
    return openvino.Tensor(array, shared_memory=False)


def _place(names: Sequence[str], key: Any) -> int:
    if isinstance(key, int):
        return key
    if isinstance(key, str):
        return names.index(key)
    return names.index(port_name(key, 0)) if key.get_names() else int(key.get_index())
