"""What plans are called: for what they do, short, and the numbers behind it."""

from collections.abc import Sequence

from ovquant.domain.recipe import ELEMENTWISE, Recipe

ALGORITHMS = {
    "post-training": "int8",
    "accuracy-control": "int8 by accuracy control",
    "weights": "int8 weights",
    "trained": "int8, trained",
    "bf16": "bf16",
    "f16": "f16",
}
TYPES = {"GroupConvolution": "depthwise", "MatMul": "matrix products", "Convolution": "convolutions"}
RANGES = {
    "minmax": "min-max",
    "mean-minmax": "mean min-max",
    "mean-quantile": "mean quantile",
    "quantile": "quantile",
    "histogram": "histogram",
}
BIASES = {"accurate": "accurate biases", "none": "biases as they are"}
BITS = {"all": "7-bit weights", "none": "8-bit weights"}


def title(name: str, recipe: Recipe | None) -> str:
    """Return what a plan does, such as `int8, depthwise in float, 3 layers in float`; float has the name that it was given."""
    if recipe is None:
        return name
    parts = ["int4 weights" if recipe.weight_bits == 4 else ALGORITHMS[recipe.algorithm]]
    parts += ["transformer"] if recipe.model_type == "transformer" else []
    parts += ["asymmetric"] if recipe.preset == "mixed" else []
    parts += [f"{_types(recipe.keep_float_types)} in float"] if recipe.keep_float_types else []
    parts += ["the rest in f32"] if recipe.float_precision == "f32" else []
    parts += _served(recipe)
    # What came of it when it was built stands behind the recipe: layers in float, properties.
    _, comma, rest = name.partition(", ")
    return ", ".join(parts) + comma + rest


def numbers(recipe: Recipe | None) -> str:
    """Return the numbers of a recipe that are not NNCF's own choice: what decides accuracy alone; "" where all are."""
    if recipe is None or recipe.algorithm in ("weights", "trained") or not recipe.quantizes:
        return _weights(recipe)
    found = [f"{RANGES[recipe.activation_range]} ranges"] if recipe.activation_range in RANGES else []
    found += [BIASES[recipe.bias_correction]] if recipe.bias_correction in BIASES else []
    found += [BITS[recipe.seven_bits]] if recipe.seven_bits in BITS else []
    smoothing = {"convolutions": recipe.smooth_convolution, "matrix products": recipe.smooth_matmul}
    found += [f"{what} smoothed by {alpha:g}" for what, alpha in smoothing.items() if alpha is not None]
    found += [f"{recipe.calibration_size} samples"] if recipe.calibration_size != type(recipe).calibration_size else []
    return ", ".join(found)


def _weights(recipe: Recipe | None) -> str:
    """Return how weights of four bits are made."""
    if recipe is None or recipe.weight_bits == 8:
        return ""
    found = ["whole channels" if recipe.group_size == -1 else f"groups of {recipe.group_size}"]
    found += ["symmetric"] if recipe.symmetric_weights else []
    ways = {"AWQ": recipe.awq, "scale estimation": recipe.scale_estimation, "GPTQ": recipe.gptq}
    found += [name for name, used in ways.items() if used]
    return ", ".join([*found, *(["trained"] if recipe.trainer else [])])


def _served(recipe: Recipe) -> list[str]:
    """Return what becomes of activations beside stored weights, and of past keys and values, where the recipe says it."""
    size, found = recipe.dynamic_group_size, []
    if size is not None:
        found.append(f"activations in groups of {size}" if size else "activations in float")
    return found if recipe.kv_cache == "device" else [*found, f"KV cache in {recipe.kv_cache}"]


def _types(kinds: Sequence[str]) -> str:
    named = [TYPES.get(kind, kind) for kind in kinds if kind not in ELEMENTWISE]
    named += ["elementwise"] if {*ELEMENTWISE} & {*kinds} else []
    return " and ".join(named)
