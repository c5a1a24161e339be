"""One openvino operation while it is translated: its inputs as ONNX values, or as arrays where they are known."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
import openvino
from onnx import TensorProto

from ovquant.errors import ModelError
from ovquant_onnx.constants import Array, Constants
from ovquant_onnx.weights import Weights, find_weights
from ovquant_onnx.writing import Writer

ELEMENT_TYPES = {
    "f32": TensorProto.FLOAT,
    "f16": TensorProto.FLOAT16,
    "bf16": TensorProto.BFLOAT16,
    "f64": TensorProto.DOUBLE,
    "i64": TensorProto.INT64,
    "i32": TensorProto.INT32,
    "i16": TensorProto.INT16,
    "i8": TensorProto.INT8,
    "u64": TensorProto.UINT64,
    "u32": TensorProto.UINT32,
    "u16": TensorProto.UINT16,
    "u8": TensorProto.UINT8,
    "boolean": TensorProto.BOOL,
    "string": TensorProto.STRING,
}


@dataclass
class Context:
    """What translating a model's operations shares: the graph in the making and the names of values so far."""

    writer: Writer
    constants: Constants
    symmetric: bool = False
    wanted: dict[tuple[str, int], str] = field(default_factory=dict)
    """Names that outputs must have, since they are the model's."""
    names: dict[tuple[str, int], str] = field(default_factory=dict)
    """The ONNX value of each output that was translated."""

    def name_of(self, output: openvino.Output) -> str:
        """Return the name that an output's value gets: the one it must have, or its own."""
        node, index = output.get_node(), output.get_index()
        key = (node.get_name(), index)
        if key in self.wanted:
            return self.wanted[key]
        own = output.get_any_name() if output.get_names() else node.get_friendly_name()
        return self.writer.new_name(own)

    def value(self, source: openvino.Output) -> str:
        """Return the ONNX value of an output; what is constant is added when it is first needed."""
        key = (source.get_node().get_name(), source.get_index())
        if key not in self.names:
            self.names[key] = self._constant(source)
        return self.names[key]

    def weights(self, source: openvino.Output) -> Weights | None:
        """Return the weights behind an output, with zeros at 0 where the target asks for it; None for something else."""
        found = find_weights(source, self.constants) if source.get_node() in self.constants else None
        return found.symmetric() if found is not None and self.symmetric else found

    def _constant(self, source: openvino.Output) -> str:
        name = source.get_node().get_friendly_name()
        weights = self.weights(source)
        if weights is not None:
            return weights.write(self.writer, name)
        values = self.constants.values(source)
        if values is None:
            raise ModelError(f"The operation '{name}' cannot be written as ONNX: it comes before its inputs.")
        kind = ELEMENT_TYPES.get(source.get_element_type().get_type_name())
        real = kind if kind in (TensorProto.FLOAT16, TensorProto.BFLOAT16) else None
        return self.writer.constant(values, name=name, kind=real)


