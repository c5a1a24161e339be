"""Read an openvino.Model: its fingerprint and its operation types."""

from collections import Counter
from hashlib import sha256

import openvino


def structure(model: openvino.Model) -> str:
    """Return a hash of what a model computes whatever its shapes: one that was reshaped has the hash that it had before.

    The first time that openvino reshapes a model it also simplifies it, so it is taken as it is after being reshaped.
    """
    copy = model.clone()
    try:
        ranks = {port: port.get_partial_shape().rank for port in copy.inputs}
        shapes = {port: [-1] * rank.get_length() for port, rank in ranks.items() if not rank.is_dynamic}
        copy.reshape({port: openvino.PartialShape(sizes) for port, sizes in shapes.items()})
    except RuntimeError:  # some models cannot have every size left open
        return fingerprint(model, shapes=False)
    return fingerprint(copy, shapes=False)


def fingerprint(model: openvino.Model, *, values: bool = True, shapes: bool = True) -> str:
    """Return a hash of what a model computes: operations, attributes, wiring and constants.

    Without `values` it leaves out what weights, biases and ranges hold: models that differ in nothing else take the
    same time. Without `shapes` it leaves out the sizes of outputs.
    """
    hasher = sha256()
    numbers: dict[str, int] = {}
    for position, operation in enumerate(model.get_ordered_ops()):
        numbers[operation.get_name()] = position
        kind = operation.get_type_name()
        sources = [
            (numbers.get(source.get_node().get_name(), -1), source.get_index()) for source in operation.input_values()
        ]
        sizes = [str(port.get_partial_shape()) for port in operation.outputs()] if shapes else []
        hasher.update(f"{kind}{sources}{sizes}".encode())
        if kind == "Constant":
            element_type = operation.get_element_type()
            hasher.update(element_type.get_type_name().encode())
            # Axes, shapes and indices are integers of 32 bits or more.
            if values or not (element_type.is_real() or element_type.bitwidth <= 8):
                hasher.update(operation.data.tobytes())
        else:
            hasher.update(_attributes(operation).encode())
    return hasher.hexdigest()[:16]


def _attributes(operation: openvino.Node) -> str:
    # Parameters and results are named by the tensor; variables by an id that is new at each conversion.
    if operation.get_type_name() in ("Parameter", "Result", "ReadValue", "Assign"):
        return ""
    return str(sorted((name, str(value)) for name, value in operation.get_attributes().items()))


def operation_types(model: openvino.Model) -> dict[str, int]:
    """Count the operations of each type."""
    return dict(Counter(operation.get_type_name() for operation in model.get_ops()))


def constant_bytes(model: openvino.Model) -> int:
    """Return the bytes that a model's constants take."""
    constants = (operation for operation in model.get_ops() if operation.get_type_name() == "Constant")
    return sum(operation.get_byte_size() for operation in constants)
