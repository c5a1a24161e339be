"""What is known of a model before it runs: outputs that depend on no input, as arrays."""

from typing import Any

import numpy as np
import openvino

Array = np.ndarray[Any, np.dtype[Any]]

_VARYING = ("Parameter", "ReadValue", "RandomUniform", "Multinomial")


class Constants:
    """The outputs of a model that depend on none of its inputs."""

    def __init__(self, model: openvino.Model) -> None:
        """Find the operations that depend on no input."""
        self._known: set[str] = set()
        for node in model.get_ordered_ops():
            sources = [port.get_node().get_name() for port in node.input_values()]
            kind = node.get_type_name()
            if kind == "Constant" or (sources and kind not in _VARYING and self._known.issuperset(sources)):
                self._known.add(node.get_name())

    def __contains__(self, node: openvino.Node) -> bool:
        """Tell whether an operation depends on no input."""
        return node.get_name() in self._known

    def values(self, source: openvino.Output) -> Array | None:
        """Return the values of an output, computed in f32, or None where it depends on an input."""
        node = source.get_node()
        if node not in self:
            return None
        if node.get_type_name() == "Constant":
            return stored_values(node)
        if node.get_type_name() == "Convert":
            inner, kind = self.values(node.input_value(0)), source.get_element_type()
            return None if inner is None else inner.astype(np.float32 if kind.is_real() else kind.to_dtype())
        compiled = openvino.Core().compile_model(
            openvino.Model([source], [], "constant"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
        )
        return np.array(compiled([])[0])


def stored_values(node: openvino.Node) -> Array:
    """Return what a Constant holds: real numbers as f32 (f64 as it is), integers of 4 bits as bytes."""
    kind, shape = node.get_element_type().get_type_name(), tuple(node.get_output_shape(0))
    values = np.array(node.data)
    if kind in ("i4", "u4"):
        packed = values.view(np.uint8).reshape(-1)
        halves = np.stack([packed & 15, packed >> 4], axis=-1).reshape(-1)[: int(np.prod(shape))].reshape(shape)
        return halves if kind == "u4" else (halves.astype(np.int8) ^ 8) - 8
    if kind == "bf16":  # numpy has no such type: it is the upper half of an f32
        return (values.view(np.uint16).astype(np.uint32) << 16).view(np.float32).reshape(shape)
    return values.astype(np.float32) if kind == "f16" else values
