"""Read an openvino.Model: its fingerprint and its operation types."""

from collections import Counter
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

import numpy as np
import openvino

SCHEME = "2"
"""How fingerprints are made; they begin with it, so that those of another scheme are never taken for equal."""
EXACT = ("DisablePrecisionConversion", "precise")
"""What an operation's rt_info says of the precision that it is computed in; all else there decides no output."""
STATEFUL = ("ReadValue", "Assign")


def structure(model: openvino.Model) -> str:
    """Return a hash of what a model computes whatever its shapes: one that was reshaped has the hash that it had before.

    The first time that openvino reshapes a model it also simplifies it, so it is taken as it is after being reshaped.
    """
    return fingerprint(shapeless(model), shapes=False)


def shapeless(model: openvino.Model) -> openvino.Model:
    """Return a copy whose inputs have every size left open, or the model itself where it cannot have that."""
    copy = model.clone()
    try:
        ranks = {port: port.get_partial_shape().rank for port in copy.inputs}
        shapes = {port: [-1] * rank.get_length() for port, rank in ranks.items() if not rank.is_dynamic}
        copy.reshape({port: openvino.PartialShape(sizes) for port, sizes in shapes.items()})
    except RuntimeError:  # some models cannot have every size left open
        return model
    return copy


def fingerprint(model: openvino.Model, *, values: bool = True, shapes: bool = True) -> str:
    """Return a hash of what a model computes: operations, attributes, wiring, constants and bodies at every depth.

    Without `values` it leaves out what weights, biases and ranges hold, but for whether values are quantized with zero points: models
    that differ in nothing else take the same time. Without `shapes` it leaves out the sizes of outputs. Names and ids, which openvino makes up anew at each
    read, count for nothing.
    """
    return f"{SCHEME}:{_Reading(values=values, shapes=shapes).digest(model)}"


class _Reading:
    """One reading of a model and its bodies; variables are numbered in the order in which they are met."""

    def __init__(self, *, values: bool, shapes: bool) -> None:
        self._values, self._shapes = values, shapes
        self._hasher = sha256()
        self._variables: dict[str, int] = {}

    def digest(self, model: openvino.Model) -> str:
        """Return the digest of a model."""
        self._add("options", _runtime_options(model))
        self._read(model)
        return self._hasher.hexdigest()[:16]

    def _add(self, *parts: Any) -> None:
        text = repr(parts).encode()
        # The length keeps what follows apart.
        self._hasher.update(f"{len(text)}:".encode() + text)

    def _read(self, model: openvino.Model) -> None:
        """Read a model or a body: its operations in topological order, then which of them are its ports."""
        numbers: dict[str, int] = {}
        for position, operation in enumerate(model.get_ordered_ops()):
            numbers[operation.get_name()] = position
            self._operation(operation, numbers)
        ends = (model.get_parameters(), model.get_results(), model.get_sinks())
        self._add("ports", [[numbers[node.get_name()] for node in nodes] for nodes in ends])

    def _operation(self, operation: openvino.Node, numbers: dict[str, int]) -> None:
        kind = operation.get_type_info()
        sources = [
            (numbers.get(source.get_node().get_name(), -1), source.get_index()) for source in operation.input_values()
        ]
        self._add(kind.name, kind.version_id, sources, [self._port(port) for port in operation.outputs()])
        self._add(self._attributes(operation), sorted(_exact(operation)))
        if kind.name == "Constant":
            self._constant(operation)
        elif kind.name == "FakeQuantize" and not self._values:
            self._add("zero points", has_zero_points(operation))
        bodies = bodies_of(operation)
        for index, body in enumerate(bodies):
            self._add("body", index, *_wiring(operation, index if len(bodies) > 1 else None))
            self._read(body)

    def _port(self, port: openvino.Output) -> tuple[str, str]:
        kind = str(port.get_element_type().get_type_name())
        return kind, str(port.get_partial_shape()) if self._shapes else ""

    def _attributes(self, operation: openvino.Node) -> list[tuple[str, str]]:
        kind = operation.get_type_name()
        # Shapes and types of these are those of their outputs, and a constant's values are read as they are.
        if kind in ("Parameter", "Result", "Constant"):
            return []
        found = dict(operation.get_attributes())
        if kind in STATEFUL:
            variable = str(found.pop("variable_id", ""))
            found["variable"] = self._variables.setdefault(variable, len(self._variables))
            if not self._shapes:
                found.pop("variable_shape", None)
        return sorted((name, str(value)) for name, value in found.items())

    def _constant(self, operation: openvino.Node) -> None:
        element_type = operation.get_element_type()
        # Axes, shapes and indices are integers of 32 bits or more.
        if self._values or not (element_type.is_real() or element_type.bitwidth <= 8):
            data = operation.data
            # The shape is part of the values: without it the same numbers can mean other axes.
            self._add(tuple(data.shape) if self._values else "")
            self._hasher.update(repr(data.tolist()).encode() if data.dtype == object else data.reshape(-1).view("u1"))


