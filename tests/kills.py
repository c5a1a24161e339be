"""Kill a run at random moments, again and again, and see that it goes on and measures nothing twice: `python tests/kills.py [N]`.

A search of a small model is started and killed with SIGKILL after a random time, N times in all (50 unless given); whenever one
ends by itself its result is compared with that of a run that nobody killed, and another is begun.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import openvino

from ovquant.domain.plan import Plan
from tests.api.models import linear, samples

MEASURED = ("content", "operations", "timing", "evaluation", "divergence", "facts", "sensitivity")
"""Kinds of entries that are measurements; the others say what was made of them."""
RECIPES = ("default", "mixed", "weights")


def command(folder: Path, output: str) -> list[str]:
    """Return the command; what it optimises is the size, which no noise changes."""
    asked = [sys.executable, "-m", "ovquant", "quantize", str(folder / "net.xml"), "--data", str(folder / "val.npz")]
    asked += ["--metric", "accuracy", "--max-drop", "20%", "--optimize", "size", "-o", str(folder / output)]
    return [*asked, *(part for recipe in RECIPES for part in ("--recipe", recipe))]


def measured(profile: Path) -> Counter[str]:
    """Count the entries of a profile that are measurements, by kind and key."""
    lines = profile.read_bytes().split(b"\n")[:-1] if profile.exists() else []
    entries = [json.loads(line) for line in lines]
    return Counter(json.dumps([entry["kind"], entry["key"]]) for entry in entries if entry["kind"] in MEASURED)


def main() -> None:
    """Kill, go on, and say what was seen."""
    kills, dice = int(sys.argv[1]) if len(sys.argv) > 1 else 50, random.Random(0)
    environment = {**os.environ, "OVQUANT_ISOLATE": "1"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        openvino.save_model(linear(), folder / "net.xml", compress_to_fp16=False)
        data = samples(200)
        np.savez(folder / "val.npz", x=np.stack([one.inputs for one in data]), targets=[one.target for one in data])
        begin = time.monotonic()
        subprocess.run(command(folder, "whole"), env=environment, check=True, **quiet)
        whole, seconds = Plan.load(folder / "whole" / "plan.json"), time.monotonic() - begin
        print(f"a run that nobody killed took {seconds:.1f} s and returned {whole.name}", flush=True)
        done, finished, repeated = 0, 0, 0
        while done < kills:
            partial = folder / "out.partial" / "profile.jsonl"
            before = measured(partial)
            process = subprocess.Popen(command(folder, "out"), env=environment, **quiet)
            try:
                code = process.wait(dice.uniform(0.2, 1.2 * seconds))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                done += 1
                if not partial.exists():
                    # It was on its way out, and the result has its place already.
                    partial = folder / "out" / "profile.jsonl"
            else:
                if code != 0 or Plan.load(folder / "out" / "plan.json").key != whole.key:
                    sys.exit(f"a run that went on ended with exit code {code}, or with another plan")
                partial = folder / "out" / "profile.jsonl"
                finished += 1
            after = measured(partial)
            if before - after:
                sys.exit("measurements were lost")
            repeated += sum(count - 1 for count in after.values())
            if not (folder / "out.partial").exists():
                subprocess.run(["rm", "-r", str(folder / "out")], check=True) if (folder / "out").exists() else None
        print(
            f"{done} kills: {finished} runs went on to the same plan, {repeated} measurements were made twice",
            flush=True,
        )


if __name__ == "__main__":
    main()
