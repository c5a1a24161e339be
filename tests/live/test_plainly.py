"""What an application gets that compiles the IR and knows nothing of ovquant."""

import json
from pathlib import Path

import openvino
import pytest

import ovquant
from ovquant.protocols import Sample
from ovquant.runs import plain_notes
from ovquant.trials import Score, Timing, Trial
from tests.live.test_core import ROWS, net


def result(folder: Path, **properties: str) -> ovquant.Result:
    how = {"strategy": "first", "recipes": ["default"], "optimize": "size", "output": folder / "out"}
    data = [Sample(row) for row in ROWS]
    return ovquant.quantize(net(), data=data, metric="fidelity:by=cosine", max_drop=0.1, properties=properties, **how)


def test_what_openvino_takes_from_the_model_travels_in_it(tmp_path: Path) -> None:
    made = result(tmp_path, DYNAMIC_QUANTIZATION_GROUP_SIZE="32")
    model = openvino.Core().read_model(made.folder / "model.xml")
    assert model.get_rt_info(["runtime_options", "DYNAMIC_QUANTIZATION_GROUP_SIZE"]).astype(str) == "32"
    serving = json.loads((made.folder / "compile.json").read_text())
    assert serving["device"] == "CPU"
    assert serving["config"] == dict(made.plan.properties)


def test_properties_that_change_nothing_are_not_measured_again(tmp_path: Path) -> None:
    made = result(tmp_path)
    assert made.plain is None
    assert ovquant.Result.load(made.folder).plain is None


def test_properties_that_change_something_are(tmp_path: Path) -> None:
    made = result(tmp_path, EXECUTION_MODE_HINT="ACCURACY")
    assert made.plain is not None
    assert made.plain.holdout is not None
    assert made.plain.timing is not None
    assert made.plain.holdout.samples == made.data["holdout"].samples
    assert ovquant.Result.load(made.folder).plain == made.plain
    assert any("Compiled with no properties it loses" in note and "compile.json" in note for note in made.notes)


@pytest.mark.parametrize(
    ("excess", "problem", "said"),
    [
        (0.01, "", "outside the budget"),
        (-0.01, "", "float's speed"),
        (0.0, "No kernel.", "cannot be served: No kernel."),
    ],
)
def test_a_plain_compilation_that_breaks_the_budget_is_said(excess: float, problem: str, said: str) -> None:
    score, timing = Score("holdout", 0.9, 0.92, 0.02, excess, 100), Timing(1, 1, 2, 2, 0.5, 0.4, 0.6, 10)
    chosen = Trial(ovquant.Plan(), holdout=Score("holdout", 0.92, 0.92, 0.0, -0.01, 100))
    plain = Trial(ovquant.Plan(), problem=problem) if problem else Trial(ovquant.Plan(), holdout=score, timing=timing)
    assert said in " ".join(plain_notes(plain, chosen))