def has_zero_points(quantizer: openvino.Node) -> bool:
    """Tell whether a FakeQuantize maps 0 to neither end nor the middle of its integers, which products must make up for."""
    low, high = (_constant_of(quantizer, port) for port in (3, 4))
    if low is None or high is None:
        return False
    step = (high - low) / (quantizer.get_attributes()["levels"] - 1)
    # One value more may lie below 0 than above.
    centred = (low + high < step / 2) & (low + high > -1.5 * step)
    return bool((~centred & (low < -step / 2)).any())


def _constant_of(operation: openvino.Node, port: int) -> np.ndarray | None:
    """Return the values of a constant input, or None where it is none."""
    source = operation.input_value(port).get_node()
    if source.get_type_name() == "Convert":
        source = source.input_value(0).get_node()
    return source.data.astype(np.float64) if source.get_type_name() == "Constant" else None


def bodies_of(operation: openvino.Node) -> list[openvino.Model]:
    """Return the bodies of an If, Loop or TensorIterator, in the order of the operation; none for any other."""
    kind = operation.get_type_name()
    if kind == "If":
        return [operation.get_function(0), operation.get_function(1)]
    return [operation.get_function()] if kind in ("Loop", "TensorIterator") else []


def _wiring(operation: openvino.Node, index: int | None) -> list[Any]:
    """Return how a body's ports are tied to those of the operation around it."""
    which = () if index is None else (index,)
    descriptions = [*operation.get_input_descriptions(*which), *operation.get_output_descriptions(*which)]
    special = operation.get_special_body_ports() if operation.get_type_name() == "Loop" else []
    return [[_plain(item) for item in descriptions], list(special)]


def _plain(description: Any) -> tuple[str, list[tuple[str, int]]]:
    names = (name for name in dir(description) if not name.startswith("_"))
    numbers = {name: getattr(description, name) for name in names}
    return type(description).__name__, sorted(
        (name, value) for name, value in numbers.items() if isinstance(value, int)
    )


def _exact(operation: openvino.Node) -> Iterable[str]:
    return (key for key in operation.get_rt_info() if str(key).startswith(EXACT))


def _runtime_options(model: openvino.Model) -> list[tuple[str, str]]:
    """Return the properties that travel in a model and that a device takes from there."""
    if not model.has_rt_info("runtime_options"):
        return []
    found = model.get_rt_info("runtime_options").value
    return sorted((str(name), str(value)) for name, value in found.items()) if isinstance(found, dict) else []


def every_operation(model: openvino.Model) -> list[openvino.Node]:
    """Return all operations, those in the bodies of If, Loop and TensorIterator included."""
    found: list[openvino.Node] = []
    for operation in model.get_ops():
        found.append(operation)
        for body in bodies_of(operation):
            found += every_operation(body)
    return found


def operation_types(model: openvino.Model) -> dict[str, int]:
    """Count the operations of each type."""
    return dict(Counter(operation.get_type_name() for operation in model.get_ops()))


def constant_bytes(model: openvino.Model) -> int:
    """Return the bytes that a model's constants take."""
    constants = (operation for operation in model.get_ops() if operation.get_type_name() == "Constant")
    return sum(operation.get_byte_size() for operation in constants)
