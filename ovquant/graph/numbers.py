"""The numbers of weights that are stored in four bits: integers, scales and zero points, read and put in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import openvino

from ovquant.domain.sample import Array
from ovquant.graph.precision import FOUR_BIT, INTEGERS, integers_of, is_constant, quantizer_behind, stored_weights


@dataclass(frozen=True)
class Numbers:
    """How the weight of a matrix product is stored: (codes - zero) * scale.

    codes: integers, int8 `[rows, groups, size]`; scale: float32 `[rows, groups, 1]`, which holds f16; zero: int8, as scale; `kind` is
    `u4` or `i4`, which has no zero points, so that they are 0.
    """

    kind: str
    codes: Array
    scale: Array
    zero: Array

    @property
    def span(self) -> tuple[int, int]:
        """Return the least and the largest integer."""
        return INTEGERS[self.kind]

    @property
    def values(self) -> Array:
        """Return the weight, float32 `[rows, columns]`."""
        found: Array = (self.codes - self.zero.astype(np.float32)) * self.scale
        return found.reshape(len(found), -1)


def stored_numbers(model: openvino.Model) -> dict[str, Numbers]:
    """Return the numbers of each matrix product whose weight has four bits, with groups along what it sums over; by its name."""
    return {name: found for name, constant in _constants(model) if (found := _read(constant)) is not None}


def float_weights(model: openvino.Model, names: Mapping[str, Numbers]) -> dict[str, Array]:
    """Return the weights of the products named in the float model, float32 `[rows, columns]`."""
    found = {}
    for operation in model.get_ordered_ops():
        if operation.get_friendly_name() in names and is_constant(operation.input_value(1)):
            node = operation.input_value(1).get_node()
            while node.get_type_name() == "Convert":
                node = node.input_value(0).get_node()
            if node.get_type_name() == "Constant":
                found[operation.get_friendly_name()] = np.asarray(node.data, np.float32)
    return found


def with_numbers(model: openvino.Model, numbers: Mapping[str, Numbers]) -> openvino.Model:
    """Return a copy whose weights have other numbers, of the same shapes and kinds, by the name of the product.

    Raises ValueError for a product that the model has not, or stores otherwise.
    """
    copy = model.clone()
    constants = dict(_constants(copy))
    for name, wanted in numbers.items():
        constant = constants.get(name)
        known = None if constant is None else _read(constant)
        if constant is None or known is None or (known.kind, known.codes.shape) != (wanted.kind, wanted.codes.shape):
            raise ValueError(f"'{name}' does not store its weight as {wanted.kind} {list(wanted.codes.shape)}")
        parts = _parts(constant)
        assert parts is not None
        zero, scale = parts
        _replace(constant, _tensor(wanted.codes, wanted.kind))
        if zero is not None:
            _replace(zero, _tensor(wanted.zero, wanted.kind))
        _replace(scale, wanted.scale.astype(np.float16))
    copy.validate_nodes_and_infer_types()
    return copy


def _constants(model: openvino.Model) -> Iterator[tuple[str, openvino.Node]]:
    """Yield each matrix product with a weight of four bits that is used as `[rows, columns]`, by its name, and the constant."""
    for readers in stored_weights(model):
        operation, port = readers[0]
        constant = quantizer_behind(operation.input_value(port))
        if operation.get_type_name() != "MatMul" or port != 1 or constant is None or len(readers) > 1:
            continue
        if constant.get_element_type().get_type_name() in FOUR_BIT and operation.get_attributes()["transpose_b"]:
            yield operation.get_friendly_name(), constant


def _read(constant: openvino.Node) -> Numbers | None:
    kind, parts = constant.get_element_type().get_type_name(), _parts(constant)
    shape = list(constant.get_output_shape(0))
    if kind not in INTEGERS or parts is None or len(shape) not in (2, 3):
        return None
    zero, scale = parts
    grouped = [shape[0], *shape[-2:]] if len(shape) == 3 else [shape[0], 1, shape[1]]
    scales = np.asarray(scale.data, np.float32)
    if scales.size != grouped[0] * grouped[1]:
        return None
    scales = scales.reshape(*grouped[:2], 1)
    zeros = np.zeros(scales.shape, np.int8) if zero is None else integers_of(zero).reshape(scales.shape)
    return Numbers(kind, integers_of(constant).reshape(grouped), scales, zeros)


def _parts(constant: openvino.Node) -> tuple[openvino.Node | None, openvino.Node] | None:
    """Return the constants that are taken from integers and that scale them, the former None where there is none."""
    zero, node = None, constant
    while True:
        users = list(node.output(0).get_target_inputs())
        if len(users) != 1:
            return None
        node = users[0].get_node()
        kind = node.get_type_name()
        if kind == "Convert":
            continue
        other = node.input_value(1).get_node() if kind in ("Subtract", "Multiply") else None
        while other is not None and other.get_type_name() == "Convert":
            other = other.input_value(0).get_node()
        if other is None or other.get_type_name() != "Constant":
            return None
        if kind == "Multiply":
            return zero, other
        zero = other


def packed(values: Array) -> Array:
    """Return integers of four bits as bytes that hold two each, the first one in the low half."""
    flat = (values.reshape(-1).astype(np.int16) & 15).astype(np.uint8)
    flat = np.concatenate([flat, np.zeros(flat.size % 2, np.uint8)])
    found: Array = flat[::2] | (flat[1::2] << 4)
    return found


def _tensor(values: Array, kind: str) -> openvino.Tensor:
    data = packed(values).view(np.int8 if kind == "i4" else np.uint8)
    return openvino.Tensor(data, openvino.Shape(list(values.shape)), getattr(openvino.Type, kind))


def _replace(constant: openvino.Node, values: openvino.Tensor | Array) -> None:
    """Put a constant of other values, in the same shape, in the place of one."""
    shape = list(constant.get_output_shape(0))
    if isinstance(values, openvino.Tensor):
        tensor = openvino.Tensor(values.data, openvino.Shape(shape), values.element_type)
    else:
        tensor = openvino.Tensor(np.ascontiguousarray(values.reshape(shape)))
    made = openvino.op.Constant(tensor, shared_memory=False)
    made.set_friendly_name(constant.get_friendly_name())
    for target in constant.output(0).get_target_inputs():
        target.replace_source_output(made.output(0))
