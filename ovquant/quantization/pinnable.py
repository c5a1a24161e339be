"""A float model whose layers can be kept in f32 where a device computes float below it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import openvino

from ovquant.domain.layer import Layer
from ovquant.graph.pins import pinned, write_pinned
from ovquant.quantization.revert import chosen


@dataclass(frozen=True)
class Pinnable:
    """A float model in an IR, and its layers; `precision` is what the device computes the others in.

    It is to a recipe that quantizes nothing what `Quantized` is to others.
    """

    path: Path
    layers: tuple[Layer, ...]
    precision: str

    def build(self, f32_layers: Sequence[str] = ()) -> openvino.Model:
        """Return the model with the named layers kept in f32, its weights mapped; raises UsageError for an unknown name."""
        names = {name for layer in chosen(self.layers, f32_layers) for name in layer.operations}
        if not names:
            return openvino.Core().read_model(self.path)
        with TemporaryDirectory(prefix="ovquant-") as folder:
            path = Path(folder) / "model.xml"
            write_pinned(self.path, path, names)
            return openvino.Core().read_model(path, self.path.with_suffix(".bin"))

    def precisions(self, built: openvino.Model) -> dict[str, str]:
        """Return the precision of each layer in a model that was built and saved."""
        kept = pinned(built)
        return {layer.name: "f32" if kept & {*layer.operations} else self.precision for layer in self.layers}
