"""The backend "ovquant" of torch.compile: the quantized model of a store in place of the graph that torch captured."""

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import openvino
import torch

from ovquant.errors import DataError, ModelError, UsageError
from ovquant.graph.causes import first_line
from ovquant.graph.names import names_of
from ovquant.live.core import VARIABLE, NotServedWarning
from ovquant.live.store import Stored, read_store
from ovquant.plugins.loaders import weights_digest
from ovquant.runtime.torch_module import QuantizedModule

Outputs = tuple[torch.Tensor, ...]


def backend(
    graph: torch.fx.GraphModule, inputs: Sequence[Any], *, options: Mapping[str, Any] | None = None
) -> Callable[..., Outputs]:
    """Return what torch.compile(module, backend="ovquant") calls: the model that a store holds for the graph's weights.

    The store is `options={"store": FOLDER}`, or that of the environment variable OVQUANT_STORE. A result was made from
    this graph if it uses the same weights and has as many inputs, by the same names, and outputs; it is compiled at the
    first call, for the device and the properties that it was measured with, and its answer to that call is compared with
    the graph's own. Where anything differs the graph itself is run, and one NotServedWarning says why. Raises UsageError
    without a store.
    """
    named = (options or {}).get("store") or os.environ.get(VARIABLE)
    if named is None:
        raise UsageError(f'There is no store. Give options={{"store": FOLDER}} to torch.compile, or set {VARIABLE}.')
    placeholders = [node for node in graph.graph.nodes if node.op == "placeholder"]
    weights = {place for place, node in enumerate(placeholders) if _is_weight(node)}
    digest = weights_digest(value for place, value in enumerate(inputs) if place in weights)
    known = [stored for stored in read_store(Path(named)) if digest and stored.torch_weights == digest]
    if not known:
        _warn(f"the store '{named}' has no result for a graph with these weights")
        return graph.forward
    tensors = {place: _name(node) for place, node in enumerate(placeholders) if _is_input(node)}
    return Served(graph, max(known, key=lambda stored: stored.made), tensors)


class Served:
    """A stored result in place of a graph, from the first call on, which decides."""

    def __init__(self, graph: torch.fx.GraphModule, stored: Stored, inputs: Mapping[int, str]) -> None:
        """Take the graph, the result, and the names of the arguments that are the model's inputs."""
        self._graph, self._stored, self._inputs = graph, stored, inputs
        self._module: QuantizedModule | None = None
        self._decided = False

    def __call__(self, *arguments: Any) -> Outputs:
        """Return the graph's outputs, by the stored model where it fits."""
        if self._decided:
            return self._graph(*arguments) if self._module is None else self._serve(self._module, arguments)
        self._decided = True
        expected: Outputs = self._graph(*arguments)
        reason = self._try(arguments, expected)
        if reason:
            self._module = None
            _warn(f"'{self._stored.folder}' {reason}")
        return expected

    def _try(self, arguments: Sequence[Any], expected: Sequence[Any]) -> str:
        """Compile the model for these arguments; return why it cannot be served, or ""."""
        self._stored, fault = self._stored.fresh().checked()
        if fault:
            return fault
        core = openvino.Core()
        model = core.read_model(self._stored.folder / "model.xml")
        names = names_of(model.inputs)
        if len(names) == len(self._inputs) == 1:
            self._inputs = dict.fromkeys(self._inputs, names[0])
        if sorted(names) != sorted(self._inputs.values()):
            return f"has the inputs {', '.join(names)}, and the graph {', '.join(self._inputs.values())}"
        if len(model.outputs) != len(expected):
            return f"has {len(model.outputs)} outputs, and the graph {len(expected)}"
        try:
            given = {name: list(arguments[place].shape) for place, name in self._inputs.items()}
            ports = dict(zip(names, model.inputs, strict=True))
            model.reshape({name: given[name] for name, port in ports.items() if not _takes(port, given[name])})
            compiled = core.compile_model(model, self._stored.device, dict(self._stored.properties))
            self._module = QuantizedModule(compiled)
            found = self._serve(self._module, arguments)
        except (RuntimeError, DataError, ModelError) as error:
            return f"cannot be served here: {first_line(error)}"
        return "" if all(map(_alike, found, expected)) else "answers something else than the graph"

    def _serve(self, module: QuantizedModule, arguments: Sequence[Any]) -> Outputs:
        return module.infer({name: arguments[place] for place, name in self._inputs.items()})


def _alike(found: torch.Tensor, expected: Any) -> bool:
    """Tell whether an answer is nearer to the one expected than zeros are: no quantized model is as far off."""
    if not isinstance(expected, torch.Tensor) or found.shape != expected.shape:
        return False
    truth = expected.detach().cpu().double()
    return bool(torch.linalg.vector_norm(found.double() - truth) <= torch.linalg.vector_norm(truth))


def _takes(port: Any, shape: list[int]) -> bool:
    return bool(port.get_partial_shape().compatible(openvino.PartialShape(shape)))


def _is_weight(node: torch.fx.Node) -> bool:
    return "_dynamo_static_input_type" in node.meta.get("tensor_dict", {})


def _is_input(node: torch.fx.Node) -> bool:
    """Tell whether a placeholder is a tensor that forward() is given: not a size, and nothing that the module holds."""
    if not isinstance(node.meta.get("example_value"), torch.Tensor):
        return False
    source = node.meta["grapharg"].source
    while source is not None:
        if "NNModule" in type(source).__name__:
            return False
        source = getattr(source, "base", None)
    return True


def _name(node: torch.fx.Node) -> str:
    """Return what forward() calls an input."""
    source = node.meta["grapharg"].source
    return str(getattr(source, "index", getattr(source, "local_name", node.name)))


def _warn(reason: str) -> None:
    warnings.warn(f"torch.compile: the float graph is run, since {reason}.", NotServedWarning, stacklevel=2)
