"""Weights stored in few bits, turned back to float: a model that has them computes in float, and can be quantized."""

from typing import Any

import numpy as np
import openvino
from openvino import opset13 as ops
from openvino.passes import ConstantFolding, Manager

from ovquant.graph.precision import is_quantized


def decompressed(model: openvino.Model) -> openvino.Model | None:
    """Return a copy whose weights are float constants, or None where more than weights is quantized."""
    copy = model.clone()
    manager = Manager()
    manager.register_pass(ConstantFolding())
    manager.run_passes(copy)
    for operation in copy.get_ordered_ops():
        if operation.get_type_name() == "FakeQuantize":
            _fold(operation)
    copy.validate_nodes_and_infer_types()
    return None if is_quantized(copy) else copy


def _fold(operation: Any) -> None:
    """Replace a FakeQuantize of constants by its values, which openvino leaves as it is."""
    nodes = [source.get_node() for source in operation.input_values()]
    if any(node.get_type_name() != "Constant" for node in nodes):
        return
    values, low_in, high_in, low_out, high_out = (np.asarray(node.data, np.float32) for node in nodes)
    steps = np.float32(operation.get_attributes()["levels"] - 1)
    codes = np.round((np.clip(values, low_in, high_in) - low_in) / (high_in - low_in) * steps)
    folded = ops.constant((codes / steps * (high_out - low_out) + low_out).astype(np.float32))
    folded.set_friendly_name(operation.get_friendly_name())
    for target in operation.output(0).get_target_inputs():
        target.replace_source_output(folded.output(0))
