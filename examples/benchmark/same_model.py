"""Compare a model with copies of itself: how often does an interval of the speed-up say that one is faster?

    .venv/bin/python examples/benchmark/same_model.py [MODEL] [--comparisons 100]

Without a model it is the text recogniser of the demonstration. Each comparison is `ovquant benchmark MODEL COPY`, through the
public function, with a 95 % interval: about five in a hundred should exclude 1. Prints the count, and the speed-ups by order
of the arguments, whose median should be 1. OUT receives same_model.json, from which a stopped run goes on.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np

import ovquant
from ovquant.demo.fetch import recogniser

OUT = Path("out/same_model")
SHAPE = "[1,3,48,320]"
ALLOWED = 8
"""Comparisons of a hundred that may exclude 1: more than these have a chance of about one in fifteen at a true 5 %."""


def main() -> None:
    """Run the comparisons and say how many were decided."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--comparisons", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--input-shape", default=None)
    given = parser.parse_args()
    model, shape = given.model or recogniser(), given.input_shape or (None if given.model else SHAPE)
    OUT.mkdir(parents=True, exist_ok=True)
    file = OUT / "same_model.json"
    found = json.loads(file.read_text()) if file.exists() else []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copy2(model, Path(folder) / f"copy{model.suffix}"))
        if model.suffix == ".xml":
            shutil.copy2(model.with_suffix(".bin"), copy.with_suffix(".bin"))
        for number in range(len(found), given.comparisons):
            _, other = ovquant.benchmark([model, copy], seconds=given.seconds, input_shape=shape, seed=number * 1000)
            timing = other.timing
            found.append({"speedup": timing.speedup, "low": 1 / timing.ratio_high, "high": 1 / timing.ratio_low})
            found[-1] |= {"decided": timing.decided, "others": timing.others}
            file.write_text(json.dumps(found, indent=1) + "\n")
    speedups = np.array([item["speedup"] for item in found])
    decided = sum(item["decided"] for item in found)
    widths = np.array([item["high"] - item["low"] for item in found])
    low, high = np.percentile(speedups, [2.5, 97.5])
    print(
        f"{decided} of {len(found)} comparisons of {Path(model).name} with its copy exclude 1 ({ALLOWED} of 100 allowed)"
    )
    print(f"speed-up of the copy: median {np.median(speedups):.4f}, 95 % of them {low:.3f} to {high:.3f}")
    print(f"width of the interval: median {np.median(widths):.3f}")
    print(f"other work had {np.mean([item['others'] for item in found]):.0%} of the processors")


if __name__ == "__main__":
    main()
