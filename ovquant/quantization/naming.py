"""Give operations and tensors names of their own: layers and outputs are known by name."""

from collections.abc import Sequence

import openvino


def with_unique_names(model: openvino.Model) -> openvino.Model:
    """Return a copy in which every operation has a friendly name of its own, and every input and output a tensor name.

    Layers are known by name, and so are the outputs that are compared between models.
    """
    copy = model.clone()
    seen: set[str] = set()
    for operation in copy.get_ordered_ops():
        name, number = operation.get_friendly_name(), 0
        while operation.get_friendly_name() in seen:
            number += 1
            operation.set_friendly_name(f"{name}_{number}")
        seen.add(operation.get_friendly_name())
        if operation.get_type_name() == "If":
            bodies = (operation.get_function(0), operation.get_function(1))
            ports = [port for body in bodies for port in (*body.inputs, *body.outputs)]
            # NNCF looks for the names of the tensors around and in an If operation.
            _name([*operation.input_values(), *operation.outputs(), *ports], operation.get_friendly_name())
    _name(copy.inputs, "input")
    _name(copy.outputs, "output")
    return copy


def _name(ports: Sequence[openvino.Output], prefix: str) -> None:
    """Give tensors that have no name one of their own."""
    for index, port in enumerate(ports):
        if not port.get_names():
            port.get_tensor().set_names({f"{prefix}:{index}"})
