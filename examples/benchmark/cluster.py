"""A search on a cluster, simulated from what its parts cost in one that was measured, and held against runs that were.

    pip install ./plugins/ovquant-dask
    python examples/benchmark/cluster.py [--workers 1 2] [--out out/cluster]     # measures, then simulates
    python examples/benchmark/cluster.py --simulate [--out out/cluster]          # simulates from what lies in OUT

A search is a row of steps. Scores are taken by workers, in shards of some seconds; all else is done by the machine that will serve,
one thing after the other: calibration, layers, and timing, during which no worker has a task. The run with the fewest workers says what
each step costs, and the others are foretold from it. As many processes as there are workers on this machine are slower than one alone:
by how much is measured without a cluster. Then it is made larger: more samples, layers, targets, and workers on machines of their own.
"""

import argparse
import heapq
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

SHARD_SECONDS = 5.0
"""What a shard is meant to take; see ovquant.measure.shards."""
SEARCH, HOLDOUT = 1000, 3000
"""Words of the search and of the holdout that are measured."""
BANDWIDTH = 1e9 / 8
"""Bytes a second from the machine that serves to a worker, and from one worker to the next: gigabit Ethernet."""


@dataclass(frozen=True)
class Step:
    """One step: what it is, the seconds that it took, and the samples that were scored in it, if that is what it is.

    `layers` tells that it takes longer the more layers a model has.
    """

    what: str
    seconds: float
    samples: int = 0
    layers: bool = False


@dataclass(frozen=True)
class Cluster:
    """What is simulated; `task` are the seconds that the scheduler takes for a task, and `bytes` those of a plan's file.

    `crowding` is how many times as long a worker takes for a sample since others work on the same machine.
    """

    workers: int
    targets: int = 1
    crowding: float = 1.0
    task: float = 0.002
    bytes: float = 1e7


def simulate(steps: Sequence[Step], cluster: Cluster, measured_with: int = 1) -> dict[str, float]:
    """Return the seconds that a search takes, and those in which targets, workers and the scheduler are busy.

    Targets search on their own and share the workers, who take what comes first. measured_with: the workers that scored the steps.
    """
    free = [0.0] * cluster.workers
    heapq.heapify(free)
    scheduler, busy = 0.0, {"target": 0.0, "workers": 0.0, "scheduler": 0.0}
    clocks = [(0.0, target, 0) for target in range(cluster.targets)]
    heapq.heapify(clocks)
    ends = [0.0] * cluster.targets
    while clocks:
        now, target, place = heapq.heappop(clocks)
        if place == len(steps):
            ends[target] = now
            continue
        step = steps[place]
        if not step.samples:
            busy["target"] += step.seconds
            heapq.heappush(clocks, (now + step.seconds, target, place + 1))
            continue
        # A plan's file is handed on from worker to worker.
        begin = now + cluster.bytes / BANDWIDTH * max(1, cluster.workers).bit_length()
        work = step.seconds * measured_with * cluster.crowding
        shards = max(cluster.workers, round(work / SHARD_SECONDS))
        end = begin
        for _ in range(shards):
            scheduler = max(scheduler, begin) + cluster.task
            done = max(heapq.heappop(free), scheduler) + work / shards
            heapq.heappush(free, done)
            end = max(end, done)
        busy["workers"] += work
        busy["scheduler"] += shards * cluster.task
        heapq.heappush(clocks, (end, target, place + 1))
    whole = max(ends)
    shares = {
        "target": busy["target"] / whole / cluster.targets,
        "workers": busy["workers"] / whole / cluster.workers,
        "scheduler": busy["scheduler"] / whole,
    }
    return {"seconds": whole, **shares}


def larger(steps: Sequence[Step], *, samples: float, layers: float) -> list[Step]:
    """Return the steps of a search over so many times the samples, of a model of so many times the layers."""
    return [
        replace(step, samples=round(step.samples * samples), seconds=step.seconds * samples)
        if step.samples
        else replace(step, seconds=step.seconds * (layers if step.layers else 1))
        for step in steps
    ]


def measure(workers: int) -> list[Step]:
    """Run a search in which scoring dominates with so many workers on this machine, and return its steps."""
    from dask.distributed import LocalCluster
    from ovquant_dask import Dask

    import ovquant
    from ovquant.domain.progress import BESIDE

    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from cases import ALL

    case = ALL["recogniser-1pt"]
    words = "ovquant.demo.words:Words:count={},seed={}"
    marks: list[tuple[float, str, int]] = []

    def progress(what: str, _done: int, total: int) -> None:
        what = what.partition(BESIDE)[0]
        if not marks or marks[-1][1] != what:
            marks.append((time.monotonic(), what, total))

    begin = time.monotonic()
    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster:
        ovquant.quantize(
            case.model(),
            data=words.format(SEARCH, 0),
            holdout=words.format(HOLDOUT, 12),
            metric="ovquant.demo.words:exact",
            max_drop="1pt",
            strategy="first",
            recipes=["transformer+mixed+ranges:estimator=histogram+bias"],
            executor=Dask(cluster.scheduler_address),
            progress=progress,
        )
    return list(steps_of(begin, marks, time.monotonic()))


