"""What training with quantizers gains over calibration, for nets in PyTorch and int8 with activations.

    python examples/benchmark/training.py [--case NAME]... [--steps 150] [--out DIR]

Per case: the plan that a search finds, and the float module with quantizers, as calibrated and after it has learned to answer as the
float module does, from the inputs of the search data, without labels. Each is scored on fresh data beside float in f32. The result is
printed, and kept as OUT/training.json.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cases import ALL, Case
from data import opened
from torch.nn import functional

import ovquant
from ovquant.plugins.loaders.torch import call_factory
from ovquant.stats.intervals import mean_interval

CASES = ("fashion-residual", "crepe-tiny", "upscale")
BATCH, RATE = 64, 1e-5
F32 = {"INFERENCE_PRECISION_HINT": "f32"}


def distilled(student: torch.nn.Module, teacher: torch.nn.Module, inputs: torch.Tensor, steps: int) -> torch.nn.Module:
    """Train a module with quantizers to give the float module's outputs, by their mean squared error; return it."""
    optimizer = torch.optim.Adam(student.parameters(), lr=RATE)
    order = torch.Generator().manual_seed(0)
    for _ in range(steps):
        batch = inputs[torch.randint(len(inputs), (BATCH,), generator=order)]
        with torch.no_grad():
            wanted = teacher(batch)
        loss = functional.mse_loss(student(batch), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return student


def measured(case: Case, steps: int, out: Path) -> dict[str, Any]:
    """Return the drops on fresh data of what was calibrated, and of what was trained."""
    module, example = call_factory(case.model())
    module.eval()
    data, fresh = opened(case.search), opened(case.fresh)
    given = {"data": data, "holdout": case.holdout, "metric": case.metric, "force": True}
    searched = ovquant.quantize(case.model(), max_drop=case.max_drop, output=out / f"{case.name}-searched", **given)
    student = ovquant.fake_quantize(module, data)
    untaught = returned(student, (module, example), out / f"{case.name}-untaught", given)
    inputs = torch.from_numpy(np.stack([sample.inputs for sample in data]))
    begin = time.monotonic()
    taught = distilled(student, module, inputs, steps)
    seconds = time.monotonic() - begin
    plans = {
        "searched": searched,
        "untaught": untaught,
        "trained": returned(taught, (module, example), out / f"{case.name}-trained", given),
    }
    truth = scored(case.model(), fresh, case, F32)
    values: dict[str, Any] = {"seconds": seconds, "steps": steps, "samples": len(fresh)}
    for name, result in plans.items():
        found = scored(result.folder / "model.xml", fresh, case, dict(result.plan.properties))
        low, high = mean_interval(truth - found)
        timing = result.trial.timing
        values[name] = {
            "plan": result.plan.full_title,
            "drop": [float((truth - found).mean()), low, high],
            "speed-up": None if timing is None else timing.speedup,
        }
    return values


def returned(student: torch.nn.Module, reference: Any, folder: Path, given: dict[str, Any]) -> ovquant.Result:
    """Return a module with quantizers as a result, whatever it loses."""
    how = {"recipes": ["trained"], "strategy": "first", "optimize": "size", "max_drop": "90%"}
    return ovquant.quantize(student.eval(), reference=reference, output=folder, **how, **given)


def scored(model: Any, fresh: Any, case: Case, properties: dict[str, str]) -> np.ndarray:
    """Return the score of each fresh sample, higher is better."""
    found = ovquant.evaluate(model, data=fresh, metric=case.metric, properties=properties)
    return np.array(found.evaluation.items, np.float64)


def told(name: str, values: dict[str, Any]) -> str:
    """Return the lines of a case."""
    lines = [f"{name}: {values['steps']} steps in {values['seconds']:.0f} s; drop on {values['samples']} fresh samples"]
    for kind in ("searched", "untaught", "trained"):
        drop, low, high = values[kind]["drop"]
        lines.append(f"  {kind:9} {drop:.4f} ({low:.4f} to {high:.4f}): {values[kind]['plan']}")
    return "\n".join(lines)


def main() -> None:
    """Measure the cases that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=CASES, help="measure this case alone; may be repeated")
    parser.add_argument("--steps", type=int, default=150, help="steps of training, of a batch of 64 each")
    parser.add_argument("--out", type=Path, default=Path("out/training"), help="the folder of the results")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    results = {}
    for name in asked.case or CASES:
        results[name] = measured(ALL[name], asked.steps, asked.out)
        print(told(name, results[name]), flush=True)
        (asked.out / "training.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
