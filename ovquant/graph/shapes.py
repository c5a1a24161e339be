"""Read input shapes as people write them, and give them to a model."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ovquant.errors import ModelError, UsageError
from ovquant.graph.causes import first_cause, first_line

if TYPE_CHECKING:
    import openvino


def static_batch(inputs: Sequence[Any]) -> int:
    """Return the fixed size of axis 0 that every input shares, or 1 when it is dynamic or differs."""
    sizes = {first_axis(port) for port in inputs}
    return (sizes.pop() if len(sizes) == 1 else 1) or 1


def first_axis(port: Any) -> int | None:
    """Return the length of a port's axis 0, or None where it has none or it is not fixed."""
    return _length(port.get_partial_shape(), 0)


def second_axis(port: Any) -> int | None:
    """Return the length of a port's axis 1, or None where it has none or it is not fixed."""
    return _length(port.get_partial_shape(), 1)


def _length(shape: Any, axis: int) -> int | None:
    if shape.rank.is_dynamic or shape.rank.get_length() <= axis or shape[axis].is_dynamic:
        return None
    return int(shape[axis].get_length())


def with_batch(model: "openvino.Model", batch: int) -> "openvino.Model":
    """Return a copy of the model whose inputs have the batch axis fixed to a size; all other dimensions stay.

    The batch axis is axis 0 where an input's layout says so or, without a layout, where it is dynamic or of length one;
    where no input has such a one, it is what all inputs share. Inputs without it, such as scalars, keep their shape.
    """
    problem: BaseException | None = None
    for places in _batch_places(model.inputs):
        copy = model.clone()
        try:
            copy.reshape({copy.inputs[place]: _with_first(copy.inputs[place], batch) for place in places})
        except RuntimeError as error:
            problem = problem or error
        else:
            return copy
    if problem is None:
        raise ModelError(f"The inputs {_inputs(model)} have no batch axis; leave --batch out.")
    raise ModelError(f"The model cannot take a batch of {batch}: {first_line(problem)}") from problem


def _batch_places(inputs: Sequence[Any]) -> list[list[int]]:
    """Return which inputs may have a batch axis, the most of them first: a single number can be one for each sample or for all."""
    found = [place for place, port in enumerate(inputs) if _may_be_batch(port)]
    several = [place for place in found if len(inputs[place].get_partial_shape()) > 1]
    dynamic = [place for place in found if first_axis(inputs[place]) is None]
    shared = [place for place, port in enumerate(inputs) if first_axis(port) is not None]
    if not found and len({first_axis(inputs[place]) for place in shared}) == 1:
        found = shared
    return [places for places in (found, several, dynamic) if places]


def _may_be_batch(port: Any) -> bool:
    from openvino import layout_helpers

    layout, shape = port.get_node().layout, port.get_partial_shape()
    if shape.rank.is_dynamic or len(shape) == 0:
        return False
    if not layout.empty:
        return bool(layout_helpers.has_batch(layout) and layout_helpers.batch_idx(layout) == 0)
    return first_axis(port) in (None, 1)


def _with_first(port: Any, batch: int) -> Any:
    shape = port.get_partial_shape()
    shape[0] = batch
    return shape


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
