"""Weights stored in few bits, turned back to float: a model that has them computes in float, and can be quantized."""

from typing import Any

import numpy as np
import openvino
from openvino import opset13 as ops
from openvino.passes import ConstantFolding, Manager

from ovquant.graph.fingerprint import every_operation
from ovquant.graph.precision import LOW_BIT, is_quantized

SHAPING = ("Transpose", "Reshape", "Unsqueeze", "Squeeze")
"""Operations that move values and change none."""
UNFOLDED = "DisableConstantFolding_0"
"""The mark of what is not to be folded, which the reader of TensorFlow Lite gives to conversions of weights."""


def decompressed(model: openvino.Model) -> openvino.Model | None:
    """Return a copy whose weights are float constants, or None where some cannot be, or more than weights is quantized."""
    copy = model.clone()
    for operation in every_operation(copy):
        if _widens(operation, LOW_BIT):
            # A new one has no mark that keeps it from being folded.
            _replace(operation, ops.convert(operation.input_value(0), operation.get_element_type()))
    _fold_constants(copy)
    for operation in every_operation(copy):
        if operation.get_type_name() == "FakeQuantize":
            _fold(operation)
    copy.validate_nodes_and_infer_types()
    return None if is_quantized(copy) else copy


def half_in_place(model: openvino.Model) -> openvino.Model | None:
    """Return a copy whose f16 weights have the shape that they are used in and no mark, or None where all are so.

    Else a layer's weights are not found behind its quantizer, and stay in f16.
    """
    copy = model.clone()
    marked = [item for item in every_operation(copy) if _widens(item, ("f16",)) and UNFOLDED in item.get_rt_info()]
    for convert in marked:
        _move_down(convert)
    copy.validate_nodes_and_infer_types()
    return copy if marked else None


def _widens(operation: openvino.Node, kinds: Any) -> bool:
    """Tell whether an operation turns a constant of one of some types to float."""
    if operation.get_type_name() != "Convert" or not operation.get_element_type().is_real():
        return False
    source = operation.input_value(0).get_node()
    return source.get_type_name() == "Constant" and source.get_element_type().get_type_name() in kinds


def _move_down(convert: openvino.Node) -> None:
    """Put a new conversion behind the operations that shape what another one gives, which are folded."""
    last = convert
    while len(users := list(last.output(0).get_target_inputs())) == 1 and _shapes(users[0]):
        last = users[0].get_node()
    targets, values = last.output(0).get_target_inputs(), convert.input_value(0)
    if last is not convert:
        (first,) = convert.output(0).get_target_inputs()
        first.replace_source_output(values)
        part = openvino.Model([ops.result(last.output(0))], [])
        _fold_constants(part)
        values = part.get_results()[0].input_value(0)
    made = ops.convert(values, convert.get_element_type())
    made.set_friendly_name(convert.get_friendly_name())
    for target in targets:
        target.replace_source_output(made.output(0))


def _shapes(port: Any) -> bool:
    operation = port.get_node()
    others = [source.get_node() for source in operation.input_values()[1:]]
    return (
        port.get_index() == 0
        and operation.get_type_name() in SHAPING
        and all(other.get_type_name() == "Constant" for other in others)
    )


def _fold_constants(model: openvino.Model) -> None:
    model.validate_nodes_and_infer_types()
    manager = Manager()
    manager.register_pass(ConstantFolding())
    manager.run_passes(model)
    model.validate_nodes_and_infer_types()


def _fold(operation: Any) -> None:
    """Replace a FakeQuantize of constants by its values, which openvino leaves as it is."""
    nodes = [source.get_node() for source in operation.input_values()]
    if any(node.get_type_name() != "Constant" for node in nodes):
        return
    values, low_in, high_in, low_out, high_out = (np.asarray(node.data, np.float32) for node in nodes)
    steps = np.float32(operation.get_attributes()["levels"] - 1)
    codes = np.round((np.clip(values, low_in, high_in) - low_in) / (high_in - low_in) * steps)
    _replace(operation, ops.constant((codes / steps * (high_out - low_out) + low_out).astype(np.float32)))


def _replace(operation: Any, other: Any) -> None:
    """Put an operation in the place of another one, under its name."""
    other.set_friendly_name(operation.get_friendly_name())
    for target in operation.output(0).get_target_inputs():
        target.replace_source_output(other.output(0))
