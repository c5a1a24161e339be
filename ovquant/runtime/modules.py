"""A compiled model that is called with torch tensors. The one module of the runtime that needs torch."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import openvino
import torch

from ovquant.errors import UsageError
from ovquant.runtime.fitting import names_of


class QuantizedModule(torch.nn.Module):
    """A compiled model as a torch.nn.Module, for inference: it has no parameters, and outputs carry no gradient.

    Tensors are given by position or by the names of the model's inputs. One output is returned as a tensor, several as a
    tuple in the model's order. Threads may share it.
    """

    def __init__(self, compiled: openvino.CompiledModel) -> None:
        """Wrap a compiled model, which `compiled` keeps."""
        super().__init__()
        self.compiled = compiled
        self.names = names_of(compiled.inputs)
        self._own = threading.local()

    def forward(self, *tensors: torch.Tensor, **named: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """Infer on the device that the model was compiled for. Raises UsageError for inputs that do not fit its names."""
        outputs = self.infer(self._by_name(tensors, named))
        return outputs[0] if len(outputs) == 1 else outputs

    def infer(self, inputs: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """Return every output, on the CPU, for the inputs by name."""
        if not hasattr(self._own, "request"):
            self._own.request = self.compiled.create_infer_request()
        found = self._own.request.infer(
            {self.names.index(name): torch.as_tensor(value).detach().cpu().numpy() for name, value in inputs.items()}
        )
        return tuple(torch.from_numpy(found[place].copy()) for place in range(len(self.compiled.outputs)))

    def _by_name(self, tensors: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
        given = {**dict(zip(self.names, tensors, strict=False)), **named}
        if len(tensors) + len(named) != len(self.names) or set(given) != set(self.names):
            got = ", ".join(["a tensor"] * len(tensors) + list(named))
            raise UsageError(f"The model has the inputs {', '.join(self.names)}, and was given {got or 'nothing'}.")
        return given
