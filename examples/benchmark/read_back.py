"""What a model takes that was read back as a device has written it, beside one that was compiled, and beside another compilation.

    python examples/benchmark/read_back.py MODEL.xml... [--heats 8] [--property NAME=VALUE]...

Each heat compiles the model twice, and reads it back once, in an order that is drawn, and times all three in turn on random inputs; open
axes have a length of --open. Ratios are medians over heats, with their range.
"""

import argparse
import time
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import openvino

from ovquant import runtime
from ovquant.runtime.again import counts_run

SECONDS = 0.8
"""How long a heat takes at most, once 20 rounds are done."""


def inputs_of(compiled: openvino.CompiledModel, length: int) -> list[np.ndarray]:
    """Return random inputs, of which open axes have this length, the first of them one."""
    random, found = np.random.default_rng(0), []
    for port in compiled.inputs:
        axes = enumerate(port.get_partial_shape())
        shape = [axis.get_length() if axis.is_static else length if place else 1 for place, axis in axes]
        kind = port.get_element_type().to_dtype()
        found.append(
            random.random(shape).astype(kind) if kind.kind == "f" else random.integers(0, 100, shape).astype(kind)
        )
    return found


def compare(path: Path, deployment: runtime.Deployment, heats: int, length: int) -> str:
    """Return a line on one model."""
    compile_ = partial(runtime.compile_model, path, deployment)
    again, begin = runtime.Again(compile_, deployment.device, deployment.properties), time.perf_counter()
    first = compile_()
    compiling = time.perf_counter() - begin
    again()
    begin = time.perf_counter()
    back = again()
    reading = time.perf_counter() - begin
    if not again.size:
        return f"{path.parent.name}: what is read back does not run the same operations"
    assert counts_run(back) == counts_run(first)
    given, random = inputs_of(first, length), np.random.default_rng(1)
    read, other = list[float](), list[float]()
    for heat in range(heats):
        makers = [compile_, again, compile_]
        made = {int(place): makers[place]() for place in random.permutation(3)}
        times = runtime.interleave([made[place] for place in range(3)], [given], seconds=SECONDS, most=60, seed=heat)
        one, back_, two = np.median(times, axis=0)
        read.append(back_ / one)
        other.append(two / one)
    return (
        f"{path.parent.name}: compiled in {1000 * compiling:.0f} ms, read back in {1000 * reading:.0f} ms; takes "
        f"{median(read):.3f} ({min(read):.3f} to {max(read):.3f}), another compilation {median(other):.3f} "
        f"({min(other):.3f} to {max(other):.3f})"
    )


def main() -> None:
    """Print a line per model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL.xml")
    parser.add_argument("--heats", type=int, default=8)
    parser.add_argument("--open", type=int, default=256, help="the length of axes that are open")
    parser.add_argument("--property", action="append", default=[], metavar="NAME=VALUE")
    asked = parser.parse_args()
    properties = {"PERFORMANCE_HINT": "LATENCY", **dict(item.split("=", 1) for item in asked.property)}
    for path in asked.models:
        print(compare(path, runtime.Deployment(properties=properties), asked.heats, asked.open), flush=True)


if __name__ == "__main__":
    main()
