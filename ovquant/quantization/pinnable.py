"""A float model whose layers can be kept in f32 where a device computes float below it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import openvino

from ovquant.domain.layer import F32, FLOAT, Layer
from ovquant.errors import UsageError
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

    def at(self, level: str) -> tuple[Layer, ...]:
        """Return the layers that can be put to a level."""
        return self.layers if level == F32 else ()

    def build(self, levels: Mapping[str, str] = MappingProxyType({})) -> openvino.Model:
        """Return the model with the layers named kept in f32, its weights mapped; raises UsageError for what it has not."""
        if FLOAT in levels.values():
            raise UsageError(
                f"The plan quantizes nothing: what is not in f32 is {self.precision}. Take what is float out of its layers."
            )
        names = {name for layer in chosen(self.layers, levels) for name in layer.operations}
        if not names:
            return openvino.Core().read_model(self.path)
        with TemporaryDirectory(prefix="ovquant-") as folder:
            path = Path(folder) / "model.xml"
            write_pinned(self.path, path, names)
            return openvino.Core().read_model(path, self.path.with_suffix(".bin"))

    def precisions(self, built: openvino.Model) -> dict[str, str]:
        """Return the precision of each layer in a model that was built and saved."""
        kept = pinned(built)
        return {layer.name: F32 if kept & {*layer.operations} else self.precision for layer in self.layers}
