"""Peak memory of an evaluation against the number of samples: it must not grow with it.

    python examples/benchmark/memory.py

Each count runs in a process of its own, on CREPE tiny and tones of examples/cases.
"""

import resource
import subprocess
import sys
from pathlib import Path

COUNTS = (1000, 4000, 16000)


def measure(count: int) -> None:
    """Evaluate on so many samples and print the peak resident memory in MiB."""
    import ovquant

    cases = Path(__file__).parent.parent / "cases" / "crepe.py"
    ovquant.evaluate(f"{cases}:tiny", data=f"{cases}:Tones:count={count}", metric=f"{cases}:rpa50")
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(int(sys.argv[1]))
    else:
        for count in COUNTS:
            done = subprocess.run([sys.executable, __file__, str(count)], capture_output=True, text=True, check=True)
            print(f"{count:6} samples: {done.stdout.strip()} MiB")
