"""Requests of a compiled model in Python: who makes them, and what they are given as arrays in the model's order."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import openvino

from ovquant.protocols import Array


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


def port_name(port: Any, place: int) -> str:
    """Return an input's name, or its place where it has none."""
    return str(port.get_any_name()) if port.get_names() else f"input{place}"


def arrays_of(names: Sequence[str], inputs: Any, request: openvino.InferRequest | None) -> Iterator[Array]:
    """Yield a copy of each input of a request, in the model's order; what was not given is what is set in the request.

    Those of bfloat16 are as openvino takes and shows them: float16 of the same bits.
    """
    given: dict[int, Any] = {}
    if isinstance(inputs, Mapping):
        for key, value in inputs.items():
            given[_place(names, key)] = value
    elif isinstance(inputs, list | tuple):
        given = dict(enumerate(inputs))
    elif inputs is not None:
        given = {0: inputs}
    for place in range(len(names)):
        value = given.get(place)
        if value is None and request is not None:
            value = request.get_input_tensor(place)
        yield np.array(value.data if isinstance(value, openvino.Tensor) else value)


def _place(names: Sequence[str], key: Any) -> int:
    if isinstance(key, int):
        return key
    if isinstance(key, str):
        return names.index(key)
    return names.index(port_name(key, 0)) if key.get_names() else int(key.get_index())
