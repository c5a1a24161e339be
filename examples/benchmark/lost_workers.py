"""A search on two Dask workers of which one is killed at a random moment, again and again, beside the search that loses none.

    pip install ./plugins/ovquant-dask
    python examples/benchmark/lost_workers.py [--times 20]

The recogniser's weights are stored in int8, which takes no time that a clock decides: what comes out must be the same to the bit. Told
is for each time when the worker was killed, whether the result is the same, how many tasks there were, and how many of them were
done twice since their result, or the task, was lost with the worker. A worker that was killed is started again.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from distributed import LocalCluster
from distributed.diagnostics import SchedulerPlugin

import ovquant

WORDS = "ovquant.demo.words:Words:count=600,seed={}"


class Tasks(SchedulerPlugin):
    """Counts how often each task of a run was done."""

    def __init__(self) -> None:
        self.done = Counter[str]()

    def transition(self, key: Any, start: str, finish: str, *_: Any, **__: Any) -> None:
        """Note what becomes of a task."""
        if str(key).startswith("run-"):
            self.done[str(key)] += finish == "memory"


def search(model: Path, cluster: LocalCluster) -> tuple[Any, ...]:
    """Return what a search on the workers ends in, apart from times."""
    from ovquant_dask import Dask

    with tempfile.TemporaryDirectory() as folder:
        result = ovquant.quantize(
            model,
            data=WORDS.format(0),
            holdout=WORDS.format(12),
            metric="ovquant.demo.words:exact",
            max_drop="2pt",
            optimize="size",
            strategy="first",
            recipes=["weights"],
            output=Path(folder) / "out",
            executor=Dask(cluster.scheduler_address),
        )
        scores = [score for trial in result.trials for score in (trial.search, trial.holdout) if score is not None]
        told = [(score.main.value, score.main.float_value, score.main.low, score.main.high) for score in scores]
        return result.verdict, result.plan.key, result.model_digest, tuple(told)


def main() -> int:
    """Search without a loss, then so often with one, and tell what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    asked = parser.parse_args()
    from ovquant.demo.fetch import recogniser

    model, draw, same = recogniser(), random.Random(0), 0
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        search(model, cluster)
        begin = time.monotonic()
        expected = search(model, cluster)
        lasts = time.monotonic() - begin
        print(f"without a loss: {lasts:.0f} s, {expected[0]}", flush=True)
        for number in range(1, asked.times + 1):
            tasks, moment = Tasks(), draw.uniform(0, lasts)
            cluster.scheduler.add_plugin(tasks, name="tasks")
            chosen = cluster.workers[draw.choice(sorted(cluster.workers))]
            # Its process is another one since it was started again.
            timer = threading.Timer(moment, lambda nanny=chosen: os.kill(nanny.pid, signal.SIGKILL))
            timer.start()
            found = search(model, cluster)
            timer.join()
            cluster.scheduler.remove_plugin("tasks")
            same += found == expected
            twice = sum(count > 1 for count in tasks.done.values())
            print(
                f"{number:2}: killed at {moment:4.1f} s, {'the same' if found == expected else f'{found} and not {expected}'}, "
                f"{len(tasks.done)} tasks, {twice} done twice",
                flush=True,
            )
    print(f"{same} of {asked.times} ended in the same result")
    return int(same != asked.times)


if __name__ == "__main__":
    sys.exit(main())
