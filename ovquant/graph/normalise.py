"""The normal form of a model: what openvino's own common transformations make of it, with names that are equal at each read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import openvino

# The transformations that convert_model and ovc run and read_model does not; openvino offers them in no other way.
from openvino._offline_transformations import apply_moc_transformations

from ovquant.errors import ModelError
from ovquant.graph.causes import first_line
from ovquant.graph.fingerprint import every_operation, operation_types, shapeless, structure
from ovquant.graph.precision import WEIGHTED, is_constant

SHIFTS = ("Add", "Subtract", "Multiply", "Divide")
"""What is fused into operations that hold weights."""
DATA = ("Constant", "Parameter", "Result")
FUSED = "fused_names_0"
"""Where openvino keeps the names of the operations that were fused into one; save_model does not write it."""


@dataclass(frozen=True)
class Normal:
    """A model in normal form, and what its operations were called: `names` leads from original names to those here."""

    model: openvino.Model
    names: Mapping[str, str] = field(default_factory=dict)

    def renamed(self, originals: Iterable[str]) -> tuple[str, ...]:
        """Return what operations are called here, each once; one that was folded into a constant is called nothing."""
        kept = {operation.get_friendly_name() for operation in self.model.get_ops()}
        found = (self.names.get(name, name) for name in originals)
        return tuple(sorted({name for name in found if name in kept}))


def normalised(model: openvino.Model) -> Normal:
    """Return a model in normal form, as a copy: constants folded, and what is fused for every device fused.

    model: with a friendly name of its own for each operation. Outputs are those of the model in f32; inputs, outputs, states,
    layouts and rt_info stay. An operation that others were fused into bears the name of the one that holds the weights. What is
    computed from a size is not folded, even where the size is fixed: the normal form can be reshaped as the model can.
    Raises ModelError with openvino's cause.
    """
    reads_sizes = any(operation.get_type_name() == "ShapeOf" for operation in every_operation(model))
    copy = (shapeless(model) if reads_sizes else model).clone()
    try:
        apply_moc_transformations(copy, cf=True)
        copy.validate_nodes_and_infer_types()
        shapes = [port.get_partial_shape() for port in model.inputs]
        if [port.get_partial_shape() for port in copy.inputs] != shapes:
            copy.reshape(dict(zip(copy.inputs, shapes, strict=True)))
    except RuntimeError as error:
        raise ModelError(f"openvino cannot bring the model into normal form: {first_line(error)}") from error
    return Normal(copy, _rename(copy, model))


def normal_structure(model: openvino.Model) -> str:
    """Return the structure that all models have which come to one normal form, as convert_model's and read_model's of one file do.

    It is taken with every size left open, whatever the shapes. Raises ModelError with openvino's cause.
    """
    return structure(normalised(shapeless(model)).model)


def weighted_types(model: openvino.Model) -> dict[str, int]:
    """Count the operations that hold weights by type."""
    return {kind: count for kind, count in operation_types(model).items() if kind in WEIGHTED}


def _rename(model: openvino.Model, original: openvino.Model) -> dict[str, str]:
    """Name the operations of a normal form after those of the original, in place; return original names that differ here.

    openvino names what it fused by a number that is new at each read.
    """
    source = _Source(original)
    operations = [operation for operation in model.get_ordered_ops() if operation.get_type_name() not in DATA]
    parts = [source.parts(operation) for operation in operations]
    taken = {operation.get_friendly_name() for operation in model.get_ops() if operation.get_type_name() in DATA}
    for operation, fused in zip(operations, parts, strict=True):
        name = _free(source.name(operation, fused), taken)
        taken.add(name)
        operation.set_friendly_name(name)
    names: dict[str, str] = {}
    for operation, fused in zip(operations, parts, strict=True):
        for part in fused:
            names.setdefault(part, operation.get_friendly_name())
    present = {operation.get_friendly_name() for operation in operations}
    return {part: name for part, name in names.items() if part not in present}


class _Source:
    """The model that a normal form was made of: the places and types of its operations, by name."""

    def __init__(self, model: openvino.Model) -> None:
        self._order: dict[str, int] = {}
        self._kinds: dict[str, str] = {}
        self._heads: dict[str, str] = {}
        for place, operation in enumerate(model.get_ordered_ops()):
            name, kind = operation.get_friendly_name(), operation.get_type_name()
            if kind not in DATA:
                self._order[name], self._kinds[name] = place, kind
                head = self._head(operation)
                if head is not None:
                    self._heads[name] = head

    def _head(self, operation: openvino.Node) -> str | None:
        """Return the weighted operation that an operation scales or shifts the output of, or that it is."""
        kind = operation.get_type_name()
        if kind in WEIGHTED:
            return str(operation.get_friendly_name())
        moving = [port.get_node().get_friendly_name() for port in operation.input_values() if not is_constant(port)]
        return self._heads.get(moving[0]) if kind in SHIFTS and len(moving) == 1 else None

    def parts(self, operation: openvino.Node) -> list[str]:
        """Return the operations that one of the normal form was made of, in their order."""
        known = operation.get_rt_info()
        found = known[FUSED].astype(str).split(",") if FUSED in known else []
        names = {name for name in found if name in self._order}
        if operation.get_type_name() in WEIGHTED:
            heads = (self._heads[name] for name in names if name in self._heads)
            names |= {head for head in heads if self._kinds[head] == operation.get_type_name()}
        return sorted(names, key=self._order.__getitem__)

    def name(self, operation: openvino.Node, parts: Sequence[str]) -> str:
        """Return what an operation is called: after the part that holds weights, else as it is, else after its last part."""
        name, kind = operation.get_friendly_name(), operation.get_type_name()
        weighted = [part for part in parts if self._kinds[part] in WEIGHTED]
        if weighted and kind in WEIGHTED:
            return weighted[0]
        if name in self._order:
            return str(name)
        return next((part for part in reversed(parts) if self._kinds[part] == kind), parts[-1] if parts else str(kind))


def _free(name: str, taken: set[str]) -> str:
    """Return a name, with a number where it is taken."""
    number, found = 0, name
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found
