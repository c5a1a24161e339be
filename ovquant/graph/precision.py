"""Whether a model is quantized already, and which precision each of its layers has."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import openvino

from ovquant.domain.layer import F32, FLOAT, INT4_WEIGHTS, INT8_WEIGHTS, Layer
from ovquant.domain.operation import Quantizer
from ovquant.domain.sample import Array
from ovquant.graph.fingerprint import every_operation

LOW_BIT = {"i8", "u8", "i4", "u4", "nf4", "f8e4m3", "f8e5m2"}
"""The types of weights that are stored in eight bits or fewer."""
INTEGERS = {"u4": (0, 15), "i4": (-8, 7)}
"""The least and the largest integer of the types of four bits."""
FOUR_BIT = {"i4", "u4", "nf4"}
WEIGHTED = (
    "Convolution",
    "GroupConvolution",
    "ConvolutionBackpropData",
    "GroupConvolutionBackpropData",
    "MatMul",
    "LSTMSequence",
    "GRUSequence",
    "RNNSequence",
    "LSTMCell",
    "GRUCell",
    "RNNCell",
)
"""Types of operations that multiply by weights."""
_HOLDING = {*WEIGHTED, "Gather"}

QUANTIZERS = ("FakeQuantize", "FakeConvert")
PASSED = ("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Convert", "MaxPool")
"""Operations that a quantizer's effect passes through on its way to the operation it is for."""
Readers = tuple[tuple[openvino.Node, int], ...]
"""The operations that read one stored weight, in their order, each with the input that does."""


def is_quantized(model: openvino.Model) -> bool:
    """Tell whether a model holds quantizers, weights stored in eight bits or fewer, or products of such integers."""
    return any(_quantizes(operation) for operation in every_operation(model))


def quantized_activations(model: openvino.Model) -> str:
    """Say by which operations a model quantizes activations, the first by its name; "" where none does."""
    found = [operation for operation in every_operation(model) if _quantizes_activations(operation)]
    if not found:
        return ""
    first = f"{found[0].get_type_name()} '{found[0].get_friendly_name()}'"
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    if found[0].get_type_name() in QUANTIZERS:
        return f"by {first}{more}"
    return f"while it runs, as by DynamicQuantizeLinear: {first}{more} multiplies integers"


def _quantizes_activations(operation: openvino.Node) -> bool:
    if operation.get_type_name() in QUANTIZERS:
        return not is_constant(operation.input_value(0))
    return _multiplies_integers(operation)


def _multiplies_integers(operation: openvino.Node) -> bool:
    """Tell whether an operation multiplies eight-bit integers that are not scaled, as MatMulInteger and ConvInteger do."""
    if operation.get_type_name() not in ("MatMul", "Convolution", "GroupConvolution"):
        return False
    sources = operation.input_values()[:2]
    return all(map(_is_integer, sources)) and not all(map(is_constant, sources))


def _is_integer(source: openvino.Output) -> bool:
    """Tell whether a value is one of eight bits, less a zero point or none."""
    node = source.get_node()
    if source.get_element_type().get_type_name() in LOW_BIT:
        return True
    return node.get_type_name() in ("Subtract", *PASSED) and _is_integer(node.input_value(0))


def _quantizes(operation: openvino.Node) -> bool:
    kind = operation.get_type_name()
    if kind in QUANTIZERS or _multiplies_integers(operation):
        return True
    if kind != "Constant" or operation.get_element_type().get_type_name() not in LOW_BIT:
        return False
    return _is_scaled(operation)


def _is_scaled(constant: openvino.Node) -> bool:
    """Tell whether low-bit values are scaled to float: what is only converted is plain integer data, and no weights."""
    converts = [target.get_node() for target in constant.output(0).get_target_inputs()]
    return any(
        user.get_node().get_type_name() in ("Multiply", "Subtract")
        for convert in converts
        if convert.get_type_name() == "Convert" and convert.get_element_type().is_real()
        for user in convert.output(0).get_target_inputs()
    )


