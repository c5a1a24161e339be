"""How long until the first plan inside the budget is on disk, against plain NNCF with the evaluations it needs.

    python examples/benchmark/first_plan.py

The model is the residual Fashion-MNIST net of examples/cases, for which the default recipe holds a 1 % budget, so both
sides do the same work: one calibration of 300 samples, and the float and the quantized model on the search half.
"""

import sys
import time
from pathlib import Path

import nncf
import numpy as np
import openvino

import ovquant

sys.path.insert(0, str(Path(__file__).parent.parent / "cases"))
import fashion

SAMPLES, CALIBRATION = 4000, 300
# Both sides in f32: the default INT8 of this net does not compile in bf16 on processors without AMX.
PROPERTIES = {"INFERENCE_PRECISION_HINT": "f32"}


def plain(model: openvino.Model) -> float:
    """Return the seconds of nncf.quantize and of scoring both models on half of the samples."""
    data = fashion.Images("search", SAMPLES // 2)
    begin = time.perf_counter()
    dataset = nncf.Dataset(range(CALIBRATION), lambda index: data[index].inputs[None])
    quantized = nncf.quantize(model, dataset)
    for contender in (model, quantized):
        ovquant.evaluate(contender, data=data, metric="accuracy", properties=PROPERTIES)
    return time.perf_counter() - begin


def first(model: openvino.Model) -> float:
    """Return the seconds until ovquant has its first plan inside the budget, measured and on disk."""
    found: list[float] = []
    begin = time.perf_counter()

    def note(trial: ovquant.Trial) -> None:
        inside = trial.search is not None and trial.search.inside
        if inside and not trial.plan.is_float and not found:
            found.append(time.perf_counter() - begin)

    data = fashion.Images("search", SAMPLES)
    how = {"strategy": "first", "recipes": ["default"], "properties": PROPERTIES}
    ovquant.quantize(model, data=data, metric="accuracy", max_drop="1%", on_trial=note, **how)
    return found[0]


def main() -> None:
    """Print the ratio of three interleaved pairs, after one pair that warms up."""
    module, example = fashion.residual()
    model = openvino.convert_model(module, example_input=example)
    pairs = [(plain(model), first(model)) for _ in range(4)][1:]
    ratios = [ours / theirs for theirs, ours in pairs]
    print(
        f"plain {np.median([theirs for theirs, _ in pairs]):.1f} s, first plan {np.median([ours for _, ours in pairs]):.1f} s"
    )
    print(f"ratio {np.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
