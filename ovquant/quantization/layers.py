"""Find the layers of a quantized model: which operations share quantizers, by NNCF's own notion of a group."""

from collections.abc import Sequence
from copy import deepcopy

import openvino
from nncf.common.graph.graph import NNCFGraph, NNCFNode
from nncf.common.quantization.quantizer_removal import find_quantizer_nodes_to_cut
from nncf.openvino.graph.nncf_graph_builder import GraphConverter
from nncf.quantization.algorithms.accuracy_control.openvino_backend import OVAccuracyControlAlgoBackend
from nncf.quantization.passes import find_shapeof_subgraphs

from ovquant.domain.layer import Layer


def layers_of(model: openvino.Model) -> tuple[Layer, ...]:
    """Return the layers of a quantized model in the order of its operations, named after their first operation.

    model: quantized, its weights not compressed. Quantizers in the bodies of control flow are not among them.
    """
    graph = GraphConverter.create_nncf_graph(model)
    order = {node.node_name: position for position, node in enumerate(graph.topological_sort())}
    plain = _without_shapes(graph)
    backend = OVAccuracyControlAlgoBackend
    layers, seen = [], set()
    for quantizer in reversed(graph.topological_sort()):
        if quantizer.metatype not in backend.get_quantizer_metatypes() or quantizer.node_name in seen:
            continue
        quantizers, operations = find_quantizer_nodes_to_cut(
            plain,
            quantizer,
            backend.get_quantizer_metatypes(),
            backend.get_const_metatypes(),
            backend.get_quantizable_metatypes(),
            backend.get_quantize_agnostic_metatypes(),
        )
        seen |= {node.node_name for node in quantizers}
        names = sorted((node.node_name for node in operations), key=order.__getitem__)
        cut = tuple(sorted((node.node_name for node in quantizers), key=order.__getitem__))
        kinds = {node.node_name: node.node_type for node in operations}
        layers.append(Layer((names or cut)[0], tuple(names), cut, tuple(kinds[name] for name in names)))
    return tuple(sorted(layers, key=lambda layer: order[layer.name]))


def _without_shapes(graph: NNCFGraph) -> NNCFGraph:
    """Return the graph without the operations that only compute shapes: precision does not flow through them."""
    backend = OVAccuracyControlAlgoBackend
    starts = [
        *graph.get_nodes_by_metatypes(backend.get_op_with_weights_metatypes()),
        *backend.get_start_nodes_for_activation_path_tracing(graph),
    ]
    found = find_shapeof_subgraphs(graph, backend.get_shapeof_metatypes(), starts)
    kept = _beside_quantizers(graph, found)
    plain = deepcopy(graph)
    plain.remove_nodes_from([node for node in found if node.node_name not in kept])
    return plain


def _beside_quantizers(graph: NNCFGraph, found: Sequence[NNCFNode]) -> set[str]:
    """Return which nodes of shape subgraphs hold values that quantizers see, by name.

    Where the shape is that of a constant, such as an embedding's table, the subgraph has the constant's own quantizer in it.
    """
    backend = OVAccuracyControlAlgoBackend
    inside = {node.node_name for node in found if node.metatype not in backend.get_shapeof_metatypes()}
    kept: set[str] = set()
    quantizers = [node for node in found if node.metatype in backend.get_quantizer_metatypes()]
    for step in (graph.get_next_nodes, graph.get_previous_nodes):
        waiting, seen = list(quantizers), set[str]()
        while waiting:
            node = waiting.pop()
            if node.node_name in inside and node.node_name not in seen:
                seen.add(node.node_name)
                waiting += step(node)
        kept |= seen
    return kept
