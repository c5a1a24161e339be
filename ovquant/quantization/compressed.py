"""A model whose weights are stored in few bits, while its activations stay in float, and the same with layers put back."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import openvino

from ovquant.domain.layer import F32, FLOAT, INT4_WEIGHTS, INT8_WEIGHTS, Layer
from ovquant.graph.pins import pinnable_layers, pinned, with_pinned
from ovquant.graph.precision import Readers, stored_weights, weight_precision
from ovquant.quantization.float32 import with_types_of
from ovquant.quantization.revert import chosen


@dataclass(frozen=True)
class Compressed:
    """A model with weights stored in few bits. Its layers are these weights, each with the operations that read it.

    `model` is as its recipe makes it, `original` the float model that it was made from, with the same operation names, and
    `in_int8` makes that with all weights in int8. `given` is the float model as it came: like `original`, but for bfloat16, and for
    channels that the recipe has scaled.
    """

    original: openvino.Model
    model: openvino.Model
    in_int8: Callable[[], openvino.Model]
    given: openvino.Model

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Return the layers: what reads one stored weight, such as an embedding and the head that shares it, goes together."""
        return tuple(
            Layer(
                readers[0][0].get_friendly_name(),
                tuple(dict.fromkeys(node.get_friendly_name() for node, _ in readers)),
                (),
                tuple({node.get_friendly_name(): node.get_type_name() for node, _ in readers}.values()),
            )
            for readers in self._stored
        )

    def at(self, level: str) -> tuple[Layer, ...]:
        """Return the layers that can be put to a level."""
        if level == F32:
            return self._computing
        if level == FLOAT:
            return self.layers
        pairs = zip(self.layers, self._stored, strict=True)
        return tuple(layer for layer, readers in pairs if weight_precision(readers) == INT4_WEIGHTS)

    def build(self, levels: Mapping[str, str] = MappingProxyType({})) -> openvino.Model:
        """Return the final model with the layers named put to a level each; raises UsageError for what it has not."""
        copy = self.model.clone()
        for level in sorted(set(levels.values())):
            layers = chosen(self.at(level), [name for name in levels if levels[name] == level])
            source = self.in_int8() if level == INT8_WEIGHTS else self.original
            _take_weights(copy, source.clone(), (place for layer in layers for place in self._places(layer)))
        final = with_types_of(copy, self.given)
        kept = chosen(self._computing, [name for name in levels if levels[name] == F32])
        return with_pinned(final, {name for layer in kept for name in layer.operations}) if kept else final

    def precisions(self, built: openvino.Model) -> dict[str, str]:
        """Return the precision of each layer in a model that was built and saved, and of others those that are kept in f32."""
        stored = {
            node.get_friendly_name(): weight_precision(readers)
            for readers in stored_weights(built)
            for node, _ in readers
        }
        kept = pinned(built)
        found = {layer.name: stored.get(layer.name, FLOAT) for layer in self.layers}
        return found | {layer.name: F32 for layer in self._computing if kept & {*layer.operations}} if kept else found

    @cached_property
    def _stored(self) -> tuple[Readers, ...]:
        return stored_weights(self.model)

    @cached_property
    def _computing(self) -> tuple[Layer, ...]:
        return pinnable_layers(self.model)

    def _places(self, layer: Layer) -> list[tuple[str, int]]:
        """Return the operations of a layer that read stored weights, each with the input that does."""
        return [
            (node.get_friendly_name(), port)
            for readers in self._stored
            for node, port in readers
            if node.get_friendly_name() in layer.operations
        ]


def _take_weights(model: openvino.Model, source: openvino.Model, places: Iterable[tuple[str, int]]) -> None:
    """Let inputs of operations read, in place, what the operations of the same names read in another model."""
    mine, theirs = ({node.get_friendly_name(): node for node in each.get_ops()} for each in (model, source))
    for name, port in places:
        mine[name].input(port).replace_source_output(theirs[name].input_value(port))
    model.validate_nodes_and_infer_types()
