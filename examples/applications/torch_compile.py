"""Serve the MiniLM text classifier to a PyTorch application: by torch.compile, and as a module, beside PyTorch itself.

    .venv/bin/pip install -e ".[examples]"
    .venv/bin/ovquant quantize examples/cases/minilm.py:model --data examples/cases/minilm.py:Texts:part=search,count=1000 \\
        --holdout examples/cases/minilm.py:Texts:part=holdout --metric accuracy --max-drop 1% --time-budget 4m -o out/minilm
    .venv/bin/python examples/applications/torch_compile.py out/minilm

The application has its own module, made anew; `torch.compile(module, backend="ovquant")` finds the result by its weights.
Texts are R8's test texts, in turn.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import torch

import ovquant

sys.path.append(str(Path(__file__).resolve().parent.parent / "cases"))
import minilm

WARM = 20


def main() -> None:
    """Classify the texts in every way, in turn, and print what is right and how long one takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", type=Path, help="the folder that ovquant wrote")
    parser.add_argument("--count", type=int, default=1000)
    asked = parser.parse_args()
    warnings.simplefilter("error", ovquant.NotServedWarning)
    module, _ = minilm.model()
    ways = {
        "PyTorch": module,
        'torch.compile(backend="ovquant")': torch.compile(
            module, backend="ovquant", dynamic=True, options={"store": str(asked.result)}
        ),
        "Result.load(...).module()": ovquant.Result.load(asked.result).module(),
    }
    names, texts = list(ways), minilm.Texts("holdout", asked.count)
    times: dict[str, list[float]] = {name: [] for name in ways}
    classes: dict[str, list[int]] = {name: [] for name in ways}
    with torch.no_grad():
        for place in (*range(WARM), *range(len(texts))):
            inputs = {name: torch.from_numpy(array)[None] for name, array in texts[place].inputs.items()}
            # In turn who is first: PyTorch's threads keep the processor busy for a while after each answer.
            for name in (*names[place % 3 :], *names[: place % 3]):
                way = ways[name]
                begin = time.perf_counter()
                scores = way(**inputs)
                times[name].append(1e3 * (time.perf_counter() - begin))
                classes[name].append(int(scores.argmax()))
    targets = np.array([texts[place].target for place in range(len(texts))])
    first = np.array(times["PyTorch"][WARM:])
    print(f"{len(texts)} texts, torch {torch.__version__}, {torch.get_num_threads()} threads")
    for name in ways:
        taken, found = np.array(times[name][WARM:]), np.array(classes[name][WARM:])
        low, middle, high = np.percentile(first / taken, (25, 50, 75))
        print(
            f"{name:33} accuracy {np.mean(found == targets):.4f}  median {np.median(taken):6.2f} ms  "
            f"{middle:.2f} times as fast ({low:.2f} to {high:.2f})"
        )
    same = np.mean(
        np.array(classes["Result.load(...).module()"]) == np.array(classes['torch.compile(backend="ovquant")'])
    )
    print(f"the same class by both of ovquant's ways: {same:.4f}")


if __name__ == "__main__":
    main()
