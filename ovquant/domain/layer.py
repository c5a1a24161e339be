"""The layer: operations that share quantizers, and so must share a precision."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Layer:
    """Operations that share quantizers and so must share a precision, by name."""

    name: str
    operations: tuple[str, ...]
    quantizers: tuple[str, ...]
    kinds: tuple[str, ...]
