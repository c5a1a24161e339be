"""Give operations and tensors names of their own: layers and outputs are known by name."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import openvino


def port_name(port: Any, place: int) -> str:
    """Return the name of an input or output port, or its position when it has none."""
    return str(port.get_any_name()) if port.get_names() else str(place)


def names_of(ports: Sequence[Any]) -> list[str]:
    """Return the name of every port."""
    return [port_name(port, place) for place, port in enumerate(ports)]


NUMBERED = re.compile(r"[A-Z]\w*_(\d+)")
"""What openvino calls an operation that was given no name: a type, and a number that is new each time."""
MadeUp = Literal["none", "own", "any"]
"""Which numbered names openvino made up: none, as in IR files; those that are an operation's own number, in files that name
most but not all; or any number of this model's, where some were handed on from operations that are gone."""


def with_unique_names(model: "openvino.Model", *, made_up: MadeUp = "none") -> "openvino.Model":
    """Return a copy in which every operation has a friendly name of its own, and every input and output a tensor name.

    Layers are known by name, and so are the outputs that are compared between models. Names that openvino made up are
    replaced by the type and its place among its like, in topological order, so that the same model has the same names
    whenever it is made.
    """
    copy = model.clone()
    if made_up != "none":
        _renumber(copy, _made_up_places(model, made_up))
    seen: set[str] = set()
    for operation in copy.get_ordered_ops():
        name, number = operation.get_friendly_name(), 0
        while operation.get_friendly_name() in seen:
            number += 1
            operation.set_friendly_name(f"{name}_{number}")
        seen.add(operation.get_friendly_name())
        if operation.get_type_name() == "If":
            bodies = (operation.get_function(0), operation.get_function(1))
            ports = [port for body in bodies for port in (*body.inputs, *body.outputs)]
            # NNCF looks for the names of the tensors around and in an If operation.
            _name([*operation.input_values(), *operation.outputs(), *ports], operation.get_friendly_name())
    _name(copy.inputs, "input")
    _name(copy.outputs, "output")
    return copy


def _made_up_places(model: "openvino.Model", made_up: MadeUp) -> set[int]:
    """Return which operations, in order, have a name that openvino made up; a copy has numbers of its own."""
    operations = list(model.get_ordered_ops())
    numbers = [int(operation.get_name().rpartition("_")[2]) for operation in operations]
    numbered = {
        place: int(match[1])
        for place, operation in enumerate(operations)
        if (match := NUMBERED.fullmatch(operation.get_friendly_name()))
    }
    own = {place for place in numbered if operations[place].get_friendly_name() == operations[place].get_name()}
    if made_up == "own" or not own:
        return own
    return {place for place, number in numbered.items() if min(numbers) <= number <= max(numbers)}


def _renumber(model: "openvino.Model", places: set[int]) -> None:
    counted: Counter[str] = Counter()
    for place, operation in enumerate(model.get_ordered_ops()):
        if place in places:
            kind = operation.get_type_name()
            operation.set_friendly_name(f"{kind}-{counted[kind]}")
            counted[kind] += 1


def _name(ports: "Sequence[openvino.Output]", prefix: str) -> None:
    """Give tensors that have no name one of their own."""
    for index, port in enumerate(ports):
        if not port.get_names():
            port.get_tensor().set_names({f"{prefix}:{index}"})
