"""How many tokens a model knows: the rows of the table that its ids choose from."""

import openvino

from ovquant.graph.names import names_of


def known_tokens(model: openvino.Model) -> dict[str, int]:
    """Return for each input that is the index into a table of constants how many rows that has, by the input's name."""
    found = {}
    for name, port in zip(names_of(model.inputs), model.inputs, strict=True):
        if not port.get_element_type().is_integral_number():
            continue
        rows = [count for use in _uses(port) if (count := _rows(use)) is not None]
        if rows:
            found[name] = min(rows)
    return found


def _uses(port: openvino.Output) -> list[openvino.Input]:
    """Return where a value is used, as it is or in another type."""
    found = []
    for use in port.get_target_inputs():
        node = use.get_node()
        found += _uses(node.output(0)) if node.get_type_name() == "Convert" else [use]
    return found


def _rows(use: openvino.Input) -> int | None:
    """Return the rows of the table that a Gather takes by this index; None for other operations, tables and axes."""
    node = use.get_node()
    if node.get_type_name() != "Gather" or use.get_index() != 1:
        return None
    axis, table = node.input_value(2).get_node(), node.input_value(0)
    shape = table.get_partial_shape()
    if axis.get_type_name() != "Constant" or axis.get_data().reshape(-1)[0] != 0 or not _is_constant(table.get_node()):
        return None
    return int(shape[0].get_length()) if shape.rank.is_static and shape[0].is_static else None


def _is_constant(node: openvino.Node) -> bool:
    """Tell whether a value depends on no input, as weights in few bits do that are scaled."""
    if node.get_type_name() == "Parameter":
        return False
    return all(_is_constant(value.get_node()) for value in node.input_values())
