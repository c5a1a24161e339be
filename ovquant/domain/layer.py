"""The layer: operations that share quantizers, and so must share a precision."""

from dataclasses import dataclass

FLOAT = "float"
"""The level of a layer that the device computes in its own float, as the float model."""
F32 = "f32"
"""The level of a layer that is kept in f32 where the device's own float is below it."""
INT8_WEIGHTS = "int8-weights"
"""The level of a layer whose weights are stored in int8 where its recipe stores them in fewer bits."""
INT4_WEIGHTS = "int4-weights"
"""The level of a layer whose weights a recipe stores in four bits."""
LEVELS = (FLOAT, F32, INT8_WEIGHTS)
"""What a layer can have instead of what its recipe gives it."""


@dataclass(frozen=True)
class Layer:
    """Operations that share quantizers and so must share a precision, by name."""

    name: str
    operations: tuple[str, ...]
    quantizers: tuple[str, ...]
    kinds: tuple[str, ...]
