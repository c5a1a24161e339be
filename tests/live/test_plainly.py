"""What an application gets that compiles the IR and knows nothing of ovquant."""

import json
from pathlib import Path

import openvino

import ovquant
from ovquant.domain.sample import Sample
from tests.live.test_core import ROWS, net


def test_what_openvino_takes_from_the_model_travels_in_it(tmp_path: Path) -> None:
    recipe = "weights+dynamic-quantization:group_size=0+kv-cache:precision=f32"
    how = {"strategy": "first", "recipes": [recipe], "optimize": "size", "output": tmp_path / "out"}
    data = [Sample(row) for row in ROWS]
    made = ovquant.quantize(net(), data=data, metric="fidelity:by=cosine", max_drop=0.1, **how)
    assert made.plan.title == "int8 weights, activations in float, KV cache in f32"
    model = openvino.Core().read_model(made.folder / "model.xml")
    for name, value in (("DYNAMIC_QUANTIZATION_GROUP_SIZE", "0"), ("KV_CACHE_PRECISION", "f32")):
        assert model.get_rt_info(["runtime_options", name]).astype(str) == value
        assert made.plan.properties[name] == value
    serving = json.loads((made.folder / "compile.json").read_text())
    assert serving["device"] == "CPU"
    assert serving["config"] == dict(made.plan.properties)
