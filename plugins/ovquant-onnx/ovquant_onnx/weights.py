"""Weights that are stored as integers with scales, in any layout, and the DequantizeLinear that they become."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import openvino
from onnx import TensorProto

from ovquant_onnx.constants import Array, Constants, stored_values
from ovquant_onnx.writing import OPSET, Writer

_INTEGERS = {"i8": TensorProto.INT8, "u8": TensorProto.UINT8, "i4": TensorProto.INT4, "u4": TensorProto.UINT4}
_FULL = {"i8": 127, "u8": 127, "i4": 7, "u4": 7}


@dataclass(frozen=True)
class Weights:
    """Integers, and what turns them into numbers: (integers - zeros) * scales.

    Scales and zeros have the rank of the integers; along each axis their size is 1, that of the integers, or that of the
    integers divided by the size of a block.
    """

    integers: Array
    scales: Array
    zeros: Array
    kind: str

    def transposed(self, order: Sequence[int]) -> "Weights":
        """Return the weights with their axes in another order."""
        return replace(self, **{name: getattr(self, name).transpose(order) for name in ("integers", "scales", "zeros")})

    def ungrouped(self) -> "Weights":
        """Return the weights of a grouped convolution with groups and output channels in one axis."""
        shape = self.integers.shape
        both = (*shape[:2], *self.scales.shape[2:])
        scales, zeros = (
            np.broadcast_to(values, both).reshape(shape[0] * shape[1], *both[2:])
            for values in (self.scales, self.zeros)
        )
        return Weights(self.integers.reshape(shape[0] * shape[1], *shape[2:]), scales, zeros, self.kind)

    def indexed(self, axis: int, order: Array, size: int) -> "Weights":
        """Return the weights with the places along an axis in another order."""
        parts = ("integers", "scales", "zeros")
        return replace(
            self,
            **{name: value.take(order, axis) for name in parts if (value := getattr(self, name)).shape[axis] == size},
        )

    def symmetric(self) -> "Weights":
        """Return the nearest weights with zeros at 0 and signed integers."""
        if self.kind in ("i8", "i4") and not self.zeros.any():
            return self
        kind = "i8" if self.kind.endswith("8") else "i4"
        numbers = self.integers.astype(np.float32) - _spread(self.zeros, self.integers.shape)
        low = np.float32(-self.zeros + (0 if self.kind.startswith("u") else -_FULL[kind] - 1))
        high = low + 2 * _FULL[kind] + 1
        factor = np.maximum(np.abs(low), np.abs(high)) / _FULL[kind]
        integers = np.round(numbers / _spread(factor, self.integers.shape)).astype(np.int8)
        return Weights(integers, self.scales * factor, np.zeros_like(self.zeros, dtype=np.int8), kind)

    def write(self, writer: Writer, name: str) -> str:
        """Add the integers and what dequantizes them; return the name of the numbers."""
        shape = self.integers.shape
        varying = [axis for axis, size in enumerate(self.scales.shape) if size > 1]
        blocks = [axis for axis in varying if self.scales.shape[axis] != shape[axis]]
        writer.require(21 if blocks or self.kind in ("i4", "u4") else OPSET)
        stored = writer.constant(self.integers, name=f"{name}/integers", kind=_INTEGERS[self.kind])
        if len(varying) <= 1 and not blocks:
            layout = (-1,) if varying else ()
            scales, zeros = self.scales.reshape(layout), self.zeros.reshape(layout)
            how = {"axis": varying[0] if varying else None}
        elif len(blocks) == 1:
            full = tuple(self.scales.shape[axis] if axis in blocks else size for axis, size in enumerate(shape))
            scales, zeros = np.broadcast_to(self.scales, full), np.broadcast_to(self.zeros, full)
            how = {"axis": blocks[0], "block_size": shape[blocks[0]] // full[blocks[0]]}
        else:
            return self._write_multiplied(writer, stored, name)
        given = [stored, writer.constant(scales.astype(np.float32), name=f"{name}/scale")]
        given.append(writer.constant(zeros, name=f"{name}/zero", kind=_INTEGERS[self.kind]))
        return writer.emit("DequantizeLinear", *given, name=writer.new_name(name), **how)

    def _write_multiplied(self, writer: Writer, stored: str, name: str) -> str:
        """Write scales along two axes, which DequantizeLinear does not know."""
        number = writer.emit("Cast", stored, to=TensorProto.FLOAT)
        if self.zeros.any():
            number = writer.emit("Sub", number, writer.constant(self.zeros.astype(np.float32)))
        return writer.emit("Mul", number, writer.constant(self.scales.astype(np.float32)), name=writer.new_name(name))


def find_weights(source: openvino.Output, constants: Constants) -> Weights | None:
    """Return the weights behind an output, or None where it is something else."""
    node = source.get_node()
    kind = node.get_type_name()
    if kind == "Convert" and node.input_value(0).get_element_type().is_real():
        return find_weights(node.input_value(0), constants)
    if kind == "FakeQuantize":
        return _of_quantizer(node, constants)
    if kind == "Reshape":
        inner = find_weights(node.input_value(0), constants)
        return None if inner is None else _reshaped(inner, tuple(source.get_shape()))
    return _of_product(node, constants) if kind == "Multiply" else None


def _of_product(node: openvino.Node, constants: Constants) -> Weights | None:
    inner, zeros = node.input_value(0).get_node(), None
    if inner.get_type_name() == "Subtract":
        zeros, inner = constants.values(inner.input_value(1)), inner.input_value(0).get_node()
    if inner.get_type_name() != "Convert":
        return None
    stored = inner.input_value(0).get_node()
    kind = stored.get_element_type().get_type_name()
    scales = constants.values(node.input_value(1))
    if stored.get_type_name() != "Constant" or kind not in _INTEGERS or scales is None:
        return None
    integers = stored_values(stored)
    scales = _ranked(scales, integers.ndim)
    zeros = np.zeros_like(scales) if zeros is None else np.broadcast_to(_ranked(zeros, integers.ndim), scales.shape)
    return Weights(integers, scales, zeros.astype(integers.dtype), kind)


def _of_quantizer(node: openvino.Node, constants: Constants) -> Weights | None:
    """Return constant weights that a quantizer rounds to signed integers around zero, rounded."""
    values = [constants.values(port) for port in node.input_values()]
    levels = node.get_attributes()["levels"]
    if any(value is None for value in values) or levels not in (255, 256, 15, 16):
        return None
    numbers, low, high, out_low, out_high = (np.asarray(value, np.float64) for value in values)
    scales = _ranked((out_high - out_low) / (levels - 1), numbers.ndim)
    if not np.allclose(low, out_low) or not np.allclose(high, out_high) or not (scales > 0).all():
        return None
    lowest = -(levels // 2) if levels % 2 == 0 else -((levels - 1) // 2)
    zeros = _ranked(lowest - low / ((high - low) / (levels - 1)), numbers.ndim)
    if not np.allclose(zeros, 0, atol=1e-3):
        return None
    integers = np.clip(np.round(numbers / scales), lowest, lowest + levels - 1).astype(np.int8)
    return Weights(integers, scales, np.zeros_like(scales, dtype=np.int8), "i8" if levels > 16 else "i4")


def _reshaped(weights: Weights, shape: tuple[int, ...]) -> Weights | None:
    """Return weights whose scales go along the last axes but one, with these axes joined: [a, b, c] to [a, b * c]."""
    before, scales = weights.integers.shape, weights.scales.shape
    joined = (*before[:-2], before[-2] * before[-1])
    if shape != joined or scales[-1] != 1:
        return None
    found = {name: getattr(weights, name)[..., 0] for name in ("scales", "zeros")}
    return replace(weights, integers=weights.integers.reshape(shape), **found)


def _ranked(values: Array, rank: int) -> Array:
    return values.reshape((1,) * (rank - values.ndim) + values.shape)


def _spread(values: Array, shape: Sequence[int]) -> Array:
    """Repeat what holds for a block for each of its members."""
    for axis, (size, whole) in enumerate(zip(values.shape, shape, strict=True)):
        if 1 < size < whole:
            values = values.repeat(whole // size, axis)
    return values
