"""Models without their states: what they answer to a request that begins from a clean one."""

import openvino


def without_states(model: openvino.Model) -> openvino.Model | None:
    """Return a copy of a model in which each state is what it begins as, and nothing is kept; None where that cannot be.

    That is where it has no states, or one that begins as nothing that the graph says.
    """
    reads = [node for node in model.get_ops() if node.get_type_name() == "ReadValue"]
    if not reads or any(not node.get_input_size() for node in reads):
        return None
    copied = model.clone()
    for node in copied.get_ops():
        if node.get_type_name() == "ReadValue":
            node.output(0).replace(node.input_value(0))
    for sink in copied.get_sinks():
        copied.remove_sink(sink)
    for variable in copied.get_variables():
        copied.remove_variable(variable)
    copied.validate_nodes_and_infer_types()
    return copied