def stored_weights(model: openvino.Model) -> tuple[Readers, ...]:
    """Return the readers of each weight that is stored in eight bits or fewer; bodies of control flow are left out."""
    found: dict[str, list[tuple[openvino.Node, int]]] = {}
    for operation in model.get_ordered_ops():
        if operation.get_type_name() in _HOLDING:
            for port, source in enumerate(operation.input_values()):
                stored = quantizer_behind(source) if is_constant(source) else None
                if stored is not None and stored.get_type_name() == "Constant":
                    found.setdefault(stored.get_friendly_name(), []).append((operation, port))
    return tuple(map(tuple, found.values()))


def weight_precision(readers: Readers) -> str:
    """Return in what the weight is stored that operations read."""
    operation, port = readers[0]
    return _stored_in([operation.input_value(port)])


def precisions(model: openvino.Model) -> dict[str, str]:
    """Return the planned precision of each operation with weights: its name to f32, int8, int8-weights or int4-weights."""
    found = {}
    for operation in every_operation(model):
        if operation.get_type_name() in _HOLDING:
            quantized = [_through_quantizer(source) for source in operation.input_values()]
            weights = any(kind == "weights" for kind in quantized)
            activations = any(kind == "activations" for kind in quantized)
            precision = _quantized(weights, activations)
            if precision == INT8_WEIGHTS:
                precision = _stored_in(operation.input_values())
            found[operation.get_friendly_name()] = precision or F32
    return found


def _stored_in(sources: Sequence[openvino.Output]) -> str:
    """Return int4-weights where inputs come from weights of four bits, and else int8-weights."""
    stored = [node.get_element_type().get_type_name() for node in map(quantizer_behind, sources) if node is not None]
    return INT4_WEIGHTS if any(kind in FOUR_BIT for kind in stored) else INT8_WEIGHTS


def layer_precisions(model: openvino.Model, layers: Iterable[Layer]) -> dict[str, str]:
    """Return the precision that each layer of a recipe has in a model that was built: its name to int8, int8-weights or float.

    model: built from the quantized model that has these layers, as it was saved.
    """
    nodes = {node.get_friendly_name(): node for node in every_operation(model)}
    found = {}
    for layer in layers:
        parts = [nodes[name] for name in layer.operations or layer.quantizers if name in nodes]
        kinds = {_through_quantizer(source) for part in parts for source in part.input_values()}
        cut = not layer.operations and any(part.get_type_name() == "FakeQuantize" for part in parts)
        found[layer.name] = _quantized("weights" in kinds, "activations" in kinds or cut) or FLOAT
    return found


def _quantized(weights: bool, activations: bool) -> str:
    if activations:
        return "int8"
    return INT8_WEIGHTS if weights else ""


def _through_quantizer(source: openvino.Output, depth: int = 6) -> str:
    """Tell whether an input comes from quantized weights, from a quantizer on activations, or from neither."""
    node = source.get_node()
    kind = node.get_type_name()
    if kind == "FakeQuantize":
        return "weights" if is_constant(node.input_value(0)) else "activations"
    if kind == "Constant":
        return "weights" if node.get_element_type().get_type_name() in LOW_BIT else ""
    if depth and kind in ("Multiply", "Subtract"):
        # Weights are scaled behind their quantizer; of activations these are operations of their own.
        found = _through_quantizer(node.input_value(0), depth - 1)
        return found if found == "weights" else ""
    if depth and kind == "Gather" and not is_constant(node.input_value(1)):
        # What is looked up in stored weights is no weight.
        found = _through_quantizer(node.input_value(0), depth - 1)
        return "" if found == "weights" else found
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


def quantizers_of(operation: openvino.Node) -> Iterator[Quantizer]:
    for position, source in enumerate(operation.input_values()):
        found = quantizer_behind(source)
        if found is None:
            continue
        if found.get_type_name() == "FakeQuantize":
            yield _of_fake_quantize(found, position)
        else:
            yield _of_weights(found, position)


