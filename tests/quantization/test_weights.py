"""Weights in few bits as NNCF makes them, and what it is told."""

import openvino
import pytest

from ovquant.domain.recipe import Recipe
from ovquant.errors import UsageError
from ovquant.graph.fingerprint import fingerprint
from ovquant.graph.precision import precisions, quantizers_of
from ovquant.quantization import quantize
from tests.quantization.conftest import texts

WAYS = [
    {},
    {"symmetric_weights": True},
    {"group_size": -1},
    {"scale_estimation": True},
    {"gptq": True},
    {"awq": True, "scale_estimation": True},
]


def four(**settings: object) -> Recipe:
    return Recipe(**{"algorithm": "weights", "weight_bits": 4, "group_size": 32, **settings})  # type: ignore[arg-type]


def test_each_way_makes_other_weights(language: openvino.Model) -> None:
    made = [quantize(language, four(**way), calibration=texts()).build() for way in WAYS]
    assert len({fingerprint(model) for model in made}) == len(WAYS)
    for model in made:
        found = precisions(model)
        assert [found[name] for name in ("embedding", "head", "up0", "down2")] == ["int8-weights"] * 2 + [
            "int4-weights"
        ] * 2


@pytest.mark.parametrize(("size", "channels"), [(32, 128 * 2), (64, 128), (-1, 128)])
def test_so_many_weights_share_a_scale(language: openvino.Model, size: int, channels: int) -> None:
    built = quantize(language, four(group_size=size), calibration=[]).build()
    (node,) = [node for node in built.get_ops() if node.get_friendly_name() == "up0"]
    (found,) = quantizers_of(node)
    assert (found.type, found.channels) == ("u4", channels)


def test_groups_that_do_not_divide_a_layer_are_refused_with_those_that_do(language: openvino.Model) -> None:
    with pytest.raises(
        UsageError, match=r"Groups of 48 .*'.+0' \(64 channels\).* 64, 32, 16, 8, -1 \(whole channels\)"
    ):
        quantize(language, four(group_size=48), calibration=texts())
    with pytest.raises(UsageError, match="Groups of 48"):
        quantize(language, four(group_size=48, awq=True), calibration=texts())


def test_layers_that_groups_do_not_divide_can_stay_in_float(language: openvino.Model) -> None:
    names = tuple(f"{name}{block}" for block in range(3) for name in ("up", "gate"))
    built = quantize(language, four(group_size=128, keep_float_names=names), calibration=texts()).build()
    assert precisions(built)["up0"] == "f32"
    assert precisions(built)["down0"] == "int4-weights"
