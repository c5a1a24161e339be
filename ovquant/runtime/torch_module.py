"""A compiled model that is called with torch tensors. The one module of the runtime that needs torch."""

import threading
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import openvino
import torch

from ovquant.domain.sample import Array
from ovquant.errors import ModelError, UsageError
from ovquant.graph.names import names_of
from ovquant.graph.shapes import first_axis
from ovquant.runtime.batches import Ask, Filling, known
from ovquant.runtime.states import run
from ovquant.runtime.values import cast, kind_of, outputs_of


class QuantizedModule(torch.nn.Module):
    """A compiled model as a torch.nn.Module, for inference: it has no parameters, and outputs carry no gradient.

    Tensors are given by position or by the names of the model's inputs. One output is returned as a tensor, several as a
    tuple in the model's order. A model of a fixed batch takes any number of rows: the last request is filled up by repeating
    the last row, and the rows given are returned. Threads may share it.
    """

    def __init__(self, compiled: openvino.CompiledModel) -> None:
        """Wrap a compiled model, which `compiled` keeps."""
        super().__init__()
        self.compiled = compiled
        self.names = names_of(compiled.inputs)
        self._known = known(compiled)
        self._own = threading.local()

    def forward(self, *tensors: torch.Tensor, **named: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """Infer on the device that the model was compiled for. Raises UsageError for inputs that do not fit its names."""
        outputs = self.infer(self._by_name(tensors, named))
        return outputs[0] if len(outputs) == 1 else outputs

    def infer(self, inputs: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """Return every output, on the CPU, for the inputs by name.

        Raises DataError for values that an input cannot hold; and for another number of rows than a fixed batch has,
        ModelError where the outputs cannot be cut into rows, UsageError where inputs differ in their number or state is kept.
        """
        if not hasattr(self._own, "request"):
            self._own.request = self.compiled.create_infer_request()
        ports = zip(self.names, self.compiled.inputs, strict=True)
        arrays = [_given(port, name, inputs[name]) for name, port in ports]
        rows, filling = self._rows(arrays)
        if filling is None:
            self._own.request.infer(dict(enumerate(arrays)))
            outputs = outputs_of(self._own.request)
        else:
            outputs = self._in_parts(arrays, rows, filling)
        return tuple(map(_tensor, self.compiled.outputs, outputs))

    def _rows(self, arrays: Sequence[Array]) -> tuple[int, Filling | None]:
        """Return how many rows are given, and how rows fill a request; None where the inputs are a request as they are."""
        sizes = [first_axis(port) for port in self.compiled.inputs]
        counts = [len(array) if array.ndim else None for array in arrays]
        pairs = list(zip(sizes, counts, strict=True))
        batches = {size for size, count in pairs if size is not None and count not in (None, size)}
        if not batches or 0 in counts:
            return 0, None
        batch = batches.pop()
        # Where all inputs share the batch, none of them is the same for all rows.
        joined = tuple(
            count is not None and (size is None or size != count or set(sizes) == {batch}) for size, count in pairs
        )
        rows = {count for count, many in zip(counts, joined, strict=True) if many and count is not None}
        if batches or len(rows) > 1:
            given = ", ".join(f"{count} of '{name}'" for count, name in zip(counts, self.names, strict=True))
            raise UsageError(
                f"The model takes a batch of {batch}, and was given rows: {given}. Give as many of each input."
            )
        return rows.pop(), Filling(batch, joined)

    def _in_parts(self, arrays: Sequence[Array], rows: int, filling: Filling) -> list[Array]:
        """Return the outputs of rows that are fewer or more than a request holds."""
        request, size = self._own.request, filling.size
        if request.query_state():
            raise UsageError(f"The model keeps state from call to call. Call it with a batch of {size}, not {rows}.")
        found: list[list[Array]] = []
        for begin in range(0, rows, size):
            places = [min(place, rows - 1) for place in range(begin, begin + size)]
            pairs = zip(arrays, filling.joined, strict=True)
            found += self._rows_of(
                partial(run, request), [array[places] if many else array for array, many in pairs], filling
            )
        return [np.concatenate(column) for column in zip(*found[:rows], strict=True)]

    def _rows_of(self, ask: Ask, inputs: Sequence[Array], filling: Filling) -> list[list[Array]]:
        """Return the outputs of each row of a request, or raise ModelError where they are not known to be its own."""
        cuts, size = self._known.cuts, filling.size
        try:
            if size == 1:
                cuts.check_rows(self._known.batched)
                return [ask(inputs)]
            cuts.check(inputs, size)
            outputs = ask(inputs)
            found = cuts.cut(ask, inputs, outputs, filling)
            cuts.check_alone(ask, inputs, outputs, filling)
        except ModelError as error:
            raise ModelError(f"{error} Or call it with a batch of {size}.") from error
        return found

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


def _tensor(port: Any, values: Array) -> torch.Tensor:
    tensor = torch.from_numpy(values)
    return tensor.bfloat16() if kind_of(port) == "bf16" else tensor
