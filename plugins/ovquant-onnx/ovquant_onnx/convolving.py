"""Convolutions, matrix products and pooling."""

from typing import Any

import numpy as np
import openvino

from ovquant_onnx.constants import Array
from ovquant_onnx.operation import Operation


def convolution(operation: Operation) -> None:
    """Write a convolution, together with the bias that is added to it."""
    value, kernel = operation.input(0), kernel_of(operation)
    spatial = operation.rank(0) - 2
    groups = operation.size(1, 0) if operation.kind == "GroupConvolution" else 1
    how = {**window_of(operation, spatial), "group": groups}
    bias = bias_of(operation)
    if bias is None:
        operation.emit("Conv", value, kernel, **how)
        return
    values, adding = bias
    name = operation.context.name_of(adding.output(0))
    given = [value, kernel, operation.writer.constant(values.reshape(-1))]
    operation.context.names[adding.get_name(), 0] = operation.writer.emit("Conv", *given, name=name, **how)


def transposed_convolution(operation: Operation) -> None:
    """Write a transposed convolution."""
    grouped = operation.kind.startswith("Group")
    spatial = operation.rank(0) - 2
    how: dict[str, Any] = window_of(operation, spatial)
    padding = [int(size) for size in operation.attributes["output_padding"]] or [0] * spatial
    how |= {"group": operation.size(1, 0) if grouped else 1, "output_padding": padding}
    if len(operation.sources) > 2:
        how = _sized(operation, how, spatial)
    operation.emit("ConvTranspose", operation.input(0), kernel_of(operation), **how)


def _sized(operation: Operation, how: dict[str, Any], spatial: int) -> dict[str, Any]:
    """Return the padding that gives a transposed convolution the sizes that it is to have."""
    if "pads" not in how:
        return {**how, "output_shape": operation.numbers(2)}
    pads, padding = list(how["pads"]), list(how["output_padding"])
    for axis, wanted in enumerate(operation.numbers(2)):
        size, kernel = operation.size(0, axis + 2), operation.size(1, axis - spatial)
        if size is None or kernel is None:
            operation.refuse("the sizes of its input are not fixed")
        reach = how["strides"][axis] * (size - 1) + (kernel - 1) * how["dilations"][axis] + 1
        end = reach - wanted - pads[axis]
        pads[spatial + axis], padding[axis] = max(end, 0), max(-end, 0)
    return {**how, "pads": pads, "output_padding": padding}


def kernel_of(operation: Operation) -> str:
    """Return the weights of a convolution with groups and channels in one axis, as ONNX has them."""
    if not operation.kind.startswith("Group"):
        return operation.input(1)
    weights, shape = operation.weights(1), operation.sources[1].get_partial_shape()
    if weights is not None:
        return weights.ungrouped().write(operation.writer, operation.sources[1].get_node().get_friendly_name())
    if shape.is_dynamic:
        operation.refuse("the shape of its kernel is not fixed")
    sizes = list(shape.to_shape())
    joined = [sizes[0] * sizes[1], *sizes[2:]]
    values = operation.array(1)
    if values is not None:
        return operation.writer.constant(values.reshape(joined))
    return operation.writer.emit("Reshape", operation.input(1), operation.writer.integers(joined))


def window_of(operation: Operation, spatial: int) -> dict[str, Any]:
    """Return strides, dilations and padding."""
    attributes = operation.attributes
    how: dict[str, Any] = {"strides": [int(step) for step in attributes["strides"]]}
    if "dilations" in attributes:
        how["dilations"] = [int(step) for step in attributes["dilations"]] or [1] * spatial
    automatic = str(attributes["auto_pad"]).upper()
    if automatic in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        return {**how, "auto_pad": automatic}
    begin, end = ([int(size) for size in attributes[f"pads_{side}"]] for side in ("begin", "end"))
    return {**how, "pads": [*(begin or [0] * spatial), *(end or [0] * spatial)]}


def bias_of(operation: Operation) -> tuple[Array, openvino.Node] | None:
    """Return what is added to each channel of an output and to nothing else, and the operation that adds it."""
    output = operation.node.output(0)
    consumers = list(output.get_target_inputs())
    adding = consumers[0].get_node() if len(consumers) == 1 else None
    key = (operation.node.get_name(), 0)
    if adding is None or adding.get_type_name() != "Add" or key in operation.context.wanted:
        return None
    values = operation.context.constants.values(adding.input_value(1 - consumers[0].get_index()))
    channels = output.get_partial_shape()[1]
    if values is None or channels.is_dynamic:
        return None
    rank, size = operation.rank(0), channels.get_length()
    full = values.reshape((1,) * (rank - values.ndim) + values.shape)
    fits = full.ndim == rank and full.shape == (1, size, *[1] * (rank - 2))
    return (values.astype(np.float32), adding) if fits and operation.type_of(0) == "f32" else None


def matrix_product(operation: Operation) -> None:
    """Write a matrix product; constant matrices are turned before they are stored."""
    given = [_turned(operation, place) for place in (0, 1)]
    operation.emit("MatMul", *given)


