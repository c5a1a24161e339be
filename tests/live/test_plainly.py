"""What an application gets that compiles the IR and knows nothing of ovquant."""

import json
from pathlib import Path

import openvino

import ovquant
from ovquant.domain.sample import Sample
from tests.live.test_core import ROWS, net


def test_what_openvino_takes_from_the_model_travels_in_it(tmp_path: Path) -> None:
    how = {"strategy": "first", "recipes": ["default"], "optimize": "size", "output": tmp_path / "out"}
    how["properties"] = {"DYNAMIC_QUANTIZATION_GROUP_SIZE": "32"}
    data = [Sample(row) for row in ROWS]
    made = ovquant.quantize(net(), data=data, metric="fidelity:by=cosine", max_drop=0.1, **how)
    model = openvino.Core().read_model(made.folder / "model.xml")
    assert model.get_rt_info(["runtime_options", "DYNAMIC_QUANTIZATION_GROUP_SIZE"]).astype(str) == "32"
    serving = json.loads((made.folder / "compile.json").read_text())
    assert serving["device"] == "CPU"
    assert serving["config"] == dict(made.plan.properties)
