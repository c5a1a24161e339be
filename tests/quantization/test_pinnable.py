"""A float model whose layers are kept in f32 where the device computes below it."""

from pathlib import Path

import numpy as np
import openvino
import pytest

from ovquant.domain.layer import F32, FLOAT
from ovquant.errors import UsageError
from ovquant.graph.pins import pinnable_layers, pinned
from ovquant.quantization import Pinnable
from ovquant.runtime.devices import executed
from tests.quantization.conftest import outputs, requests

BF16 = {"INFERENCE_PRECISION_HINT": "bf16"}


@pytest.fixture
def pinnable(branched: openvino.Model, tmp_path: Path) -> Pinnable:
    path = tmp_path / "model.xml"
    openvino.save_model(branched, path, compress_to_fp16=False)
    return Pinnable(path, pinnable_layers(branched), "bf16")


def test_the_layers_that_are_named_are_kept(pinnable: Pinnable, tmp_path: Path) -> None:
    built = pinnable.build({"second": F32})
    (layer,) = [layer for layer in pinnable.layers if layer.name == "second"]
    assert pinned(built) == {*layer.operations}
    openvino.save_model(built, tmp_path / "built.xml")
    found = pinnable.precisions(openvino.Core().read_model(tmp_path / "built.xml"))
    assert found == {layer.name: "f32" if layer.name == "second" else "bf16" for layer in pinnable.layers}
    assert set(pinnable.precisions(pinnable.build()).values()) == {"bf16"}


def test_outputs_in_f32_are_those_of_the_model(branched: openvino.Model, pinnable: Pinnable) -> None:
    inputs = requests(branched)
    np.testing.assert_array_equal(
        outputs(pinnable.build({"first": F32, "scores": F32}), inputs), outputs(branched, inputs)
    )


def test_a_layer_that_is_not_there_is_named(pinnable: Pinnable) -> None:
    with pytest.raises(UsageError, match="the layer 'missing'"):
        pinnable.build({"missing": F32})


def test_there_is_no_other_float_to_put_a_layer_to(pinnable: Pinnable) -> None:
    assert pinnable.at(FLOAT) == ()
    with pytest.raises(UsageError, match="quantizes nothing"):
        pinnable.build({"second": FLOAT})


def test_the_device_runs_it_in_f32(pinnable: Pinnable) -> None:
    def run(model: openvino.Model) -> dict[str, str]:
        return {item.name: item.primitive for item in executed(openvino.Core().compile_model(model, "CPU", BF16))}

    plain = run(pinnable.build())
    if not plain["second"].endswith("bf16"):
        pytest.skip("a processor that computes nothing in bf16")
    kept = run(pinnable.build({"second": F32}))
    assert kept["second"].endswith("_f32")
    assert kept["third"].endswith("bf16")
    everything = run(pinnable.build(dict.fromkeys((layer.name for layer in pinnable.layers), F32)))
    assert not any(primitive.endswith("bf16") for primitive in everything.values())
