"""The recipe: the settings of a quantization algorithm."""

import functools
import json
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from hashlib import sha256
from typing import Any, Literal

from ovquant.domain.typed import fits
from ovquant.errors import UsageError

ELEMENTWISE = ("Add", "Subtract", "Multiply", "Divide")
"""Cheap operations: quantizing around them costs accuracy and conversions, and often wins no time."""
FLOATS = ("bf16", "f16")
"""Algorithms that quantize nothing: float as a device computes it below f32, where layers can be kept in f32."""
SKETCH_SIZE = 4
"""Samples that calibrate a model of which only the operations matter."""
Ranges = Literal["default", "minmax", "mean-minmax", "mean-quantile", "quantile", "histogram"]
"""How the range of an activation is estimated."""
_EIGHT_BITS: dict[str, Any] = {
    "group_size": -1,
    "symmetric_weights": False,
    "awq": False,
    "scale_estimation": False,
    "gptq": False,
}
"""What weights of eight bits are stored with, and nothing else."""
_SERVED: dict[str, Any] = {"float_precision": "device", "dynamic_group_size": None, "kv_cache": "device"}
"""What a model is served with, and nothing of what is built."""
_ADDED = (
    "allowed_drop",
    "graph",
    "seven_bits",
    "weight_bits",
    "trained",
    "trainer",
    "train_seconds",
    *_EIGHT_BITS,
    *_SERVED,
)
"""What recipes did not always have."""


