"""A compiled model that is called with torch tensors. The one module of the runtime that needs torch."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import openvino
import torch

from ovquant.domain.sample import Array
from ovquant.errors import UsageError
from ovquant.graph.names import names_of
from ovquant.runtime.values import cast, values_of


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
        """Return every output, on the CPU, for the inputs by name. Raises DataError for values that an input cannot hold."""
        if not hasattr(self._own, "request"):
            self._own.request = self.compiled.create_infer_request()
        ports = dict(zip(self.names, self.compiled.inputs, strict=True))
        self._own.request.infer(
            {self.names.index(name): _given(ports[name], name, value) for name, value in inputs.items()}
        )
        return tuple(map(_tensor, self._own.request.output_tensors))

    def _by_name(self, tensors: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
        given = {**dict(zip(self.names, tensors, strict=False)), **named}
        if len(tensors) + len(named) != len(self.names) or set(given) != set(self.names):
            got = ", ".join(["a tensor"] * len(tensors) + list(named))
            raise UsageError(f"The model has the inputs {', '.join(self.names)}, and was given {got or 'nothing'}.")
        return given


def _given(port: Any, name: str, value: Any) -> Array:
    tensor = torch.as_tensor(value).detach().cpu()
    # numpy has no bfloat16, all of whose values float32 has.
    array = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    return cast(port, name, array, "the call")


def _tensor(output: openvino.Tensor) -> torch.Tensor:
    tensor = torch.from_numpy(values_of(output))
    return tensor.bfloat16() if output.get_element_type() == openvino.Type.bf16 else tensor
