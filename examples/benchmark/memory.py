"""Peak memory: of a search against the size of the model and of the data, and of an evaluation against the number of samples.

    python examples/benchmark/memory.py models [--megabytes 2 100 400 2100] [--budget 4m] [--out out/memory]
    python examples/benchmark/memory.py data [--gigabytes 0.2 1 4]
    python examples/benchmark/memory.py samples

Models are generated: blocks of convolutions, and of matrices, each with half of the weights. The memory of a command is what all of
its processes hold at one moment: without files that are mapped (anonymous), and with them (resident, what they share counted once).
"""

import argparse
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino
import psutil
from openvino import opset13 as ops

from ovquant.domain.sample import Array

COUNTS = (1000, 4000, 16000)
CHANNELS, WIDTH, SIDE, LARGE_SIDE = 512, 1024, 8, 224
STEP = 0.1
"""Seconds between two looks at the memory of a command."""


def write_model(path: Path, megabytes: float, *, side: int = SIDE) -> None:
    """Write a residual network with so many megabytes of f32 weights, for images of a size."""
    random = np.random.default_rng(0)

    def weights(*shape: int) -> Array:
        fan = int(np.prod(shape[1:]))
        return random.standard_normal(shape, dtype=np.float32) / np.float32(np.sqrt(fan))

    small = megabytes < 50
    channels, width = (CHANNELS // 8, WIDTH // 8) if small else (CHANNELS, WIDTH)
    image = ops.parameter([1, 3, side, side], np.float32, name="image")
    found = _convolution(image, weights(channels, 3, 3, 3), stride=side // SIDE)
    for _ in range(max(1, round(megabytes * 1e6 / 2 / 4 / (channels * channels * 9)))):
        found = ops.add(found, ops.relu(_convolution(found, weights(channels, channels, 3, 3) * np.float32(0.3))))
    found = ops.reduce_mean(found, np.array([2, 3]), False)
    found = ops.matmul(found, weights(width, channels), False, True)
    for _ in range(max(1, round(megabytes * 1e6 / 2 / 4 / (width * width)))):
        found = ops.add(found, ops.relu(ops.matmul(found, weights(width, width) * np.float32(0.3), False, True)))
    found = ops.matmul(found, weights(10, width), False, True)
    openvino.save_model(openvino.Model([ops.result(found)], [image], "generated"), path, compress_to_fp16=False)


def _convolution(source: openvino.Node, weights: Array, *, stride: int = 1) -> openvino.Node:
    convolution = ops.convolution(source, weights, [stride, stride], [1, 1], [1, 1], [1, 1])
    return ops.add(convolution, np.zeros((1, len(weights), 1, 1), np.float32))


def write_data(path: Path, samples: int, *, side: int = SIDE) -> None:
    """Write random images of a size as an .npz file, block by block."""
    random, plain = np.random.default_rng(1), path.with_suffix(".npy")
    images = np.lib.format.open_memmap(plain, "w+", np.float32, (samples, 3, side, side))
    for begin in range(0, samples, 100):
        block = images[begin : begin + 100]
        block[:] = random.standard_normal(block.shape, dtype=np.float32)
        block += 2 * random.standard_normal((len(block), 3, 1, 1), dtype=np.float32)
    images.flush()
    np.savez(path, image=images)
    plain.unlink()


def peak(command: Sequence[str]) -> tuple[float, float, int]:
    """Run a command and return what its processes held at most, anonymous and resident in MB, and its exit code."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    most, ended = np.zeros(2), threading.Event()

    def watch() -> None:
        while not ended.wait(STEP):
            most[:] = np.maximum(most, _held(process.pid))

    watching = threading.Thread(target=watch)
    watching.start()
    code = process.wait()
    ended.set()
    watching.join()
    return float(most[0]), float(most[1]), code


def _held(pid: int) -> Array:
    """Return what a process and all that it started hold: anonymous memory, and all of it, in MB."""
    held = np.zeros(2)
    try:
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return held
    for process in processes:
        try:
            lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()[1:]
        except (OSError, ProcessLookupError):
            continue
        sizes = {name: int(size.split()[0]) for name, _, size in (line.partition(":") for line in lines)}
        held += np.array([sizes["Pss_Anon"], sizes["Pss"]]) / 1e3
    return held


def search(model: Path, data: Path, out: Path, budget: str) -> tuple[float, float, int]:
    """Return the peak memory of a search for a plan."""
    for left in (out, out.with_name(f"{out.name}.partial")):
        shutil.rmtree(left, ignore_errors=True)
    command = [sys.executable, "-m", "ovquant", "quantize", str(model), "--data", str(data), "--metric", "fidelity"]
    return peak([*command, "--max-drop", "0.05", "--time-budget", budget, "--allow-float", "-o", str(out)])


def models(sizes: Sequence[float], out: Path, budget: str) -> None:
    """Print the peak of a search for models of so many megabytes."""
    for size in sizes:
        # A request of the largest takes most of a second.
        write_data(out / "data.npz", 400 if size < 1000 else 100)
        model = out / "model.xml"
        write_model(model, size)
        weights = model.with_suffix(".bin").stat().st_size / 1e6
        anonymous, resident, code = search(model, out / "data.npz", out / "result", budget)
        allowed = f", of {3 * weights + 1000:.0f} MB allowed" if size >= 100 else ""
        print(
            f"{weights:5.0f} MB of weights: {anonymous:5.0f} MB anonymous, {resident:5.0f} MB resident{allowed} (exit {code})",
            flush=True,
        )


def data(sizes: Sequence[float], out: Path, budget: str) -> None:
    """Print the peak of a search for data of so many gigabytes."""
    write_model(out / "model.xml", 2, side=LARGE_SIDE)
    for size in sizes:
        write_data(out / "data.npz", round(size * 1e9 / (4 * 3 * LARGE_SIDE**2)), side=LARGE_SIDE)
        anonymous, resident, code = search(out / "model.xml", out / "data.npz", out / "result", budget)
        print(
            f"{size:4.1f} GB of data: {anonymous:5.0f} MB anonymous, {resident:5.0f} MB resident (exit {code})",
            flush=True,
        )


def samples(count: int) -> None:
    """Evaluate on so many samples and print the peak resident memory in MiB."""
    import ovquant

    cases = Path(__file__).parent.parent / "cases" / "crepe.py"
    ovquant.evaluate(f"{cases}:tiny", data=f"{cases}:Tones:count={count}", metric=f"{cases}:rpa50")
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def main() -> None:
    """Print one of the three tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=["models", "data", "samples"])
    parser.add_argument("--megabytes", type=float, nargs="+", default=[2, 100, 400, 2100])
    parser.add_argument("--gigabytes", type=float, nargs="+", default=[0.2, 1, 4])
    parser.add_argument("--budget", default="4m")
    parser.add_argument("--out", type=Path, default=Path("out/memory"))
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.count:
        samples(arguments.count)
    elif arguments.table == "samples":
        for count in COUNTS:
            command = [sys.executable, __file__, "samples", "--count", str(count)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            print(f"{count:6} samples: {done.stdout.strip()} MiB")
    else:
        arguments.out.mkdir(parents=True, exist_ok=True)
        table, sizes = (models, arguments.megabytes) if arguments.table == "models" else (data, arguments.gigabytes)
        table(sizes, arguments.out, arguments.budget)
        shutil.rmtree(arguments.out)


if __name__ == "__main__":
    main()
