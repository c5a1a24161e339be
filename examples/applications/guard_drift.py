"""Serve words with a guarded recogniser, then blurred and noisy ones, and see after how many requests the guard fires.

    .venv/bin/python examples/applications/guard_drift.py FLOAT.onnx RESULT [--requests 600]

FLOAT.onnx is the recogniser that the folder RESULT was made from. The limit is found on 300 words like those served; a
tenth of the requests is compared. Also prints what recording and guarding cost a request.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from scipy.ndimage import gaussian_filter

import ovquant
from ovquant.demo.words import Words

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]
CHANGES: dict[str, Change] = {
    "none": lambda image, random: image,
    "blur": lambda image, random: gaussian_filter(image, (0, 0, 0.9, 0.9)),
    "noise": lambda image, random: image + random.normal(0, 0.7, image.shape).astype(np.float32),
}
SHARE, BEFORE = 0.1, 300


def words(count: int, seed: int) -> list[np.ndarray]:
    """Return rendered words with the batch axis."""
    data = Words(count, seed=seed)
    arrays = [np.asarray(data[place].inputs) for place in range(count)]
    return [array if array.ndim == 4 else array[None] for array in arrays]


def fired_after(model: ovquant.GuardedModel, images: list[np.ndarray], change: Change) -> int | None:
    """Serve images and return after how many the guard fired, None if it did not."""
    random = np.random.default_rng(0)
    for place, image in enumerate(images, start=1):
        model(change(image, random))
        # A request of a real application comes later; the comparison is done by then.
        while model.guard.waiting:
            time.sleep(0.001)
        if model.guard.fired:
            return place
    return None


def cost(plain: Any, watched: Any, images: list[np.ndarray]) -> float:
    """Return the median of the ratio of the time of a request with and without what is measured, in turn."""
    ratios = []
    for image in images:
        begin = time.perf_counter()
        plain(image)
        middle = time.perf_counter()
        watched(image)
        ratios.append((time.perf_counter() - middle) / (middle - begin))
    return statistics.median(ratios)


def main() -> None:
    """Serve every kind of change after quiet requests, and print when the guard fired."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="the float recogniser")
    parser.add_argument("result", type=Path, help="the folder that ovquant wrote")
    parser.add_argument("--requests", type=int, default=600)
    asked = parser.parse_args()
    quantized = ovquant.Result.load(asked.result).compile()
    reference = openvino.Core().compile_model(asked.model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    data = [ovquant.Sample(image) for image in words(300, seed=31)]
    first = ovquant.guard(quantized, reference, data=data)
    first.guard.close()
    limit = first.guard.drift.limit
    print(f"limit of the disagreement, found on 300 words: {limit:.4f}")
    quiet, served = words(BEFORE, seed=32), words(asked.requests, seed=33)
    for name, change in CHANGES.items():
        model = ovquant.guard(quantized, reference, limit=limit, share=SHARE, action=lambda guard: None)
        assert fired_after(model, quiet, CHANGES["none"]) is None, "it fired before anything had changed"
        after = fired_after(model, served, change)
        model.guard.close()
        drift = model.guard.drift
        said = "did not fire" if after is None else f"fired after {after} requests"
        print(f"{name:6} {said}, {drift.count} compared, mean disagreement {drift.mean:.4f}")
    with tempfile.TemporaryDirectory() as folder:
        recorded = ovquant.record(quantized, Path(folder) / "calib", n=100)
        print(f"a recorded request takes {cost(quantized, recorded, quiet):.3f} of a plain one (median)")
        recorded.recorder.close()
    watched = ovquant.guard(quantized, reference, limit=limit, share=0.01)
    print(f"a guarded request takes {cost(quantized, watched, quiet):.3f} of a plain one (median)")
    watched.guard.close()


if __name__ == "__main__":
    main()