@dataclass
class Operation:
    """An openvino operation and what its translation needs."""

    node: openvino.Node
    context: Context

    def __post_init__(self) -> None:
        """Read the attributes."""
        self.kind = str(self.node.get_type_name())
        self.attributes: dict[str, Any] = dict(self.node.get_attributes())
        self.writer = self.context.writer
        self.sources = self.node.input_values()

    def input(self, place: int) -> str:
        """Return the ONNX value of an input."""
        return self.context.value(self.sources[place])

    def inputs(self) -> list[str]:
        """Return the ONNX values of all inputs."""
        return [self.context.value(source) for source in self.sources]

    def weights(self, place: int) -> Weights | None:
        """Return an input as weights, or None where it is something else."""
        return self.context.weights(self.sources[place])

    def array(self, place: int) -> Array | None:
        """Return an input's values, or None where it depends on the model's inputs."""
        return self.context.constants.values(self.sources[place])

    def known(self, place: int) -> Array:
        """Return an input's values. Raises ModelError where it depends on the model's inputs."""
        values = self.array(place)
        if values is None:
            self.refuse(f"its input {place} depends on the model's inputs")
        return values

    def numbers(self, place: int) -> list[int]:
        """Return the whole numbers of an input that must be known."""
        return [int(value) for value in self.known(place).reshape(-1)]

    def number(self, place: int) -> float:
        """Return the single number of an input that must be known."""
        return float(self.known(place).reshape(-1)[0])

    def longs(self, place: int) -> str:
        """Return the ONNX value of an input as 64-bit integers of one axis."""
        values = self.array(place)
        if values is not None:
            return self.writer.integers(values.reshape(-1))
        name = self.input(place)
        if self.type_of(place) != "i64":
            name = self.writer.emit("Cast", name, to=TensorProto.INT64)
        if self.rank(place) != 1:
            name = self.writer.emit("Reshape", name, self.writer.integers([-1]))
        return name

    def type_of(self, place: int) -> str:
        """Return the element type of an input, such as f32."""
        return str(self.sources[place].get_element_type().get_type_name())

    def longs_like(self, place: int) -> str:
        """Return the ONNX value of an input as 64-bit integers, in its own shape."""
        name = self.input(place)
        return name if self.type_of(place) == "i64" else self.writer.emit("Cast", name, to=TensorProto.INT64)

    def scalar(self, value: float, place: int = 0) -> str:
        """Return a number of the same type as an input."""
        return self.writer.constant(np.array(value, self.sources[place].get_element_type().to_dtype()))

    def rank(self, place: int) -> int:
        """Return the rank of an input. Raises ModelError where it is not known."""
        shape = self.sources[place].get_partial_shape()
        if shape.rank.is_dynamic:
            self.refuse(f"the rank of its input {place} is not known")
        return int(shape.rank.get_length())

    def size(self, place: int, axis: int) -> int | None:
        """Return the size of an input along an axis, or None where it is not fixed."""
        dimension = self.sources[place].get_partial_shape()[axis]
        return None if dimension.is_dynamic else int(dimension.get_length())

    def axis(self, place: int, of: int = 0) -> int:
        """Return the axis that a known input names, counted from the front."""
        (axis,) = self.numbers(place)
        return axis % self.rank(of)

    def emit(self, kind: str, *inputs: str, **attributes: Any) -> None:
        """Add the node whose output is this operation's."""
        self.put(self.writer.emit(kind, *inputs, name=self.name(), **attributes))

    @property
    def version(self) -> int:
        """Return the number of the set of operations that this one is from."""
        return int(self.node.get_type_info().version_id.removeprefix("opset"))

    def name(self, place: int = 0) -> str:
        """Return the name that an output is to have; call it once."""
        return self.context.name_of(self.node.output(place))

    def put(self, name: str, place: int = 0) -> None:
        """Say which ONNX value an output is."""
        self.context.names[self.node.get_name(), place] = name

    def used(self, place: int) -> bool:
        """Tell whether anything needs an output."""
        return bool(self.node.output(place).get_target_inputs())

    def onnx_type(self, place: int = 0) -> int:
        """Return the ONNX element type of an output."""
        kind = self.node.output(place).get_element_type().get_type_name()
        if kind not in ELEMENT_TYPES:
            self.refuse(f"its output has the type {kind}")
        return ELEMENT_TYPES[kind]

    def refuse(self, why: str) -> NoReturn:
        """Raise ModelError: this operation cannot be written."""
        raise ModelError(f"'{self.node.get_friendly_name()}' ({self.kind}) cannot be written as ONNX: {why}.")

    def expect(self, name: str, allowed: Sequence[Any]) -> Any:
        """Return an attribute. Raises ModelError for a value that has no counterpart."""
        value = self.attributes[name]
        if value not in allowed:
            self.refuse(f"{name}={value} has no counterpart; these have: {', '.join(map(str, allowed))}")
        return value
