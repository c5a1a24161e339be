"""Search cost against the number of layers, on chains of convolutions with random weights.

    python examples/benchmark/scaling.py [--layers 25,50,100] [--out out/scaling]

Each size runs in a process of its own. OUT receives scaling.json and scaling.svg.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from running import run

LAYERS = "25,50,100,200,400,520"
CHANNELS, SIZE, SAMPLES = 16, 16, 200


def chain(layers: int) -> Any:
    """Return a model of so many 3x3 convolutions with ReLU over 16x16 inputs; variance is kept from layer to layer."""
    import openvino
    from openvino import opset13 as opset

    random = np.random.default_rng(0)
    image = opset.parameter([1, CHANNELS, SIZE, SIZE], np.float32, name="image")
    features = image
    for number in range(layers):
        kernel = random.normal(0, (2 / (9 * CHANNELS)) ** 0.5, (CHANNELS, CHANNELS, 3, 3)).astype(np.float32)
        convolved = opset.convolution(features, kernel, [1, 1], [1, 1], [1, 1], [1, 1], name=f"convolution{number}")
        features = opset.relu(convolved, name=f"relu{number}")
    return openvino.Model([opset.result(features)], [image], "chain")


def search(layers: int, file: Path, time_budget: float | None) -> None:
    """Run one search in this process and write what it took.

    The calibration that finds the budget is not counted.
    """
    from counting import count

    import ovquant

    shape = (SAMPLES, CHANNELS, SIZE, SIZE)
    images = np.random.default_rng(1).normal(0, 1, shape).astype(np.float32)
    how: dict[str, Any] = {"data": [ovquant.Sample(image) for image in images], "metric": "fidelity:by=cosine"}
    how |= {"strategy": "integer-program", "recipes": ["default"]}
    # Half of what the default recipe loses: the search must choose layers, whatever their number.
    first = ovquant.quantize(chain(layers), **how, max_drop=1.0, max_trials=1).trials[0]
    lost = first.search.drop if first.search else 0.0
    counts, begin = count(), time.monotonic()
    result = ovquant.quantize(chain(layers), **how, max_drop=max(lost / 2, 0.0), time_budget=time_budget)
    taken = time.monotonic() - begin
    found = {"layers": layers, "seconds": taken, "trials": len(result.trials), "verdict": result.verdict}
    found |= {"plan": result.plan.name, "default_drop": lost, "float_layers": len(result.plan.layers)}
    found |= {"notes": list(result.notes), **counts.to_json()}
    file.write_text(json.dumps(found) + "\n", encoding="utf-8")


def measure(layers: int, out: Path, time_budget: float | None) -> dict[str, Any]:
    """Run one search in a process of its own."""
    file, log = out / f"{layers}.json", out / f"{layers}.log"
    file.unlink(missing_ok=True)
    ended = run([sys.executable, __file__, "--one", str(layers), "--out", str(file), *_budget(time_budget)], log)
    if ended.code != 0:
        raise SystemExit(f"{layers} layers: {log.read_text(encoding='utf-8')[-400:]}")
    return {**json.loads(file.read_text(encoding="utf-8")), "peak_mib": ended.peak_mib}


def _budget(time_budget: float | None) -> list[str]:
    return [] if time_budget is None else ["--time-budget", str(time_budget)]


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw seconds and inferences against layers, both on logarithmic axes."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    layers = [row["layers"] for row in rows]
    figure, axes = pyplot.subplots(1, 3, figsize=(12, 4))
    for axis, name in zip(axes, ("seconds", "inferences", "compiles"), strict=True):
        values = [row[name] for row in rows]
        axis.loglog(layers, values, marker="o", label="measured")
        axis.loglog(layers, [values[0] * count / layers[0] for count in layers], linestyle=":", label="linear")
        axis.set_xlabel("convolutions")
        axis.set_ylabel(name)
        axis.legend()
    figure.tight_layout()
    figure.savefig(path)


def show(row: dict[str, Any]) -> None:
    """Print one line of the table."""
    counted = "".join(f"{row[name]:>12}" for name in ("trials", "compiles", "inferences", "peak_mib"))
    print(f"{row['layers']:6}{row['seconds']:10.1f}{row['seconds'] / row['layers']:12.2f}{counted}", flush=True)


def main() -> None:
    """Measure every size, print the table and draw the plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", default=LAYERS, help="the sizes, separated by commas")
    parser.add_argument("--time-budget", type=float, help="seconds that each search may take")
    parser.add_argument("--out", type=Path, default=Path("out/scaling"), help="the folder of the results")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one is not None:
        search(asked.one, asked.out, asked.time_budget)
        return
    titles = ("seconds", "a layer"), ("trials", "compiles", "inferences", "peak MiB")
    print(f"layers{titles[0][0]:>10}{titles[0][1]:>12}" + "".join(f"{title:>12}" for title in titles[1]))
    rows = []
    for layers in (int(text) for text in asked.layers.split(",")):
        rows.append(measure(layers, asked.out, asked.time_budget))
        show(rows[-1])
        (asked.out / "scaling.json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    plot(rows, asked.out / "scaling.svg")
    print(asked.out / "scaling.svg")


if __name__ == "__main__":
    main()
