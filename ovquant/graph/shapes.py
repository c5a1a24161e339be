"""Read input shapes as people write them, and give them to a model."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ovquant.errors import ModelError, UsageError
from ovquant.graph.causes import first_cause, first_line
from ovquant.graph.names import port_name

if TYPE_CHECKING:
    import openvino


def static_batch(inputs: Sequence[Any]) -> int:
    """Return the fixed size of axis 0 that every input shares, or 1 when it is dynamic or differs."""
    sizes = set()
    for port in inputs:
        shape = port.get_partial_shape()
        if shape.rank.is_dynamic or shape.rank.get_length() == 0 or shape[0].is_dynamic:
            return 1
        sizes.add(shape[0].get_length())
    return sizes.pop() if len(sizes) == 1 else 1


def with_batch(model: "openvino.Model", batch: int) -> "openvino.Model":
    """Return a copy of the model whose inputs have axis 0 fixed to a batch size."""
    copy = model.clone()
    shapes = {}
    for index, port in enumerate(copy.inputs):
        shape = port.get_partial_shape()
        if shape.rank.is_dynamic or shape.rank.get_length() == 0:
            raise ModelError(f"The input '{port_name(port, index)}' has no batch axis; leave --batch out.")
        shape[0] = batch
        shapes[port] = shape
    try:
        copy.reshape(shapes)
    except RuntimeError as error:
        raise ModelError(f"The model cannot take a batch of {batch}: {first_line(error)}") from error
    return copy


_GRAMMAR = "Write NAME[1,3,48,320],NAME[1,16], or [1,3,48,320] for a model with one input; ? is a dynamic dimension."
_ITEM = re.compile(r"\s*([^\[\],]*)\[([^\[\]]*)\]\s*(,|$)")


def parse_shapes(text: str) -> dict[str | None, tuple[int, ...]]:
    """Read `x[1,3,48,320],ids[1,?]` or `[1,3,48,320]` into shapes by input name, None for the unnamed input.

    A dynamic dimension, written `?` or `-1`, is -1. Raises UsageError for text outside this grammar.
    """
    shapes: dict[str | None, tuple[int, ...]] = {}
    position = 0
    while position < len(text) or not shapes:
        match = _ITEM.match(text, position)
        if match is None or (match[3] == "," and match.end() == len(text)):
            raise UsageError(f"'{text}' is not a valid input shape. {_GRAMMAR}")
        name = match[1].strip() or None
        if name in shapes:
            raise UsageError(f"'{text}' gives {_called(name)} twice. Give each input one shape.")
        shapes[name] = _dimensions(match[2], text)
        position = match.end()
    if None in shapes and len(shapes) > 1:
        raise UsageError(f"'{text}' mixes named inputs with an unnamed one. {_GRAMMAR}")
    return shapes


def set_shapes(model: "openvino.Model", shapes: Mapping[str | None, Sequence[int]]) -> "openvino.Model":
    """Return a clone of the model with these shapes by input name; None is the only input of a model.

    A dimension of -1 is dynamic; inputs that are not named keep their shape. Raises UsageError for an input
    that does not exist, ModelError for a shape that the model cannot take.
    """
    import openvino

    indices = {_index(model, name): openvino.PartialShape(list(shape)) for name, shape in shapes.items()}
    reshaped = model.clone()
    try:
        reshaped.reshape(indices)
    except RuntimeError as error:
        asked = ", ".join(f"{name or ''}{_written(shape)}" for name, shape in shapes.items())
        raise ModelError(
            f"The model cannot take the input shape {asked}: {first_cause(error)} "
            f"Its inputs as exported are {_inputs(model)}; choose dimensions that fit them."
        ) from error
    return reshaped


def _index(model: "openvino.Model", name: str | None) -> int:
    if name is None:
        if len(model.inputs) == 1:
            return 0
        raise UsageError(f"The model has several inputs, so a shape needs a name. Its inputs: {_inputs(model)}.")
    for index, port in enumerate(model.inputs):
        if name in port.get_names() or name == port.get_node().get_friendly_name():
            return index
    raise UsageError(f"The model has no input '{name}'. Its inputs: {_inputs(model)}.")


def _inputs(model: "openvino.Model") -> str:
    # An input without a tensor name can be given by its operation's.
    names = [port.get_any_name() if port.get_names() else port.get_node().get_friendly_name() for port in model.inputs]
    return ", ".join(f"{name}{port.get_partial_shape()}" for name, port in zip(names, model.inputs, strict=True))


def _dimensions(text: str, whole: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    if not all(part in ("?", "-1") or (part.isascii() and part.isdigit()) for part in parts):
        raise UsageError(f"'[{text}]' in '{whole}' is not a valid shape. {_GRAMMAR}")
    return tuple(-1 if part in ("?", "-1") else int(part) for part in parts)


def _written(shape: Sequence[int]) -> str:
    return f"[{','.join('?' if size == -1 else str(size) for size in shape)}]"


def _called(name: str | None) -> str:
    return f"input '{name}'" if name is not None else "the unnamed input"
