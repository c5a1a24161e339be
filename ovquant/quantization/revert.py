"""Put layers of a quantized model back to float."""

from collections.abc import Iterable

import numpy as np
import openvino

from ovquant.domain.layer import Layer
from ovquant.errors import UsageError


def revert(model: openvino.Model, layers: Iterable[Layer], *, original: openvino.Model) -> openvino.Model:
    """Return a copy in which the given layers run in float.

    model: quantized, its weights still float constants behind FakeQuantize. original: the float model it was made
    from, with the same operation names; biases that quantization corrected are taken from it. A smooth-quantized
    weight keeps its scale: the inverse scale stays on the activations, so the product is float's own.
    """
    copy = model.clone()
    nodes = {node.get_friendly_name(): node for node in copy.get_ops()}
    originals = {node.get_friendly_name(): node for node in original.get_ops()}
    for layer in layers:
        for name in layer.quantizers:
            nodes[name].output(0).replace(nodes[name].input_value(0))
        for name in layer.operations:
            _restore_bias(nodes[name], originals)
    copy.validate_nodes_and_infer_types()
    return copy


def chosen(layers: Iterable[Layer], names: Iterable[str]) -> list[Layer]:
    """Return the layers with the given names; raises UsageError for a name that is none."""
    by_name = {layer.name: layer for layer in layers}
    missing = [name for name in names if name not in by_name]
    if missing:
        raise UsageError(
            f"The plan names the layer '{missing[0]}', which this model does not have after quantization. "
            "A plan fits models of the architecture that it was made for."
        )
    return [by_name[name] for name in names]


def _restore_bias(operation: openvino.Node, originals: dict[str, openvino.Node]) -> None:
    """Give the additions of constants behind an operation the values they have in the float model."""
    for target in operation.output(0).get_target_inputs():
        addition = target.get_node()
        if addition.get_type_name() != "Add":
            continue
        port = 1 - target.get_index()
        current = _constant(addition.input_value(port))
        if current is None:
            continue
        twin = originals.get(addition.get_friendly_name())
        source = None if twin is None else _constant(twin.input_value(port))
        # An addition that float does not have was put in to hold a correction: none is left.
        values = np.zeros_like(current.data) if source is None else source.data
        if values.shape == current.data.shape and not np.array_equal(values, current.data):
            restored = openvino.opset13.constant(values, dtype=addition.input_value(port).get_element_type().to_dtype())
            addition.input(port).replace_source_output(restored.output(0))


def _constant(source: openvino.Output) -> openvino.Node | None:
    node = source.get_node()
    if node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    return node if node.get_type_name() == "Constant" else None
