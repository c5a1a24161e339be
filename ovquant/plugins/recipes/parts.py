"""Recipe parts: the choices of quantization settings that a search puts together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from ovquant.domain.recipe import ELEMENTWISE, Recipe
from ovquant.domain.recipe import Ranges as Estimator


@dataclass(frozen=True)
class Default:
    """Quantize everything that can be, symmetric, with fast bias correction."""

    rank: ClassVar[int] = 0

    def extend(self, recipe: Recipe) -> Recipe:
        """Return the recipe as it is."""
        return recipe

    @staticmethod
    def offers(operation_types: Mapping[str, int]) -> Sequence[str]:
        """Offer it for every model."""
        return [""]


@dataclass(frozen=True)
class AsRead:
    """Quantize the model as it was read, and not its normal form."""

    rank: ClassVar[int] = 95

    def extend(self, recipe: Recipe) -> Recipe:
        """Return the recipe for the graph as read."""
        return replace(recipe, graph="as-read")

    @staticmethod
    def offers(operation_types: Mapping[str, int]) -> Sequence[str]:
        """Offer it on request alone: quantizers in an unfused graph keep operations from being fused."""
        return []


@dataclass(frozen=True)
class Mixed:
    """Quantize activations asymmetrically: finer where they are not centred, such as after GELU, ELU or Swish."""

    rank: ClassVar[int] = 15

    def extend(self, recipe: Recipe) -> Recipe:
        """Return the recipe with the mixed preset."""
        return replace(recipe, preset="mixed")

    @staticmethod
    def offers(operation_types: Mapping[str, int]) -> Sequence[str]:
        """Offer it for every model."""
        return [""]


@dataclass(frozen=True)
class Weights:
    """Store weights in int8 or int4 and compute in float: smaller, and faster where memory is the limit.

    bits: 8, or 4 for the weights of matrix products; embeddings, convolutions and the last matrix product have 8.
    group_size: with 4 bits, how many values of an input channel share a scale; -1 for all. symmetric: no zero points.
    awq: first scale channels by how much they are used (AWQ, Lin et al., 2023). scale_estimation: fit scales to what layers
    are given. gptq: round each weight against the errors made so far (GPTQ, Frantar et al., 2022).
    """

    rank: ClassVar[int] = 60
    bits: Literal[4, 8] = 8
    group_size: int = 128
    symmetric: bool = False
    awq: bool = False
    scale_estimation: bool = False
    gptq: bool = False

    def __post_init__(self) -> None:
        if self.bits == 8 and replace(self, bits=4) != Weights(bits=4):
            raise ValueError("weights of 8 bits take no other option; give bits=4 too")
        if self.group_size != -1 and self.group_size < 1:
            raise ValueError(f"group_size is {self.group_size}; it is at least 1, or -1 for whole channels")

    def extend(self, recipe: Recipe) -> Recipe:
        """Return the recipe with weight compression instead of quantization."""
        if self.bits == 8:
            return replace(recipe, algorithm="weights")
        return replace(
            recipe,
            algorithm="weights",
            weight_bits=self.bits,
            group_size=self.group_size,
            symmetric_weights=self.symmetric,
            awq=self.awq,
            scale_estimation=self.scale_estimation,
            gptq=self.gptq,
        )

    @staticmethod
    def offers(operation_types: Mapping[str, int]) -> Sequence[str]:
        """Offer int8 for models with weights that the algorithm takes, and int4 for those made of matrix products."""
        if not any(kind in operation_types for kind in ("MatMul", "Convolution", "Gather")):
            return []
        convolutions = operation_types.get("Convolution", 0) + operation_types.get("GroupConvolution", 0)
        return ["", *(_INT4 if operation_types.get("MatMul", 0) > convolutions else ())]


_INT4 = (
    "bits=4,group_size=128,scale_estimation=true",
    "bits=4,group_size=64,scale_estimation=true",
    "bits=4,group_size=32,awq=true,scale_estimation=true",
)
"""Ways to store weights in int4 that are worth a trial, from the smallest to the most accurate."""


@dataclass(frozen=True)
class DynamicQuantization:
    """Quantize activations beside stored weights as they come, by groups, where the device has arithmetic for it.

    group_size: how many values share a scale; 0 quantizes none.
    """

    rank: ClassVar[int] = 65
    group_size: int = 32

    def extend(self, recipe: Recipe) -> Recipe:
        """Return the recipe with this size of groups."""
        return replace(recipe, dynamic_group_size=self.group_size)

    @staticmethod
    def offers(operation_types: Mapping[str, int]) -> Sequence[str]:
        """Offer to quantize none for models with matrix products, where the device does by default: it costs accuracy."""
        return ["group_size=0"] if operation_types.get("MatMul", 0) else []


@dataclass(frozen=True)
class KvCache:
    """Keep past keys and values in another precision than the device does by default.

    precision: f32, f16, bf16, u8 or u4, those that the device has.
    """

    rank: ClassVar[int] = 66
    precision: Literal["f32", "f16", "bf16", "u8", "u4"] = "u8"

    def extend(self, recipe: Recipe) -> Recipe:
        """Return the recipe with this precision."""
        return replace(recipe, kv_cache=self.precision)

    @staticmethod
    def offers(operation_types: Mapping[str, int]) -> Sequence[str]:
        """Offer it on request alone: what a text scores does not tell what was rounded for the tokens after it."""
        return []


@dataclass(frozen=True)
class Train:
    """Train the numbers of weights in four bits to give the float model's answers, from the inputs of the search data.

    trainer: which way, a plugin of the kind trainers. seconds: for how long at most; at least one.
    """

    rank: ClassVar[int] = 70
    trainer: str = "end-to-end"
    seconds: float = 600.0

    def __post_init__(self) -> None:
        if not self.seconds >= 1:
            raise ValueError(f"seconds is {self.seconds:g}; it is at least 1")

    def extend(self, recipe: Recipe) -> Recipe:
        """Return the recipe with its numbers trained."""
        return replace(recipe, trainer=self.trainer, train_seconds=self.seconds)

    @staticmethod
    def offers(operation_types: Mapping[str, int]) -> Sequence[str]:
        """Offer it for no model: a search has it where it is asked to train."""
        return []


@dataclass(frozen=True)
class Trained:
    """Take the model that was given beside its float reference, trained with quantizers in it, as it is."""

    rank: ClassVar[int] = 98

    def extend(self, recipe: Recipe) -> Recipe:
        """Return the recipe of a trained model; which one it is, the run knows."""
        return replace(recipe, algorithm="trained", graph="as-read")

    @staticmethod
    def offers(operation_types: Mapping[str, int]) -> Sequence[str]:
        """Offer it for no model: a search has it where a trained one was given."""
        return []


@dataclass(frozen=True)
class BFloat16:
    """Quantize nothing: float as a device computes it in bf16, with layers of it in f32 where the budget needs them."""

    rank: ClassVar[int] = 96
    algorithm: ClassVar[Literal["bf16", "f16"]] = "bf16"

    def extend(self, recipe: Recipe) -> Recipe:
        """Return the recipe that quantizes nothing."""
        return replace(recipe, algorithm=self.algorithm)

    @staticmethod
    def offers(operation_types: Mapping[str, int]) -> Sequence[str]:
        """Offer it on request alone: a search has it where float as the device computes it is outside the budget."""
        return []


@dataclass(frozen=True)
class Float16(BFloat16):
    """Quantize nothing: float as a device computes it in f16, with layers of it in f32 where the budget needs them."""

    algorithm: ClassVar[Literal["bf16", "f16"]] = "f16"


@dataclass(frozen=True)
class AccuracyControl:
    """Let NNCF's own accuracy control put layers back until the budget holds on the search split; slow."""

    rank: ClassVar[int] = 90

    def extend(self, recipe: Recipe) -> Recipe:
        """Return the recipe with NNCF's accuracy control."""
        return replace(recipe, algorithm="accuracy-control")

    @staticmethod
    def offers(operation_types: Mapping[str, int]) -> Sequence[str]:
        """Offer it on request alone: it evaluates the whole search split many times."""
        return []