@dataclass(frozen=True)
class Recipe:
    """The settings of the quantization algorithm; those of `bf16` and `f16` quantize nothing, and `trained` takes a model as it is given.

    `smooth_*` are SmoothQuant's alpha (0 to 1), or None for the algorithm's own choice. `keep_float_types` and
    `keep_float_names` are operation types and names that are not quantized. `calibration_size` counts samples.
    `graph` is what is quantized: the model as it was read, or its normal form, which openvino's common transformations make.
    `seven_bits` says which layers have weights of seven bits, whose products cannot overflow where a processor adds them in 16
    bits. `allowed_drop` is what accuracy control may lose, in the metric's unit; None for the other algorithms. `float_precision` is
    what all that is not quantized is computed in: as the device does by default, or f32. `dynamic_group_size` is how many activations
    share a scale where they are quantized as they come, beside stored weights: 0 quantizes none, None is as the device does by default.
    `kv_cache` is what past keys and values are kept in. These three change nothing of what is built. `trained` is the fingerprint of the
    model that was trained with quantizers in it, for that algorithm; for `weights` it is the digest of numbers that were learned before.

    What remains is for `weights`: in how many bits those of matrix products are stored (others have eight), how many values
    of an input channel share a scale (-1: all of them), whether they have a zero point, and what makes the integers. `awq` scales
    channels by how much they are used (Lin et al., 2023), `scale_estimation` fits scales to activations, `gptq` rounds against
    the error made so far (Frantar et al., 2022). `trainer` then trains these numbers, for `train_seconds`.
    """

    algorithm: Literal["post-training", "accuracy-control", "weights", "bf16", "f16", "trained"] = "post-training"
    preset: Literal["performance", "mixed"] = "performance"
    model_type: Literal["any", "transformer"] = "any"
    bias_correction: Literal["fast", "accurate", "none"] = "fast"
    activation_range: Ranges = "default"
    smooth_convolution: float | None = None
    smooth_matmul: float | None = None
    keep_float_types: tuple[str, ...] = ()
    keep_float_names: tuple[str, ...] = ()
    calibration_size: int = 100
    allowed_drop: float | None = None
    graph: Literal["as-read", "normalised"] = "as-read"
    seven_bits: Literal["none", "first", "all"] = "first"
    weight_bits: Literal[4, 8] = 8
    group_size: int = -1
    symmetric_weights: bool = False
    awq: bool = False
    scale_estimation: bool = False
    gptq: bool = False
    float_precision: Literal["device", "f32"] = "device"
    dynamic_group_size: int | None = None
    kv_cache: Literal["device", "f32", "f16", "bf16", "u8", "u4"] = "device"
    trained: str = ""
    trainer: str = ""
    train_seconds: float = 0.0

    def __post_init__(self) -> None:
        """Check the settings: they may come from a file that was edited by hand."""
        for name, hint in _setting_types().items():
            value = getattr(self, name)
            if not fits(value, hint):
                raise UsageError(f"The recipe's {name} is {value!r}, which is not {_described(hint)}.")
        if self.calibration_size < 1:
            raise UsageError(f"The recipe's calibration_size is {self.calibration_size}; it is at least 1.")
        if self.group_size != -1 and self.group_size < 1:
            raise UsageError(
                f"The recipe's group_size is {self.group_size}; it is at least 1, or -1 for whole channels."
            )
        if self.dynamic_group_size is not None and self.dynamic_group_size < 0:
            raise UsageError(
                f"The recipe's dynamic_group_size is {self.dynamic_group_size}; it is at least 0, which is none."
            )
        if self.weight_bits == 8 and any(getattr(self, name) != value for name, value in _EIGHT_BITS.items()):
            raise UsageError(
                "The recipe stores weights in 8 bits, which takes no groups and none of symmetric_weights, awq, scale_estimation and "
                "gptq. Give it weight_bits 4, or leave these out."
            )

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON; what recipes did not always have is left out where it says nothing."""
        values = asdict(self)
        for name in _ADDED:
            if values[name] == getattr(Recipe, name):
                del values[name]
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Recipe":
        """Read what `to_json` wrote; an unknown setting is an error."""
        if not isinstance(values, Mapping):
            raise ValueError(f"the recipe is {values!r:.60}, where fields by name are expected")
        known = {item.name for item in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise UsageError(f"The plan's recipe has unknown settings: {', '.join(unknown)}.")
        tuples = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        return cls(**{**values, **tuples})

    @property
    def key(self) -> str:
        """Return a short fingerprint of the settings."""
        return digest(self.to_json())

    @property
    def quantizes(self) -> bool:
        """Tell whether anything is quantized."""
        return self.algorithm not in FLOATS

    @property
    def untrained(self) -> "Recipe":
        """Return the recipe that a training starts from."""
        return replace(self, trainer="", train_seconds=0.0, trained="" if self.trainer else self.trained)

    @property
    def uncorrected(self) -> "Recipe":
        """Return the same recipe with biases as they are, which takes the least time of all corrections."""
        return replace(self, bias_correction="none")

    @property
    def built(self) -> "Recipe":
        """Return the recipe without what changes nothing of what is built."""
        return replace(self, **_SERVED)

    @property
    def properties(self) -> dict[str, str]:
        """Return the properties of openvino that a model is served with for the recipe's own sake, but for the precision of float."""
        found: dict[str, str] = {} if self.kv_cache == "device" else {"KV_CACHE_PRECISION": self.kv_cache}
        if self.dynamic_group_size is not None:
            found["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = str(self.dynamic_group_size)
        return found

    @property
    def sketch(self) -> "Recipe":
        """Return the quickest recipe that makes the same operations, with or without zero points: ranges, biases and weights differ."""
        quick = replace(self.uncorrected, activation_range="default", seven_bits="first")
        return replace(quick, calibration_size=SKETCH_SIZE)


def digest(values: Any) -> str:
    """Return a short fingerprint of plain values."""
    return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


@functools.cache
def _setting_types() -> dict[str, Any]:
    return typing.get_type_hints(Recipe)


def _described(hint: Any) -> str:
    if typing.get_origin(hint) is Literal:
        return f"one of {', '.join(typing.get_args(hint))}"
    return "a list of names" if typing.get_origin(hint) is tuple else str(getattr(hint, "__name__", hint))
