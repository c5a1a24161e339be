"""Start a Dask scheduler and workers on this machine, of one thread each unless told otherwise, and run a command of ovquant with them.

    pip install ./plugins/ovquant-dask
    python examples/cluster/local.py [--workers 2] [--threads 1] quantize model.onnx --data val.npz --metric accuracy --max-drop 1% -o out/

What follows the options is given to `ovquant`, with --executor added. With `--machine NAME`, once or more often, each of these machines is
started too and has a search of its own (--target). All is ended with the command, whose exit code is this one's.
"""

import argparse
import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STARTING = 60.0
"""Seconds that the scheduler may take to come up."""


def main() -> int:
    """Start the cluster, run the command, and end the cluster."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2, help="how many workers to start")
    parser.add_argument("--threads", type=int, default=1, help="how many threads each has")
    parser.add_argument(
        "--machine", action="append", default=[], help="start a machine of this name that searches for itself"
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, help="a command of ovquant with its options")
    asked = parser.parse_args()
    # Whatever ends this program ends the cluster.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as folder:
        place, processes = Path(folder), list[subprocess.Popen[bytes]]()
        file, dask = place / "scheduler.json", (sys.executable, "-m", "dask")
        own = ("--no-dashboard", "--scheduler-file", str(file))
        with (place / "log").open("wb") as log:

            def start(*options: str) -> None:
                processes.append(subprocess.Popen([*dask, *options, *own], stdout=log, stderr=subprocess.STDOUT))

            try:
                start("scheduler", "--host", "127.0.0.1", "--port", "0")
                address = awaited(file)
                options = ("worker", "--nthreads", str(asked.threads), "--local-directory")
                for number in range(asked.workers):
                    start(*options, str(place / str(number)))
                for name in asked.machine:
                    start(*options, str(place / f"machine-{name}"), "--resources", f"target-{name}=1")
                # With fewer the run would begin with the first that is there.
                count = asked.workers + len(asked.machine)
                waiting = f"from distributed import Client; Client({address!r}).wait_for_workers({count}, {STARTING})"
                subprocess.run([sys.executable, "-c", waiting], check=True)
                program = [sys.executable, "-m", "ovquant", *asked.command, "--executor", f"dask:{address}"]
                program += [word for name in asked.machine for word in ("--target", name)]
                begin = time.monotonic()
                code = subprocess.run(program, check=False).returncode
                print(f"{asked.workers} workers: {time.monotonic() - begin:.0f} s", file=sys.stderr)
                return code
            finally:
                for process in reversed(processes):
                    process.terminate()
                for process in processes:
                    process.wait()


def awaited(file: Path) -> str:
    """Return the scheduler's address once it has written it."""
    end = time.monotonic() + STARTING
    while time.monotonic() < end:
        # The file is there, and empty, before it is written.
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
            address: str = json.loads(file.read_text(encoding="utf-8"))["address"]
            return address
        time.sleep(0.1)
    raise SystemExit("The scheduler did not start: pip install ./plugins/ovquant-dask.")


if __name__ == "__main__":
    sys.exit(main())