@dataclass(frozen=True)
class Bias:
    """Correct biases: accurate (with the errors of the layers before), fast (layer by layer) or none."""

    rank: ClassVar[int] = 55
    correction: Literal["accurate", "fast", "none"] = "accurate"

    def extend(self, recipe: Recipe) -> Recipe:
        """Return the recipe with this correction."""
        return replace(recipe, bias_correction=self.correction)

    @staticmethod
    def offers(operation_types: Mapping[str, int]) -> Sequence[str]:
        """Offer accurate correction for models with convolutions and no control flow, which NNCF cannot do it in."""
        convolutions = operation_types.get("Convolution", 0) + operation_types.get("GroupConvolution", 0)
        return [""] if convolutions and "If" not in operation_types else []


@dataclass(frozen=True)
class Ranges:
    """Estimate the range of activations by another rule than the mean of the samples' extremes."""

    rank: ClassVar[int] = 50
    estimator: Estimator = "minmax"

    def extend(self, recipe: Recipe) -> Recipe:
        """Return the recipe with this estimator."""
        return replace(recipe, activation_range=self.estimator)

    @staticmethod
    def offers(operation_types: Mapping[str, int]) -> Sequence[str]:
        """Offer histograms and the extremes of all samples; quantiles on request, which mostly cut off too much."""
        return ["estimator=histogram", ""]


