"""Look into a model: the precision planned for each operation, and the one the device really runs it in."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino

from ovquant import runtime
from ovquant.protocols import Array
from ovquant.quantization import precisions
from ovquant.runs import load_float, model_name, read_options
from ovquant.runtime import Capabilities, Executed

FOLDED = "fused or folded"
"""What is said of an operation that is no primitive's own and is named by none."""

COMPUTING = ("Convolution", "Deconvolution", "FullyConnected", "GroupConvolution", "MatMul", "RNNCell", "RNNSeq")
"""The kinds of primitives whose precision decides the speed."""

_LOW_BIT = {"i8", "u8", "i4", "u4", "nf4", "f8e4m3", "f8e5m2"}
_PASSED = ("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Convert", "MaxPool")
"""Operations that a quantizer's effect passes through on its way to the operation it is for."""
_INSTRUCTIONS = (("avx512_amx", "AMX"), ("amx", "AMX"), ("avx512", "AVX-512"), ("avx2", "AVX2"))


@dataclass(frozen=True)
class Quantizer:
    """The quantizer of one input of an operation; scale and zero point run from min to max over its channels.

    `of` is "weights" or "activations". A value q stands for (q − zero) · scale. `type` is the integer type; for
    activations q counts from 0 to levels − 1. Scales are None where the form is not affine.
    """

    of: str
    input: int
    name: str
    type: str
    channels: int
    scale_min: float | None
    scale_max: float | None
    zero_min: float | None
    zero_max: float | None


@dataclass(frozen=True)
class Operation:
    """One operation: its precision in the model, and the primitive and precision that the device runs it as."""

    name: str
    type: str
    planned: str
    executed: str
    primitive: str
    quantizers: tuple[Quantizer, ...]


@dataclass(frozen=True)
class Inspection:
    """A model on a device; `planned` and `executed` count operations and primitives by precision.

    `used` names the capabilities of the device that the executed primitives make use of.
    """

    model: str
    device: Capabilities
    operations: tuple[Operation, ...]
    planned: Mapping[str, int]
    executed: Mapping[str, int]
    used: tuple[str, ...]


def inspect(model: Any, *, device: str = "CPU", **options: Any) -> Inspection:
    """Tell the precision of every operation with weights or quantizers, as planned and as the device runs it.

    model: as `quantize` takes it, quantized or not. options: the fields of Options that say how it is served. Raises
    ModelError and DeviceError with the cause.
    """
    settings = read_options({**options, "device": device})
    runtime.check_device(device)
    loaded = load_float(model, settings)
    primitives = runtime.executed(runtime.compile_model(loaded, settings.deployment()))
    operations = tuple(_operations(loaded, primitives))
    running = [item for item in primitives if item.kind not in ("Input", "Output", "Const", "")]
    return Inspection(
        model_name(model),
        runtime.capabilities(device),
        operations,
        dict(Counter(item.planned for item in operations)),
        dict(Counter(item.precision for item in running)),
        _used(running),
    )


def _operations(model: openvino.Model, primitives: list[Executed]) -> Iterator[Operation]:
    planned = precisions(model)
    runs = {name: item for item in primitives for name in item.operations}
    for operation in model.get_ordered_ops():
        name, kind = operation.get_friendly_name(), operation.get_type_name()
        quantizers = tuple(_quantizers(operation))
        if kind in ("FakeQuantize", *_PASSED) or (name not in planned and not quantizers):
            continue
        if operation.get_output_size() and _is_constant(operation.output(0)):
            continue  # part of how weights are stored
        found = _primitive_of(operation, runs)
        precision = planned.get(name) or ("int8" if quantizers else "f32")
        executed, primitive = (FOLDED, "") if found is None else (found.precision, f"{found.kind} {found.primitive}")
        yield Operation(name, kind, precision, executed, primitive.strip(), quantizers)


def _primitive_of(operation: openvino.Node, runs: Mapping[str, Executed]) -> Executed | None:
    """Return the primitive that an operation runs as, or as part of.

    A product that was fused with the bias or the scales behind it is known by their names alone.
    """
    node, found = operation, runs.get(operation.get_friendly_name())
    while found is None:
        users = [target.get_node() for target in node.output(0).get_target_inputs()]
        computing = [user for user in users if user.get_type_name() != "ShapeOf"]
        if len(computing) != 1 or computing[0].get_type_name() not in ("Add", "Multiply", "Subtract"):
            return None
        node = computing[0]
        behind = runs.get(node.get_friendly_name())
        if behind is not None:
            return behind if behind.kind in COMPUTING else None
    return found


def _quantizers(operation: openvino.Node) -> Iterator[Quantizer]:
    for position, source in enumerate(operation.input_values()):
        found = _behind(source)
        if found is None:
            continue
        if found.get_type_name() == "FakeQuantize":
            yield _of_fake_quantize(found, position)
        else:
            yield _of_weights(found, position)


def _behind(source: openvino.Output) -> openvino.Node | None:
    """Return the FakeQuantize or the low-bit constant that an input comes from."""
    node = source.get_node()
    kind = node.get_type_name()
    if kind == "FakeQuantize":
        return node
    if kind == "Constant":
        return node if node.get_element_type().get_type_name() in _LOW_BIT and _is_scaled(node) else None
    if kind in _PASSED or (kind in ("Multiply", "Subtract") and _is_constant(node.input_value(1))):
        return _behind(node.input_value(0))
    return None


def _of_fake_quantize(node: openvino.Node, position: int) -> Quantizer:
    levels = int(node.get_attributes()["levels"])
    of = "weights" if _is_constant(node.input_value(0)) else "activations"
    name, kind = node.get_friendly_name(), f"u{max(1, (levels - 1).bit_length())}"
    low, high = (_values(node.input_value(index)) for index in (3, 4))
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
        values = None if kind == "Convert" else _values(node.input_value(1))
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


def _values(source: openvino.Output) -> Array | None:
    """Return the float values of a constant, read through conversions, or None."""
    node = source.get_node()
    while node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    return np.asarray(node.data, dtype=np.float64) if node.get_type_name() == "Constant" else None


def _is_constant(source: openvino.Output) -> bool:
    node = source.get_node()
    kind = node.get_type_name()
    if kind in ("Convert", "Reshape", "Multiply", "Subtract"):
        return _is_constant(node.input_value(0))
    return bool(kind == "Constant")


def _is_scaled(constant: openvino.Node) -> bool:
    """Tell whether a constant is turned into float: integer data that stay integers are no weights."""
    users = [target.get_node() for target in constant.output(0).get_target_inputs()]
    return any(user.get_type_name() == "Convert" and user.get_element_type().is_real() for user in users)


def _used(primitives: list[Executed]) -> tuple[str, ...]:
    """Name what the primitives use: instruction sets, and the low precisions that products are computed in."""
    instructions = {_instruction(item.primitive.lower()) for item in primitives} - {""}
    precisions_of = {"i8": "int8", "u8": "int8", "bf16": "bf16", "f16": "f16"}
    low = {
        precisions_of[item.precision]
        for item in primitives
        if item.kind in COMPUTING and item.precision in precisions_of
    }
    return (*sorted(instructions), *sorted(low))


def _instruction(primitive: str) -> str:
    return next((label for mark, label in _INSTRUCTIONS if mark in primitive), "")