def steps_of(begin: float, marks: Sequence[tuple[float, str, int]], end: float) -> Iterator[Step]:
    """Yield the steps between what progress has told; what was told last goes on until something else is."""
    times = [mark[0] for mark in marks] + [end]
    yield Step("opening", times[0] - begin)
    for (start, what, total), stop in zip(marks, times[1:], strict=True):
        scored = what.startswith("evaluating") and "as processors" not in what
        # What follows a score within one mark, such as a timing that tells nothing, is not told apart from it.
        yield Step(what, stop - start, total if scored else 0, layers="calibrating" in what or "layers" in what)


ALONE = """
import sys, time, openvino
from concurrent.futures import ThreadPoolExecutor
from ovquant.demo.fetch import recogniser
from ovquant.demo.words import Words
properties = {"INFERENCE_NUM_THREADS": 1, "ENABLE_CPU_PINNING": "NO", "INFERENCE_PRECISION_HINT": "f32"}
compiled, words = openvino.Core().compile_model(str(recogniser()), "CPU", properties), Words(count=600, seed=5)
print("ready", flush=True)
sys.stdin.readline()
begin = time.monotonic()
with ThreadPoolExecutor(1) as reader:
    read = [reader.submit(words.__getitem__, place) for place in range(len(words))]
    for word in read:
        compiled([word.result().inputs[None]])
print(time.monotonic() - begin)
"""
"""Infers words with one thread while it reads the next ones, as a worker does, once it is told to."""


def crowding(processes: int) -> float:
    """Return how many times as long each of so many processes takes for its words as one alone does."""

    def seconds(count: int) -> float:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        started = [subprocess.Popen([sys.executable, "-c", ALONE], **pipes) for _ in range(count)]  # type: ignore[call-overload]
        for process in started:
            process.stdout.readline()
        for process in started:
            process.stdin.write("\n")
            process.stdin.flush()
        return statistics.mean(float(process.communicate()[0]) for process in started)

    return statistics.median(seconds(processes) / seconds(1) for _ in range(3))


def main() -> None:
    """Measure if need be, hold the simulation against what was measured, and make it larger."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[1, 2], help="the workers of each run that is measured"
    )
    parser.add_argument("--out", type=Path, default=Path("out/cluster"))
    parser.add_argument("--simulate", action="store_true", help="take what lies in OUT")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    file = asked.out / "steps.json"
    if not asked.simulate:
        found = {str(workers): [asdict(step) for step in measure(workers)] for workers in asked.workers}
        crowded = {str(workers): crowding(workers) for workers in asked.workers}
        file.write_text(json.dumps({"runs": found, "crowding": crowded}, indent=2) + "\n", encoding="utf-8")
    known = json.loads(file.read_text(encoding="utf-8"))
    runs = {int(workers): [Step(**step) for step in steps] for workers, steps in known["runs"].items()}
    fewest = min(runs)
    base = runs[fewest]
    for workers, steps in sorted(runs.items()):
        crowded = known["crowding"][str(workers)] / known["crowding"][str(fewest)]
        taken = sum(step.seconds for step in steps)
        foretold = simulate(base, Cluster(workers, crowding=crowded), fewest)["seconds"]
        print(f"{workers} workers: {taken:.0f} s measured, {foretold:.0f} s simulated ({foretold / taken - 1:+.0%})")
        print(f"  each takes {crowded:.2f} times as long for a sample as with {fewest} at work on this machine")
    print()
    print_sizes(base, fewest)


def print_sizes(base: Sequence[Step], fewest: int) -> None:
    """Print what searches take that are larger than the one that was measured, and what is busy."""
    scored = sum(step.seconds for step in base if step.samples)
    whole = sum(step.seconds for step in base)
    print(f"scoring is {scored / whole:.0%} of the run with {fewest} workers")
    print(
        f"{'samples':>8} {'layers':>7} {'targets':>8} {'workers':>8} {'hours':>7} {'target':>7} {'workers':>8} {'scheduler':>10}"
    )
    sizes: list[tuple[float, float]] = [(1, 1), (12.5, 1), (12.5, 100)]
    for samples, layers in sizes:
        steps = larger(base, samples=samples, layers=layers)
        for targets, workers in ((1, 1), (1, 8), (1, 64), (3, 64)):
            shown: dict[str, Any] = simulate(steps, Cluster(workers, targets), fewest)
            print(
                f"{samples * (SEARCH + HOLDOUT):8.0f} {50 * layers:7.0f} {targets:8} {workers:8} {shown['seconds'] / 3600:7.2f} "
                f"{shown['target']:7.0%} {shown['workers']:8.0%} {shown['scheduler']:10.1%}"
            )


if __name__ == "__main__":
    main()
