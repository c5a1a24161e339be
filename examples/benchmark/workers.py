"""A search by itself, by one worker and by two, with the same timings: how long each takes, and that all end in the same plan.

    pip install ./plugins/ovquant-dask
    python examples/benchmark/workers.py [--words 3000] [--stored] [--out out/workers]

What a clock decides differs from run to run, and so may the plan. So one search is run first, which does not count, and all others find its
timings in their profiles, as a run that goes on does: they time nothing, and do the same steps. The words are drawn when they are read, which
takes about 2 ms each; with --stored they are drawn before, into files that are mapped.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from distributed import LocalCluster

import ovquant
from ovquant.demo.fetch import recogniser
from ovquant.demo.words import Words
from ovquant.domain.profile import Profile
from ovquant.domain.record import Record

SEEDS = {"data": 0, "holdout": 12}
CLOCKED = ("timing", "operations")
"""What is measured with a clock."""
RUNS = {
    "alone": (0, 0),
    "1 worker of 2 threads": (1, 2),
    "1 worker of 1 thread": (1, 1),
    "2 workers of 1 thread": (2, 1),
}
"""Workers, and the threads of each."""
Known = list[tuple[str, Any, Any]]


def stored(words: int, folder: Path) -> dict[str, Path]:
    """Draw the words into files, one for each split, and return their paths."""
    found = {name: folder / f"{name}.npz" for name in SEEDS}
    for name, path in found.items():
        drawn = list(map(Words(words, seed=SEEDS[name]).__getitem__, range(words)))
        images = np.stack([np.asarray(sample.inputs) for sample in drawn])
        np.savez(path, x=images, y=np.array([sample.target for sample in drawn]))
    return found


@contextmanager
def cluster(workers: int, threads: int) -> Iterator[Any]:
    """Start workers on this machine, and return the executor that has them; None where there are to be none."""
    if not workers:
        yield None
        return
    from ovquant_dask import Dask

    with LocalCluster(n_workers=workers, threads_per_worker=threads, dashboard_address=None) as started:
        yield Dask(started.scheduler_address)


def search(data: dict[str, Any], out: Path, executor: Any, known: Known) -> tuple[float, ovquant.Result]:
    """Search with what is known already; return how long it takes, starting the workers left out, and its result."""
    shutil.rmtree(out, ignore_errors=True)
    partial = out.with_name(f"{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    Record("run").write(partial)
    profile = Profile(partial / "profile.jsonl")
    for entry in known:
        profile.record(*entry)
    begin = time.monotonic()
    result = ovquant.quantize(
        recogniser(),
        **data,
        metric="ovquant.demo.words:exact",
        max_drop="1pt",
        strategy="first",
        recipes=["transformer+mixed+ranges:estimator=histogram+bias"],
        output=out,
        **({} if executor is None else {"executor": executor}),
    )
    return time.monotonic() - begin, result


def told(result: ovquant.Result) -> tuple[Any, ...]:
    """Return what must be the same however a search was done."""
    scores = [score for trial in result.trials for score in (trial.search, trial.holdout) if score is not None]
    return result.verdict, result.plan.key, result.model_digest, tuple(score.all for score in scores)


def main() -> int:
    """Search in every way, and tell what each takes; return 1 where one ended in another result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=int, default=3000)
    parser.add_argument("--stored", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("out/workers"))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    drawn = {name: f"ovquant.demo.words:Words:count={asked.words},seed={seed}" for name, seed in SEEDS.items()}
    data: dict[str, Any] = stored(asked.words, asked.out) if asked.stored else drawn
    search(data, asked.out / "first", None, [])
    profile = Profile(asked.out / "first/profile.jsonl")
    known = [(kind, key, value) for kind in CLOCKED for key, value in profile.entries(kind)]
    expected, taken, others = None, dict[str, float](), 0
    for name, (workers, threads) in RUNS.items():
        with cluster(workers, threads) as executor:
            taken[name], result = search(data, asked.out / "run", executor, known)
        expected = expected or told(result)
        same = "the same" if told(result) == expected else "ANOTHER RESULT"
        others += told(result) != expected
        print(f"{name:22} {taken[name]:6.0f} s, {result.verdict}, {result.plan.title}: {same}", flush=True)
    alone, two_threads, one, two = taken.values()
    print(f"overhead of a worker: {two_threads / alone - 1:+.0%}; two workers for one: {one / two:.2f} times as fast")
    return int(others > 0)


if __name__ == "__main__":
    sys.exit(main())
