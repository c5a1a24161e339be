"""Time a result against float and NNCF's default INT8 in one interleaved run, and score all three on fresh words.

    python examples/benchmark/against_nncf.py out/demo

The NNCF model is what `nncf.quantize(model, dataset)` gives with the calibration size of the default recipe, on words
of the demonstration's search data. All models are compiled with the device's defaults.
"""

import sys
import tempfile
from pathlib import Path

import nncf
import openvino

import ovquant
from ovquant.demo.fetch import recogniser
from ovquant.demo.words import Words, exact

CALIBRATION, FRESH = 300, Words(3000, seed=2)


def nncf_default(folder: Path) -> Path:
    """Write NNCF's default INT8 model and return its path."""
    words = Words(CALIBRATION, seed=0)
    model = openvino.Core().read_model(recogniser())
    quantized = nncf.quantize(model, nncf.Dataset(range(CALIBRATION), lambda index: words[index].inputs[None]))
    path = folder / "nncf-default.xml"
    openvino.save_model(quantized, path, compress_to_fp16=False)
    return path


def main(result: Path) -> None:
    """Print a table of score, drop and latency."""
    with tempfile.TemporaryDirectory() as folder:
        models = [recogniser(), nncf_default(Path(folder)), result / "model.xml"]
        timed = ovquant.benchmark(models, data=FRESH, seconds=60)
        print(
            f"{'model':24} {'exact match':>11} {'drop (95 %)':>22} {'p50 ms':>7} {'p95 ms':>7} {'x float (95 %)':>20}"
        )
        labels = ("float", "nncf.quantize, defaults", "ovquant")
        for label, model, contender in zip(labels, models, timed, strict=True):
            score = ovquant.evaluate(model, data=FRESH, metric=exact, reference=recogniser())
            timing = contender.timing
            drop = f"{score.drop:.4f} ({score.low:.4f}…{score.high:.4f})"
            speed = f"{1 / timing.ratio:.2f} ({1 / timing.ratio_high:.2f}…{1 / timing.ratio_low:.2f})"
            print(
                f"{label:24} {score.evaluation.score:11.4f} {drop:>22} {timing.p50_ms:7.2f} {timing.p95_ms:7.2f} {speed:>20}"
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
