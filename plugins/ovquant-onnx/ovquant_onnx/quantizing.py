"""Quantizers of activations as pairs of QuantizeLinear and DequantizeLinear."""

import numpy as np

from ovquant_onnx.constants import Array
from ovquant_onnx.operation import Operation


def fake_quantize(operation: Operation) -> None:
    """Write a quantizer of 8 bits as the integers and what dequantizes them, any other by its arithmetic.

    Where the target takes only signed integers around zero, the range is widened to the nearest such one, and the ranges
    of several channels to the widest.
    """
    low, high, out_low, out_high = (operation.known(place).astype(np.float64) for place in range(1, 5))
    levels = int(operation.attributes["levels"])
    if levels not in (255, 256) or not (np.allclose(low, out_low) and np.allclose(high, out_high)):
        arithmetic(operation, low, high, out_low, out_high, levels)
        return
    if operation.context.symmetric:
        reach = np.maximum(np.abs(low), np.abs(high)).max()
        pair(operation, np.array(reach / 127), np.array(0), "int8")
        return
    scales = (high - low) / (levels - 1)
    signed = np.allclose(low + high, -scales if levels == 256 else 0.0, atol=1e-3 * float(scales.min()))
    zeros = np.zeros_like(scales) if signed else np.round(-low / scales)
    varying = [axis for axis, size in enumerate(scales.shape) if size > 1]
    if len(varying) > 1 or not (scales > 0).all() or zeros.min() < 0 or zeros.max() > 255:
        arithmetic(operation, low, high, out_low, out_high, levels)
        return
    pair(operation, scales, zeros, "int8" if signed else "uint8")


def pair(operation: Operation, scales: Array, zeros: Array, kind: str) -> None:
    """Write QuantizeLinear and DequantizeLinear, for the whole or for each channel."""
    writer, rank = operation.writer, operation.rank(0)
    varying = [axis for axis, size in enumerate(scales.shape) if size > 1]
    how = {"axis": varying[0] + rank - scales.ndim if varying else None}
    shape = (-1,) if varying else ()
    name = operation.node.get_friendly_name()
    given = [
        writer.constant(scales.reshape(shape).astype(np.float32), name=f"{name}/scale"),
        writer.constant(zeros.reshape(shape).astype(kind), name=f"{name}/zero"),
    ]
    value = operation.input(0)
    integers = writer.emit("QuantizeLinear", value, *given, name=writer.new_name(f"{name}/integers"), **how)
    operation.emit("DequantizeLinear", integers, *given, **how)


def arithmetic(operation: Operation, low: Array, high: Array, out_low: Array, out_high: Array, levels: int) -> None:
    """Write what a quantizer computes, in floating point (opset1 of openvino, FakeQuantize)."""
    writer = operation.writer
    step, out_step = (high - low) / (levels - 1), (out_high - out_low) / (levels - 1)

    def constant(values: Array) -> str:
        return writer.constant(values.astype(np.float32))

    value = writer.emit("Min", writer.emit("Max", operation.input(0), constant(low)), constant(high))
    place = writer.emit("Round", writer.emit("Div", writer.emit("Sub", value, constant(low)), constant(step)))
    operation.emit("Add", writer.emit("Mul", place, constant(out_step)), constant(out_low))


OPERATIONS = {"FakeQuantize": fake_quantize}