@dataclass(frozen=True)
class Calibration:
    """Draw ranges from another number of samples: more catch outliers, fewer leave them out."""

    rank: ClassVar[int] = 58
    size: int = 300

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size is {self.size}; it counts samples and is at least 1")

    def extend(self, recipe: Recipe) -> Recipe:
        """Return the recipe with this calibration size."""
        return replace(recipe, calibration_size=self.size)

    @staticmethod
    def offers(operation_types: Mapping[str, int]) -> Sequence[str]:
        """Offer it on request alone: three times as many samples take three times as long, and are as often worse as better."""
        return []


@dataclass(frozen=True)
class SevenBits:
    """Store weights in seven bits: products of pairs, which processors without VNNI add in 16 bits, then never overflow."""

    rank: ClassVar[int] = 52
    layers: Literal["none", "first", "all"] = "all"

    def extend(self, recipe: Recipe) -> Recipe:
        """Return the recipe with weights of seven bits in these layers."""
        return replace(recipe, seven_bits=self.layers)

    @staticmethod
    def offers(operation_types: Mapping[str, int]) -> Sequence[str]:
        """Offer it for every model: it takes no time, and answers are then the same on all processors."""
        return [""]


@dataclass(frozen=True)
class KeepFloat:
    """Keep operation types in float, such as types=Add;Multiply."""

    rank: ClassVar[int] = 20
    types: tuple[str, ...] = ELEMENTWISE

    def extend(self, recipe: Recipe) -> Recipe:
        """Return the recipe with these types, and those it kept before, in float."""
        return replace(recipe, keep_float_types=tuple(sorted({*recipe.keep_float_types, *self.types})))

    @staticmethod
    def offers(operation_types: Mapping[str, int]) -> Sequence[str]:
        """Offer the elementwise types that the model has together, and grouped convolutions."""
        choices = [tuple(kind for kind in ELEMENTWISE if kind in operation_types)]
        choices += [(kind,) for kind in ("GroupConvolution", "MatMul") if _is_some(operation_types, kind)]
        return [f"types={';'.join(kinds)}" for kinds in choices if kinds]


def _is_some(operation_types: Mapping[str, int], kind: str) -> bool:
    """Tell whether a type is present but not all there is: with nothing left to quantize there is no recipe."""
    heavy = ("Convolution", "GroupConvolution", "MatMul")
    others = sum(operation_types.get(other, 0) for other in heavy if other != kind)
    return operation_types.get(kind, 0) > 0 and others > 0


@dataclass(frozen=True)
class FloatInF32:
    """Compute in f32 what is not quantized, where the device would compute it in less."""

    rank: ClassVar[int] = 5

    def extend(self, recipe: Recipe) -> Recipe:
        """Return the recipe with all that it leaves in float computed in f32."""
        return replace(recipe, float_precision="f32")

    @staticmethod
    def offers(operation_types: Mapping[str, int]) -> Sequence[str]:
        """Offer it for no model: a search takes it where float as the device computes it is outside the budget."""
        return []


@dataclass(frozen=True)
class Transformer:
    """Quantize as NNCF does transformers: attention as a whole, cheap operations in float, SmoothQuant on matrix products."""

    rank: ClassVar[int] = 10
    smooth: float | None = None

    def extend(self, recipe: Recipe) -> Recipe:
        """Return the recipe with the transformer model type, and SmoothQuant's alpha for matrix products if given."""
        smooth = recipe.smooth_matmul if self.smooth is None else self.smooth
        return replace(recipe, model_type="transformer", smooth_matmul=smooth)

    @staticmethod
    def offers(operation_types: Mapping[str, int]) -> Sequence[str]:
        """Offer it for models with matrix products or convolutions: these too can be faster with cheap operations in float."""
        heavy = ("MatMul", "Convolution", "GroupConvolution")
        return [""] if sum(operation_types.get(kind, 0) for kind in heavy) > 1 else []


@dataclass(frozen=True)
class SmoothConvolutions:
    """Move the activations' outliers into the weights of convolutions (SmoothQuant, Xiao et al., 2022)."""

    rank: ClassVar[int] = 45
    alpha: float = 0.5

    def extend(self, recipe: Recipe) -> Recipe:
        """Return the recipe with SmoothQuant on convolutions, which NNCF applies to the transformer type alone."""
        return replace(recipe, model_type="transformer", smooth_convolution=self.alpha)

    @staticmethod
    def offers(operation_types: Mapping[str, int]) -> Sequence[str]:
        """Offer it for models with convolutions."""
        return [""] if operation_types.get("Convolution", 0) + operation_types.get("GroupConvolution", 0) > 1 else []