def _turned(operation: Operation, place: int) -> str:
    side = "ab"[place]
    rank = operation.rank(place)
    if not operation.attributes[f"transpose_{side}"] or rank < 2:
        return operation.input(place)
    order = [*range(rank - 2), rank - 1, rank - 2]
    weights = operation.weights(place)
    if weights is not None:
        turned = weights.transposed(order)
        return turned.write(operation.writer, operation.sources[place].get_node().get_friendly_name())
    values = operation.array(place)
    if values is not None and operation.type_of(place) == "f32":
        return operation.writer.constant(values.transpose(order))
    return operation.writer.emit("Transpose", operation.input(place), perm=order)


def pooling(operation: Operation) -> None:
    """Write the largest or the mean of a moving window."""
    attributes = operation.attributes
    rounding = operation.expect("rounding_type", ("floor", "ceil", "ceil_torch"))
    how = {**window_of(operation, operation.rank(0) - 2), "kernel_shape": [int(size) for size in attributes["kernel"]]}
    how["ceil_mode"] = int(rounding != "floor")
    if rounding != "floor" and _beyond(operation, how):
        operation.refuse("its last window lies in the padding")
    if operation.kind == "AvgPool":
        operation.emit("AveragePool", operation.input(0), count_include_pad=int(not attributes["exclude-pad"]), **how)
        return
    if len(operation.node.outputs()) > 1 and operation.used(1):
        operation.refuse("the places of its largest elements are needed")
    operation.emit("MaxPool", operation.input(0), **how)


def _beyond(operation: Operation, how: dict[str, Any]) -> bool:
    """Tell whether rounding up makes a window that begins after the input, which not all who read ONNX count."""
    spatial = len(how["kernel_shape"])
    pads, strides = how.get("pads", [0] * 2 * spatial), how["strides"]
    for axis in range(spatial):
        size, step = operation.size(0, axis + 2), strides[axis]
        reach = (how.get("dilations", [1] * spatial)[axis]) * (how["kernel_shape"][axis] - 1) + 1
        if size is not None:
            windows = -(-(size + pads[axis] + pads[spatial + axis] - reach) // step) + 1
            if (windows - 1) * step >= size + pads[axis]:
                return True
    return False


def adaptive_pooling(operation: Operation) -> None:
    """Write the mean or the largest of windows that divide the input evenly."""
    kind = "Average" if operation.kind == "AdaptiveAvgPool" else "Max"
    wanted, spatial = operation.numbers(1), operation.rank(0) - 2
    if operation.kind == "AdaptiveMaxPool" and operation.used(1):
        operation.refuse("the places of its largest elements are needed")
    if all(size == 1 for size in wanted):
        operation.emit(f"Global{kind}Pool", operation.input(0))
        return
    sizes = [operation.size(0, axis + 2) for axis in range(spatial)]
    if any(size is None or size % count for size, count in zip(sizes, wanted, strict=True)):
        operation.refuse("its windows differ in size")
    window = [int(size or 0) // count for size, count in zip(sizes, wanted, strict=True)]
    operation.emit(
        f"{kind}Pool" if kind == "Max" else "AveragePool", operation.input(0), kernel_shape=window, strides=window
    )


def einsum(operation: Operation) -> None:
    """Write a sum of products by its equation."""
    operation.emit("Einsum", *operation.inputs(), equation=str(operation.attributes["equation"]))


def attention(operation: Operation) -> None:
    """Write softmax(query keysᵀ scale + mask) values."""
    writer, rank = operation.writer, operation.rank(0)
    query, keys, values = (operation.input(place) for place in range(3))
    width = operation.size(0, rank - 1)
    if len(operation.sources) > 4:
        scale = operation.input(4)
    elif width is None:
        operation.refuse("the width of its queries is not fixed")
    else:
        scale = operation.scalar(width**-0.5)
    turned = writer.emit("Transpose", keys, perm=[*range(rank - 2), rank - 1, rank - 2])
    scores = writer.emit("MatMul", writer.emit("Mul", query, scale), turned)
    if operation.attributes["causal"]:
        scores = writer.emit("Where", _earlier(operation, query, keys), scores, operation.scalar(-np.inf))
    elif len(operation.sources) > 3 and operation.type_of(3) == "boolean":
        scores = writer.emit("Where", operation.input(3), scores, operation.scalar(-np.inf))
    elif len(operation.sources) > 3:
        scores = writer.emit("Add", scores, operation.input(3))
    operation.emit("MatMul", writer.emit("Softmax", scores, axis=-1), values)


def _earlier(operation: Operation, query: str, keys: str) -> str:
    """Return a mask that lets each query see the keys up to its own place."""
    writer = operation.writer
    zero, one = writer.constant(np.int64(0)), writer.constant(np.int64(1))
    places = []
    for name in (query, keys):
        length = writer.emit("Squeeze", writer.emit("Shape", name, start=-2, end=-1), writer.integers([0]))
        places.append(writer.emit("Range", zero, length, one))
    rows = writer.emit("Unsqueeze", places[0], writer.integers([1]))
    return writer.emit("GreaterOrEqual", rows, places[1])


OPERATIONS = {
    "AdaptiveAvgPool": adaptive_pooling,
    "AdaptiveMaxPool": adaptive_pooling,
    "AvgPool": pooling,
    "Convolution": convolution,
    "ConvolutionBackpropData": transposed_convolution,
    "Einsum": einsum,
    "GroupConvolution": convolution,
    "GroupConvolutionBackpropData": transposed_convolution,
    "MatMul": matrix_product,
    "MaxPool": pooling,
    "ScaledDotProductAttention": attention,
}
