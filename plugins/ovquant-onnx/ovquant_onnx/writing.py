"""Collect the nodes and initializers of an ONNX graph."""

from collections import Counter
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

OPSET = 20
"""The set of operators that is written, unless one of a later set is needed.

ONNX Runtime 1.32 refuses models of set 21 in which it moves a QuantizeLinear past another operator (its issue 25526).
"""
IR_VERSION = 10
"""The file format that came with set 21."""


class Writer:
    """An ONNX graph in the making; every value has a name of its own."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.opset = OPSET
        self._names: Counter[str] = Counter()

    def require(self, opset: int) -> None:
        """Say that an operator comes from a later set."""
        self.opset = max(self.opset, opset)

    def new_name(self, wanted: str) -> str:
        """Return a name that no other value has, the wanted one if it is free."""
        name = wanted
        while name in self._names:
            self._names[wanted] += 1
            name = f"{wanted}_{self._names[wanted]}"
        self._names[name] += 1
        return name

    def emit(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add a node with one output and return the output's name; an input that is left out is ""."""
        return self.emit_all(kind, *inputs, outputs=[name or self.new_name(kind)], **attributes)[0]

    def emit_all(self, kind: str, *inputs: str, outputs: list[str], **attributes: Any) -> list[str]:
        """Add a node with several outputs; attributes that are None are left out."""
        given = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(helper.make_node(kind, inputs, outputs, name=outputs[0], **given))
        return outputs

    def constant(self, values: Any, *, name: str = "constant", kind: int | None = None) -> str:
        """Add an initializer and return its name; kind: the ONNX element type where it is not the array's own."""
        name = self.new_name(name)
        array = np.asarray(values)
        if kind is None or kind == helper.np_dtype_to_tensor_dtype(array.dtype):
            self.initializers.append(numpy_helper.from_array(array, name))
        else:
            self.initializers.append(helper.make_tensor(name, kind, array.shape, array.ravel().tolist()))
        return name

    def integers(self, values: Any) -> str:
        """Add an initializer of 64-bit integers."""
        return self.constant(np.asarray(values, np.int64))
