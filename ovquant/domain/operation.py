"""Operations of a model as plain data: planned and executed precision, quantizers, and the time that each takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ovquant.domain.typed import typed


@dataclass(frozen=True)
class Spread:
    """How values are spread over the steps of a quantizer: `counts` of equal bins from step `low` to step `high`.

    The integers run from `first` to `last`; `clipped` is the share of the values that lie outside and are moved to the nearest of these.
    """

    low: float
    high: float
    counts: tuple[int, ...]
    first: int
    last: int
    clipped: float


@dataclass(frozen=True)
class Quantizer:
    """The quantizer of one input of an operation; scale and zero point run from min to max over its channels.

    `of` is "weights" or "activations". A value q stands for (q − zero) · scale. `type` is the integer type; for
    activations q counts from 0 to levels − 1. Scales are None where the form is not affine. `spread` is that of the values that come
    to it, None where it was not measured.
    """

    of: str
    input: int
    name: str
    type: str
    channels: int
    scale_min: float | None
    scale_max: float | None
    zero_min: float | None
    zero_max: float | None
    spread: Spread | None = None


@dataclass(frozen=True)
class Operation:
    """One operation: its precision in the model, and the primitive and precision that the device runs it as.

    Where it was timed, `micros` are the microseconds that this primitive takes, and `float_micros` those of the one that holds the
    operation in the float model; each is None where no primitive names it. `gain` is the fall of the divergence from float that the
    search measured when it put the operation back alone, None where it did not.
    """

    name: str
    type: str
    planned: str
    executed: str
    primitive: str
    quantizers: tuple[Quantizer, ...]
    micros: float | None = None
    float_micros: float | None = None
    gain: float | None = None

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Operation":
        """Read plain values; raises ValueError for a field of another type."""
        quantizers = tuple(typed(Quantizer, item) for item in values["quantizers"])
        return typed(
            cls, {name: value for name, value in values.items() if name != "quantizers"}, quantizers=quantizers
        )
