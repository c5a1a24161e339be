"""What TensorRT asks of a model with explicit quantization.

Source: "Working with Quantized Types" in NVIDIA's documentation of TensorRT 10: integers are signed and zero points 0,
activations have one scale, weights one per output channel (or blocks, for 4 bits), scales are constants above zero.
"""

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import numpy_helper

CHANNELS = {"Conv": 0, "ConvTranspose": 1, "MatMul": -1}
"""The axis of the output channels in the weights of each operator."""
SIGNED = (onnx.TensorProto.INT8, onnx.TensorProto.INT4)


def tensorrt_problems(model: onnx.ModelProto) -> list[str]:
    """Return what in a model breaks TensorRT's rules for explicit quantization, by the names of nodes."""
    known = {tensor.name: tensor for tensor in model.graph.initializer}
    consumers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            consumers.setdefault(name, []).append(node)
    nodes = (node for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear"))
    return [f"{node.name}: {problem}" for node in nodes for problem in _problems(node, known, consumers)]


def _problems(
    node: onnx.NodeProto, known: dict[str, onnx.TensorProto], consumers: dict[str, list[onnx.NodeProto]]
) -> Iterator[str]:
    scale = known.get(node.input[1])
    zero = known.get(node.input[2]) if len(node.input) > 2 else None
    if scale is None or (len(node.input) > 2 and zero is None):
        yield "its scale or zero point is not constant"
        return
    scales = numpy_helper.to_array(scale)
    if not (np.isfinite(scales).all() and (scales > 0).all()):
        yield "its scale is not above zero"
    if zero is None or zero.data_type not in SIGNED:
        yield "its integers are not signed"
    elif numpy_helper.to_array(zero).astype(np.int32).any():
        yield "its zero point is not 0"
    stored = known.get(node.input[0])
    if stored is None and scales.size > 1:
        yield "activations have more than one scale"
    if stored is not None and scales.ndim == 1 and scales.size > 1:
        axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
        for consumer in consumers.get(node.output[0], []):
            wanted = CHANNELS.get(consumer.op_type)
            if wanted is not None and axis != wanted % len(stored.dims):
                yield f"its scales go along axis {axis}, and not along the output channels of {consumer.op_type}"
