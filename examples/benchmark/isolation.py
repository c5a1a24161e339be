"""What it costs to measure in a process of its own: whole searches with isolation off and on, in turn.

    python examples/benchmark/isolation.py [--rounds 3] [--words 1000] [--out out/isolation]

The demonstration's recogniser is searched for a budget that no plan holds, so that each run tries the same recipes. The time of a
run is that of the whole command. Isolated, that has the start of a process in it, and the peak memory of two served models, which a
run in one process does not measure: both are timed alone too.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from ovquant.api.session import Held
from ovquant.demo.fetch import recogniser
from ovquant.domain.progress import silent
from ovquant.measure.footprint import FOOTPRINT_REQUESTS, footprint
from ovquant.measure.worker import Worker
from ovquant.runtime import Deployment

RECIPES = ("default", "mixed", "transformer", "transformer+mixed", "keep-float:types=GroupConvolution", "weights")


def run(words: int, out: Path, *, isolate: bool) -> float:
    """Return the seconds of one search."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.rmtree(out.with_name(f"{out.name}.partial"), ignore_errors=True)
    data = "ovquant.demo.words:Words:count={},seed={}"
    command = [sys.executable, "-m", "ovquant", "quantize", str(recogniser()), "--data", data.format(words, 0)]
    command += ["--holdout", data.format(200, 1), "--metric", "ovquant.demo.words:exact", "--max-drop", "0.0001"]
    command += ["--strategy", "first", "--allow-float", "-o", str(out), "--isolate" if isolate else "--no-isolate"]
    command += [part for recipe in RECIPES for part in ("--recipe", recipe)]
    begin = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OVQUANT_ISOLATE": "1"})
    return time.monotonic() - begin


def start() -> float:
    """Return the seconds until a process that measures has been started."""
    begin = time.monotonic()
    worker = Worker(f"{Held.__module__}:{Held.__name__}", silent)
    worker.call("__repr__")
    taken = time.monotonic() - begin
    worker.close()
    return taken


def weigh() -> float:
    """Return the seconds that the peak memory of a served model takes to measure."""
    request, begin = [np.zeros((1, 3, 48, 320), np.float32)], time.monotonic()
    assert footprint(recogniser(), Deployment(), [request] * FOOTPRINT_REQUESTS) is not None
    return time.monotonic() - begin


def main() -> None:
    """Run both in turn and print the ratio of the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--words", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path("out/isolation"))
    arguments = parser.parse_args()
    times: dict[bool, list[float]] = {False: [], True: []}
    for number in range(arguments.rounds):
        for isolate in (False, True) if number % 2 == 0 else (True, False):
            times[isolate].append(run(arguments.words, arguments.out / "run", isolate=isolate))
            print(
                f"round {number + 1}, {'isolated' if isolate else 'in one process'}: {times[isolate][-1]:.1f} s",
                flush=True,
            )
    ratios = [on / off for off, on in zip(times[False], times[True], strict=True)]
    print(f"isolated over in one process: {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")
    starts, weighed = ([how() for _ in range(5)] for how in (start, weigh))
    print(f"one start: {statistics.median(starts):.1f} s ({min(starts):.1f} to {max(starts):.1f})")
    print(f"the memory of one model: {statistics.median(weighed):.1f} s ({min(weighed):.1f} to {max(weighed):.1f})")
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "isolation.json").write_text(
        json.dumps({"seconds": {str(k): v for k, v in times.items()}}, indent=2)
    )


if __name__ == "__main__":
    main()
