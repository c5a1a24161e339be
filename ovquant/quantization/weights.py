"""Weights stored in few bits by NNCF, with activations in float."""

from collections.abc import Iterator

import nncf
import openvino
from nncf.common.factory import build_graph
from nncf.quantization.algorithms.weight_compression.algorithm import (
    WeightCompression,
    get_weight_compression_configuration,
)

from ovquant.domain.recipe import Recipe
from ovquant.errors import UsageError
from ovquant.graph.precision import is_constant
from ovquant.quantization.settings import ignored_scope

GROUP_SIZES = (256, 128, 64, 32, 16, 8)
"""Group sizes that are proposed where the one that was asked for does not fit."""


def in_int8(model: openvino.Model, recipe: Recipe) -> openvino.Model:
    """Return a copy with all weights that are compressed in int8, with zero points; no data are needed."""
    mode = nncf.CompressWeightsMode.INT8_ASYM
    return nncf.compress_weights(model.clone(), mode=mode, ignored_scope=ignored_scope(model, recipe))


def in_int4(model: openvino.Model, recipe: Recipe, dataset: nncf.Dataset, *, samples: int) -> openvino.Model:
    """Return a copy with the weights of matrix products in int4, and others in int8. samples: how many requests are used.

    Raises UsageError where groups do not divide the channels of a layer.
    """
    arguments = _arguments(model, recipe)
    if recipe.scale_estimation or recipe.gptq:
        arguments |= {"scale_estimation": recipe.scale_estimation, "gptq": recipe.gptq}
        arguments |= {"dataset": dataset, "subset_size": samples}
    try:
        return nncf.compress_weights(model.clone(), **arguments)
    except nncf.InvalidGroupSizeError as error:
        raise _unfit(model, recipe.group_size) from error


def with_scaled_channels(
    model: openvino.Model, recipe: Recipe, dataset: nncf.Dataset, *, samples: int
) -> openvino.Model:
    """Return a float copy whose channels are scaled by AWQ, so that each layer can be stored in any bits afterwards.

    It is the first step of what NNCF does with `awq`, which has no public function of its own.
    """
    copy = model.clone()
    algorithm = WeightCompression(
        **get_weight_compression_configuration(awq=True, dataset=dataset, **_arguments(model, recipe)),
        subset_size=samples,
    )
    algorithm.set_backend_entity(copy)
    graph = build_graph(copy)
    parameters, ratio_defining, _ = algorithm.get_weight_compression_parameters(copy, graph)
    try:
        algorithm.validate_group_size(ratio_defining)
    except nncf.InvalidGroupSizeError as error:
        raise _unfit(model, recipe.group_size) from error
    statistics, _ = algorithm.collect_statistics_and_statistic_points(
        copy, graph, None, dataset, ratio_defining, parameters
    )
    compressed = [item for item in parameters if item.compression_config is not None]
    return algorithm.awq_algo.apply(copy, graph, compressed, statistics, algorithm._backend_entity)


def _arguments(model: openvino.Model, recipe: Recipe) -> dict[str, object]:
    modes = nncf.CompressWeightsMode
    return {
        "mode": modes.INT4_SYM if recipe.symmetric_weights else modes.INT4_ASYM,
        "ratio": 1.0,
        "group_size": recipe.group_size,
        "ignored_scope": ignored_scope(model, recipe),
    }


def _unfit(model: openvino.Model, group_size: int) -> UsageError:
    """Return the error that says which layers groups do not divide, and which sizes do."""
    channels = dict(_input_channels(model))
    wrong = {name: size for name, size in channels.items() if size % group_size}
    shown = ", ".join(f"'{name}' ({size} channels)" for name, size in [*wrong.items()][:3])
    more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    fitting = [str(size) for size in GROUP_SIZES if not any(count % size for count in channels.values())]
    sizes = f"Sizes that fit all layers: {', '.join([*fitting, '-1 (whole channels)'])}."
    return UsageError(
        f"Groups of {group_size} weights do not divide the input channels of {shown}{more}. {sizes} "
        "Give one of them as group_size, or keep these layers in float with --keep-float."
    )


def _input_channels(model: openvino.Model) -> Iterator[tuple[str, int]]:
    """Yield each product with a constant matrix, by its name, and the length of the axis that it sums over."""
    for operation in model.get_ordered_ops():
        if operation.get_type_name() != "MatMul" or not is_constant(operation.input_value(1)):
            continue
        shape = list(operation.get_input_shape(1))
        transposed = bool(operation.get_attributes()["transpose_b"])
        yield operation.get_friendly_name(), shape[-1] if transposed or len(shape) == 1 else shape[-2]
