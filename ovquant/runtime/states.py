"""Requests of models that keep state: every sample begins from a clean one."""

from collections.abc import Sequence
from typing import Any

import openvino

from ovquant.domain.sample import Array
from ovquant.runtime.values import outputs_of


def has_state(compiled: openvino.CompiledModel) -> bool:
    """Tell whether a compiled model's requests keep state from one inference to the next."""
    return bool(compiled.create_infer_request().query_state())


def clean(request: Any) -> Any:
    """Return an idle request with its state, if it keeps any, as it was at first."""
    if request.query_state():
        request.reset_state()
    return request


def run(request: Any, inputs: Sequence[Array]) -> list[Array]:
    """Return a copy of each output for the inputs of one request, from a clean state."""
    clean(request).infer(list(inputs))
    return outputs_of(request)
