"""Models opened up at their operations: to read what each makes, and to feed each with what it is to be given."""

from collections.abc import Sequence

import openvino
from openvino import opset13 as ops

SKIPPED = {"Parameter", "Constant", "Result", "FakeQuantize", "FakeConvert", "Convert", "ReadValue", "Assign"}
"""Types of operations that belong to those that read them, or are none that compute."""


def shared_operations(model: openvino.Model, other: openvino.Model) -> list[str]:
    """Return the names of the operations that both models have, of the same type and with one output of floats, in `other`'s order.

    What is made of constants alone is part of what reads it.
    """
    here = {operation.get_friendly_name(): operation for operation in model.get_ordered_ops() if _computes(operation)}
    return [
        operation.get_friendly_name()
        for operation in other.get_ordered_ops()
        if _computes(operation) and _alike(operation, here.get(operation.get_friendly_name()))
    ]


def tapped(model: openvino.Model, names: Sequence[str]) -> openvino.Model:
    """Return a copy whose outputs are those of the model, and behind them those of operations by name."""
    copy = model.clone()
    known = {operation.get_friendly_name(): operation for operation in copy.get_ordered_ops()}
    results = [ops.result(known[name].output(0)) for name in names]
    return openvino.Model([*copy.get_results(), *results], copy.get_parameters(), "tapped")


def apart(model: openvino.Model, names: Sequence[str]) -> openvino.Model:
    """Return a copy in which what reads an operation's output is fed by an input instead, for each operation by name.

    Its inputs are the model's own, and behind them one for each name; its outputs are the operations', in the same order.
    """
    copy = model.clone()
    known = {operation.get_friendly_name(): operation for operation in copy.get_ordered_ops()}
    fed = []
    for name in names:
        port = known[name].output(0)
        given = ops.parameter(port.get_partial_shape(), port.get_element_type())
        for use in port.get_target_inputs():
            if use.get_node().get_type_name() != "Result":
                use.replace_source_output(given.output(0))
        fed.append(given)
    results = [ops.result(known[name].output(0)) for name in names]
    return openvino.Model(results, [*copy.get_parameters(), *fed], "apart")


def fed_at(model: openvino.Model, name: str) -> openvino.Model:
    """Return a copy in which what reads one operation's output, an output of the model too, is fed by a last input instead."""
    copy = model.clone()
    port = next(item for item in copy.get_ordered_ops() if item.get_friendly_name() == name).output(0)
    given = ops.parameter(port.get_partial_shape(), port.get_element_type())
    for use in port.get_target_inputs():
        use.replace_source_output(given.output(0))
    return openvino.Model(copy.get_results(), [*copy.get_parameters(), given], "fed")


def _computes(operation: openvino.Node) -> bool:
    if operation.get_type_name() in SKIPPED or operation.get_output_size() != 1:
        return False
    return operation.get_output_element_type(0).is_real() and _reads_inputs(operation)


def _reads_inputs(operation: openvino.Node) -> bool:
    """Tell whether an operation's value depends on an input; quantized weights do not."""
    seen, open_ = set[str](), [operation]
    while open_:
        node = open_.pop()
        if node.get_type_name() in ("Parameter", "ReadValue"):
            return True
        if node.get_friendly_name() not in seen:
            seen.add(node.get_friendly_name())
            open_ += [value.get_node() for value in node.input_values()]
    return False


def _alike(operation: openvino.Node, other: openvino.Node | None) -> bool:
    if other is None or other.get_type_name() != operation.get_type_name():
        return False
    return bool(other.get_output_partial_shape(0).compatible(operation.get_output_partial_shape(0)))