def quantizer_behind(source: openvino.Output) -> openvino.Node | None:
    """Return the FakeQuantize or the low-bit constant that an input comes from."""
    node = source.get_node()
    kind = node.get_type_name()
    if kind == "FakeQuantize":
        return node
    if kind == "Constant":
        return node if node.get_element_type().get_type_name() in LOW_BIT and _is_scaled(node) else None
    if kind in PASSED or (kind in ("Multiply", "Subtract") and is_constant(node.input_value(1))):
        return quantizer_behind(node.input_value(0))
    return None


def _of_fake_quantize(node: openvino.Node, position: int) -> Quantizer:
    levels = int(node.get_attributes()["levels"])
    of = "weights" if is_constant(node.input_value(0)) else "activations"
    name, kind = node.get_friendly_name(), f"u{max(1, (levels - 1).bit_length())}"
    low, high = (constant_values(node.input_value(index)) for index in (3, 4))
    if low is None or high is None:
        return Quantizer(of, position, name, kind, 1, None, None, None, None)
    scale = (high - low) / (levels - 1)
    zero = np.divide(-low, scale, out=np.zeros_like(scale), where=scale != 0)
    return _quantizer(of, position, name, kind, scale, np.round(zero))


def _of_weights(constant: openvino.Node, position: int) -> Quantizer:
    """Read scale and zero point from the Subtract and Multiply that turn low-bit weights back to float."""
    scale, zero, node = np.ones(1), np.zeros(1), constant
    while True:
        users = [target.get_node() for target in node.output(0).get_target_inputs()]
        node = users[0] if users else constant
        kind = node.get_type_name()
        if kind not in ("Convert", "Subtract", "Multiply"):
            break
        values = None if kind == "Convert" else constant_values(node.input_value(1))
        if kind == "Subtract" and values is not None:
            zero = values
        if kind == "Multiply" and values is not None:
            scale = values
            break
    kind = constant.get_element_type().get_type_name()
    return _quantizer("weights", position, constant.get_friendly_name(), kind, scale, zero)


def _quantizer(of: str, position: int, name: str, kind: str, scale: Array, zero: Array) -> Quantizer:
    span = (float(scale.min()), float(scale.max()), float(zero.min()), float(zero.max()))
    return Quantizer(of, position, name, kind, int(scale.size), *span)


def constant_values(source: openvino.Output) -> Array | None:
    """Return the float values of a constant, read through conversions, or None."""
    node = source.get_node()
    while node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Constant":
        return None
    return (integers_of(node) if node.get_element_type().get_type_name() in INTEGERS else np.asarray(node.data)).astype(
        np.float64
    )


def integers_of(constant: openvino.Node) -> Array:
    """Return the integers of a constant of four bits, int8, in its shape."""
    shape = list(constant.get_output_shape(0))
    return unpacked(np.asarray(constant.data), constant.get_element_type().get_type_name(), shape)


def unpacked(data: Array, kind: str, shape: Sequence[int]) -> Array:
    """Return integers of four bits, int8, from bytes that hold two each, the first one in the low half."""
    raw = data.reshape(-1).view(np.uint8)
    both = np.stack([raw & 15, raw >> 4], axis=-1).reshape(-1)[: int(np.prod(shape))].astype(np.int8)
    if kind == "i4":
        both = np.where(both > 7, both - 16, both).astype(np.int8)
    return both.reshape(shape)


def is_constant(source: openvino.Output) -> bool:
    """Tell whether an input is a constant, read through conversions, scaling and reshaping."""
    node = source.get_node()
    kind = node.get_type_name()
    if kind in ("Convert", "Reshape", "Multiply", "Subtract"):
        return is_constant(node.input_value(0))
    return bool(kind == "Constant")
