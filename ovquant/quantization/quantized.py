"""Look at a model: is it quantized already, and which of its layers have which precision."""

from collections.abc import Iterable

import openvino

from ovquant.quantization.revert import Layer

_WEIGHT_TYPES = {"i8", "u8", "i4", "u4", "nf4", "f8e4m3", "f8e5m2"}
_WEIGHTED = {
    "Convolution",
    "GroupConvolution",
    "ConvolutionBackpropData",
    "GroupConvolutionBackpropData",
    "MatMul",
    "Gather",
    "LSTMSequence",
    "GRUSequence",
    "RNNSequence",
    "LSTMCell",
    "GRUCell",
    "RNNCell",
}


def is_quantized(model: openvino.Model) -> bool:
    """Tell whether a model holds quantizers, or weights stored in eight bits or fewer."""
    return any(_quantizes(operation) for operation in every_operation(model))


def every_operation(model: openvino.Model) -> list[openvino.Node]:
    """Return all operations, those in the bodies of If, Loop and TensorIterator included."""
    found: list[openvino.Node] = []
    for operation in model.get_ops():
        found.append(operation)
        if operation.get_type_name() == "If":
            found += every_operation(operation.get_function(0)) + every_operation(operation.get_function(1))
        elif operation.get_type_name() in ("Loop", "TensorIterator"):
            found += every_operation(operation.get_function())
    return found


def _quantizes(operation: openvino.Node) -> bool:
    kind = operation.get_type_name()
    if kind in ("FakeQuantize", "FakeConvert"):
        return True
    if kind != "Constant" or operation.get_element_type().get_type_name() not in _WEIGHT_TYPES:
        return False
    # Low-bit constants that are scaled back to float are weights; others are plain integer data.
    return any(_is_scaled(target.get_node()) for target in operation.output(0).get_target_inputs())


def _is_scaled(convert: openvino.Node) -> bool:
    if convert.get_type_name() != "Convert" or not convert.get_element_type().is_real():
        return False
    users = [target.get_node().get_type_name() for target in convert.output(0).get_target_inputs()]
    return any(user in ("Multiply", "Subtract") for user in users)


def precisions(model: openvino.Model) -> dict[str, str]:
    """Return the planned precision of every operation that has weights: operation name to f32, int8 or int8-weights."""
    found = {}
    for operation in every_operation(model):
        if operation.get_type_name() in _WEIGHTED:
            quantized = [_through_quantizer(source) for source in operation.input_values()]
            weights = any(kind == "weights" for kind in quantized)
            activations = any(kind == "activations" for kind in quantized)
            found[operation.get_friendly_name()] = _precision(weights, activations)
    return found


def layer_precisions(model: openvino.Model, layers: Iterable[Layer]) -> dict[str, str]:
    """Return the precision that each layer of a recipe has in a model that was built: its name to f32, int8, ….

    model: built from the quantized model that has these layers, as it was saved.
    """
    nodes = {node.get_friendly_name(): node for node in every_operation(model)}
    found = {}
    for layer in layers:
        parts = [nodes[name] for name in layer.operations or layer.quantizers if name in nodes]
        kinds = {_through_quantizer(source) for part in parts for source in part.input_values()}
        cut = not layer.operations and any(part.get_type_name() == "FakeQuantize" for part in parts)
        found[layer.name] = _precision("weights" in kinds, "activations" in kinds or cut)
    return found


def _precision(weights: bool, activations: bool) -> str:
    if activations:
        return "int8"
    return "int8-weights" if weights else "f32"


def _through_quantizer(source: openvino.Output, depth: int = 6) -> str:
    """Tell whether an input comes from quantized weights, from a quantizer on activations, or from neither."""
    node = source.get_node()
    kind = node.get_type_name()
    if kind == "FakeQuantize":
        return "weights" if _is_constant(node.input_value(0).get_node()) else "activations"
    if kind == "Constant":
        return "weights" if node.get_element_type().get_type_name() in _WEIGHT_TYPES else ""
    if depth and kind in ("Multiply", "Subtract"):
        # Weights are scaled behind their quantizer; of activations these are operations of their own.
        found = _through_quantizer(node.input_value(0), depth - 1)
        return found if found == "weights" else ""
    if depth and kind in (
        "Convert",
        "Reshape",
        "Transpose",
        "Squeeze",
        "Unsqueeze",
        "MaxPool",
        "Concat",
        "Split",
        "VariadicSplit",
        "StridedSlice",
        "Slice",
        "Gather",
        "Pad",
        "Tile",
        "Broadcast",
        "ReduceMax",
        "Minimum",
        "Maximum",
        "ShuffleChannels",
        "DepthToSpace",
        "SpaceToDepth",
        "Interpolate",
    ):
        return _through_quantizer(node.input_value(0), depth - 1)
    return ""


def _is_constant(node: openvino.Node) -> bool:
    kind = node.get_type_name()
    if kind == "Constant":
        return True
    return kind in ("Convert", "Multiply", "Subtract", "Reshape") and _is_constant(node.input_value(0).get_node())
