"""Translate an openvino.Model to ONNX, operation by operation."""

from importlib.metadata import version

import onnx
import openvino
from onnx import helper

from ovquant.errors import ModelError
from ovquant_onnx import convolving, elementwise, quantizing, recurrent, reducing, shaping
from ovquant_onnx.constants import Constants
from ovquant_onnx.operation import ELEMENT_TYPES, Context, Operation
from ovquant_onnx.writing import IR_VERSION, Writer

OPERATIONS = {
    **convolving.OPERATIONS,
    **elementwise.OPERATIONS,
    **quantizing.OPERATIONS,
    **recurrent.OPERATIONS,
    **reducing.OPERATIONS,
    **shaping.OPERATIONS,
}
"""What writes each type of operation."""


def translate(model: openvino.Model, *, symmetric: bool = False) -> onnx.ModelProto:
    """Return a model as ONNX: quantizers as pairs of QuantizeLinear and DequantizeLinear, integer weights as integers.

    symmetric: quantize only to signed integers around zero, and activations as a whole. Names of inputs and outputs are
    kept. Raises ModelError for operations that have no counterpart, all of them by name.
    """
    refuse_unknown(model)
    writer, constants = Writer(), Constants(model)
    context = Context(writer, constants, symmetric)
    inputs = [_input(context, port, place) for place, port in enumerate(model.inputs)]
    outputs = [_named(context, port, place) for place, port in enumerate(model.outputs)]
    for node in model.get_ordered_ops():
        kind = node.get_type_name()
        if kind in ("Parameter", "Result") or node in constants or (node.get_name(), 0) in context.names:
            continue
        OPERATIONS[kind](Operation(node, context))
    described = [_output(context, port, name) for port, name in zip(model.outputs, outputs, strict=True)]
    graph = helper.make_graph(writer.nodes, model.get_friendly_name(), inputs, described, writer.initializers)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", writer.opset)], ir_version=IR_VERSION)
    made.producer_name, made.producer_version = "ovquant", version("ovquant")
    return made


def refuse_unknown(model: openvino.Model) -> None:
    """Raise ModelError for a model with operations that cannot be written."""
    constants = Constants(model)
    kinds = {node.get_type_name() for node in model.get_ordered_ops() if node not in constants}
    unknown = sorted(kinds - set(OPERATIONS) - {"Parameter", "Result"})
    if unknown:
        raise ModelError(
            f"The model has operations that cannot be written as ONNX: {', '.join(unknown)}. "
            "Export it with another exporter, or quantize a model without them."
        )


def _input(context: Context, port: openvino.Output, place: int) -> onnx.ValueInfoProto:
    name = context.writer.new_name(port.get_any_name() if port.get_names() else f"input{place}")
    context.names[port.get_node().get_name(), 0] = name
    return _described(name, port)


def _named(context: Context, port: openvino.Output, place: int) -> str:
    """Return the name of an output, and have the value that it is made from called so."""
    name = context.writer.new_name(port.get_any_name() if port.get_names() else f"output{place}")
    source = port.get_node().input_value(0)
    context.wanted.setdefault((source.get_node().get_name(), source.get_index()), name)
    return name


def _output(context: Context, port: openvino.Output, name: str) -> onnx.ValueInfoProto:
    """Describe an output; one that is an input, a constant or another output gets a node of its own."""
    value = context.value(port.get_node().input_value(0))
    if value != name:
        context.writer.emit("Identity", value, name=name)
    return _described(name, port)


def _described(name: str, port: openvino.Output) -> onnx.ValueInfoProto:
    kind, shape = port.get_element_type().get_type_name(), port.get_partial_shape()
    if kind not in ELEMENT_TYPES:
        raise ModelError(f"'{name}' has the type {kind}, which cannot be written as ONNX.")
    sizes = None
    if not shape.rank.is_dynamic:
        sizes = [f"{name}_{axis}" if size.is_dynamic else size.get_length() for axis, size in enumerate(shape)]
    return helper.make_tensor_value_info(name, ELEMENT_TYPES[kind], sizes)
