"""Fingerprints as they were first made, by which the results of before are known again.

They did not look into the bodies of If, Loop and TensorIterator: of a model that has some they prove nothing.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Literal

import openvino

from ovquant.graph.fingerprint import SCHEME, STATEFUL, bodies_of, fingerprint, shapeless, structure

Likeness = Literal["same", "alike", ""]
"""Whether a recorded fingerprint is a model's: it is, it is as far as the first scheme looked, or it is not."""


def likeness(model: openvino.Model, recorded: str, *, shapes: bool = True) -> Likeness:
    """Tell whether a fingerprint, or without `shapes` a structure, that was recorded by either scheme is a model's."""
    if _is_of_now(recorded):
        return "same" if recorded == (fingerprint(model) if shapes else structure(model)) else ""
    if recorded != first_fingerprint(model, shapes=shapes):
        return ""
    return "alike" if any(bodies_of(operation) for operation in model.get_ops()) else "same"


def likenesses(model: openvino.Model, recorded: Iterable[str]) -> dict[str, Likeness]:
    """Tell of each recorded structure whether it is a model's, reading the model once for all of the present scheme."""
    own, different = structure(model), set(recorded)
    of_now: dict[str, Likeness] = {item: "same" if item == own else "" for item in different if _is_of_now(item)}
    return of_now | {item: likeness(model, item, shapes=False) for item in different - of_now.keys()}


def _is_of_now(recorded: str) -> bool:
    return recorded.startswith(f"{SCHEME}:")


def first_fingerprint(model: openvino.Model, *, shapes: bool) -> str:
    """Return a model's fingerprint by the first scheme, or without `shapes` its structure."""
    hasher = sha256()
    numbers: dict[str, int] = {}
    for position, operation in enumerate((model if shapes else shapeless(model)).get_ordered_ops()):
        numbers[operation.get_name()] = position
        kind = operation.get_type_name()
        sources = [
            (numbers.get(source.get_node().get_name(), -1), source.get_index()) for source in operation.input_values()
        ]
        sizes = [str(port.get_partial_shape()) for port in operation.outputs()] if shapes else []
        hasher.update(f"{kind}{sources}{sizes}".encode())
        if kind == "Constant":
            hasher.update(operation.get_element_type().get_type_name().encode())
            hasher.update(operation.data.tobytes())
        elif kind not in ("Parameter", "Result", *STATEFUL):
            attributes = operation.get_attributes()
            hasher.update(str(sorted((name, str(value)) for name, value in attributes.items())).encode())
    return hasher.hexdigest()[:16]
