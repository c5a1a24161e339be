"""A body within a model that has steps around it, such as pre- and postprocessing: it is found, taken out and replaced."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

import openvino
from openvino import opset13 as ops

from ovquant.graph.precision import is_constant

MOST_STEPS, MOST_BODIES = 16, 64
"""Steps on each side that are looked behind, and bodies that are proposed."""
Place = tuple[int, int]
"""An output in a model: the place of its operation among all in order, and its number there."""


@dataclass(frozen=True)
class Body:
    """A part of a model: where its inputs come from and where its outputs are, each in the model's order."""

    inputs: tuple[Place, ...]
    outputs: tuple[Place, ...]

    def of(self, model: openvino.Model) -> openvino.Model:
        """Return a copy of the part as a model of its own; the inputs and outputs have the names that they have here."""
        copy = model.clone()
        sources, ends = _found(copy, self.inputs), _found(copy, self.outputs)
        parameters = []
        for source in sources:
            parameter = ops.parameter(source.get_partial_shape(), source.get_element_type())
            parameter.output(0).get_tensor().set_names(source.get_names())
            for target in source.get_target_inputs():
                target.replace_source_output(parameter.output(0))
            parameters.append(parameter)
        made = openvino.Model([ops.result(end) for end in ends], parameters, model.get_friendly_name())
        made.validate_nodes_and_infer_types()
        return made

    def replaced(self, model: openvino.Model, other: openvino.Model) -> openvino.Model:
        """Return a copy of a model that has another model in the place of this part, and that model's name."""
        copy, inner = model.clone(), other.clone()
        sources, ends = _found(copy, self.inputs), _found(copy, self.outputs)
        for end, result in zip(ends, inner.get_results(), strict=True):
            made = result.input_value(0)
            for target in end.get_target_inputs():
                target.replace_source_output(made)
            if end.get_names():
                made.get_tensor().set_names(end.get_names())
        for source, parameter in zip(sources, inner.get_parameters(), strict=True):
            for target in source.get_target_inputs():
                # What is left of the part that was there leads nowhere.
                target.replace_source_output(ops.constant([0], source.get_element_type()).output(0))
            for target in parameter.output(0).get_target_inputs():
                target.replace_source_output(source)
        whole = openvino.Model(copy.get_results(), copy.get_parameters(), inner.get_friendly_name())
        for name, value in inner.get_rt_info().items():
            whole.set_rt_info(value.value if hasattr(value, "value") else value, name)
        whole.validate_nodes_and_infer_types()
        return whole


def bodies(model: openvino.Model, like: openvino.Model) -> Iterator[Body]:
    """Yield the parts of a model that can be one with the inputs and outputs of another, by type and rank.

    Steps have one input that is not constant, and lead from an input to the part or from the part to an output. A model that
    keeps state has no parts.
    """
    fits = len(model.inputs) == len(like.inputs) and len(model.outputs) == len(like.outputs)
    if not fits or model.get_sinks():
        return
    order = {operation.get_name(): place for place, operation in enumerate(model.get_ordered_ops())}
    sides = [
        *(
            [port for port in _behind(parameter) if _alike(port, own)]
            for parameter, own in zip(model.inputs, like.inputs, strict=True)
        ),
        *(
            [port for port in _before(result) if _alike(port, own)]
            for result, own in zip(model.outputs, like.outputs, strict=True)
        ),
    ]
    count = len(model.inputs)
    for chosen in islice(product(*sides), MOST_BODIES):
        places = tuple((order[port.get_node().get_name()], port.get_index()) for port in chosen)
        if max(places[:count], default=(-1, 0)) < min(places[count:]):
            yield Body(places[:count], places[count:])


def _found(model: openvino.Model, places: tuple[Place, ...]) -> list[Any]:
    operations = list(model.get_ordered_ops())
    return [operations[place].output(number) for place, number in places]


def _alike(port: Any, own: Any) -> bool:
    rank, other = port.get_partial_shape().rank, own.get_partial_shape().rank
    return bool(port.get_element_type() == own.get_element_type() and (rank == other))


def _behind(port: Any) -> list[Any]:
    """Return an input's port, and what each of the steps behind it puts out."""
    found = [port.get_node().output(0)]
    while len(found) <= MOST_STEPS and len(targets := list(found[-1].get_target_inputs())) == 1:
        operation = targets[0].get_node()
        if operation.get_output_size() != 1 or operation.get_type_name() == "Result" or len(_moving(operation)) != 1:
            break
        found.append(operation.output(0))
    return found


def _before(port: Any) -> list[Any]:
    """Return what an output shows, and what each of the steps before it was given."""
    found = [port.get_node().input_value(0)]
    while len(found) <= MOST_STEPS:
        operation = found[-1].get_node()
        moving = _moving(operation)
        if operation.get_output_size() != 1 or len(moving) != 1:
            break
        source = moving[0].get_source_output()
        if len(source.get_target_inputs()) != 1:
            break
        found.append(source)
    return found


def _moving(operation: Any) -> list[Any]:
    """Return the inputs of an operation that are not constant."""
    return [port for port in operation.inputs() if not is_constant(port.get_source_output())]
