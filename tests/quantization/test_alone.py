"""A process that quantizes openvino models alone does not import torch."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json, sys
import numpy as np, openvino
from openvino import opset13 as ops
from ovquant import quantization
from ovquant.domain.recipe import Recipe
from ovquant.quantization.alone import import_alone

{before}
import_alone()
port = ops.parameter([1, 16], np.float32)
weights = np.random.default_rng(0).standard_normal((16, 4)).astype(np.float32)
model = openvino.Model([ops.matmul(port, ops.constant(weights), False, False, name="fc")], [port], "net")
rows = [[row[None]] for row in np.random.default_rng(1).standard_normal((8, 16)).astype(np.float32)]
found = {{"torch": "torch" in sys.modules, "outputs": []}}
for recipe in (Recipe(), Recipe(algorithm="weights")):
    built = quantization.quantize(model, recipe, calibration=rows).build()
    found["outputs"].append(openvino.Core().compile_model(built, "CPU")(rows[0])[0].tolist())
found["torch after"] = "torch" in sys.modules
print(json.dumps(found))
"""


def ran(before: str) -> dict[str, object]:
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(before=before)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_without_torch_the_same_model_comes_out() -> None:
    pytest.importorskip("torch")
    alone, whole = ran(""), ran("import nncf")
    assert not alone["torch after"]
    assert whole["torch after"]
    assert alone["outputs"] == whole["outputs"]


def test_what_is_imported_already_is_left_alone() -> None:
    pytest.importorskip("torch")
    found = ran("import torch")
    assert found["torch"]
    script = "import torch, sys; from ovquant.quantization.alone import import_alone; import_alone(); print('nncf' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
