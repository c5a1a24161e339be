"""Eight threads through each way of serving: how many answers, and how many were wrong.

    python examples/benchmark/threads.py [--threads 8] [--seconds 60] [--out out/threads]

A generated network is quantized once. Each way then answers requests of several threads, and every answer is compared with what the
same compiled model answers to one thread.
"""

import argparse
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import psutil
from memory import SIDE, write_model

import ovquant

INPUTS = 64
TOLERANCE = 1e-5
Ways = dict[str, Callable[[], Any]]


def ways(model: Path, out: Path, inputs: list[np.ndarray]) -> Ways:
    """Quantize a model and return what compiles it, by name."""
    folder = out / "store" / "generated"
    how: dict[str, Any] = {"strategy": "first", "recipes": ["default"], "optimize": "size", "output": folder}
    result = ovquant.quantize(
        model, data=[ovquant.Sample(array[0]) for array in inputs * 4], metric="fidelity", max_drop="50%", **how
    )
    print(f"{result.verdict}: {result.plan.name}")
    plain = openvino.Core()
    return {
        "openvino.Core": lambda: plain.compile_model(model, "CPU"),
        "ovquant.Core": lambda: ovquant.Core(store=out / "store").compile_model(model, "CPU"),
        "record": lambda: ovquant.record(plain.compile_model(folder / "model.xml", "CPU"), out / "recording", n=300),
        "guard": lambda: ovquant.guard(
            plain.compile_model(folder / "model.xml", "CPU"), plain.compile_model(model, "CPU"), limit=0.5, share=0.05
        ),
    }


def hammer(compiled: Any, inputs: list[np.ndarray], threads: int, seconds: float) -> tuple[int, int, list[str]]:
    """Return how many answers threads had, how many were wrong, and the errors."""
    expected = [np.array(compiled(array)[0]) for array in inputs]
    counts, wrong, errors = [0] * threads, [0] * threads, list[str]()
    end = time.monotonic() + seconds

    def work(number: int) -> None:
        request, random = compiled.create_infer_request(), np.random.default_rng(number)
        while time.monotonic() < end:
            place = int(random.integers(len(inputs)))
            try:
                found = np.array(request.infer([inputs[place]])[0])
            except Exception as error:
                errors.append(f"{type(error).__name__}: {error}")
                return
            counts[number] += 1
            wrong[number] += not np.allclose(found, expected[place], TOLERANCE, TOLERANCE)

    running = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return sum(counts), sum(wrong), errors


def main() -> None:
    """Print one line for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--out", type=Path, default=Path("out/threads"))
    arguments = parser.parse_args()
    shutil.rmtree(arguments.out, ignore_errors=True)
    arguments.out.mkdir(parents=True)
    write_model(arguments.out / "model.xml", 2)
    random = np.random.default_rng(0)
    inputs = [
        (random.standard_normal((1, 3, SIDE, SIDE)) + 2 * random.standard_normal((1, 3, 1, 1))).astype(np.float32)
        for _ in range(INPUTS)
    ]
    for name, make in ways(arguments.out / "model.xml", arguments.out, inputs).items():
        compiled = make()
        hammer(compiled, inputs, arguments.threads, 1.0)
        before = psutil.Process().memory_info().rss
        answers, wrong, errors = hammer(compiled, inputs, arguments.threads, arguments.seconds)
        grown = (psutil.Process().memory_info().rss - before) / 1e6
        said = f"{answers:,} answers in {arguments.seconds:g} s, {wrong} wrong, {len(errors)} errors, memory {grown:+.0f} MB"
        print(f"{name}: {said}", *errors[:1], flush=True)
        if name == "record":
            compiled.recorder.close()


if __name__ == "__main__":
    main()
