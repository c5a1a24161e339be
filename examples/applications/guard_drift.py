"""Serve words with a guarded recogniser, then blurred and noisy ones, and see after how many requests the guard fires.

    .venv/bin/python examples/applications/guard_drift.py FLOAT.onnx RESULT [--requests 1000]

FLOAT.onnx is the recogniser that the folder RESULT was made from. Disagreement is that the two models read another text.
The limit is found on 1,000 words like those served; a tenth of the requests is compared. Beside the requests that it took
the guard to fire, the share of words that float itself reads right says how much a change matters.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from scipy.ndimage import gaussian_filter

import ovquant
from ovquant.demo.words import Words, read

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]
CHANGES: dict[str, Change] = {
    "none": lambda image, random: image,
    "blur, 1.3 pixels": lambda image, random: gaussian_filter(image, (0, 0, 1.3, 1.3)),
    "blur, 5 pixels": lambda image, random: gaussian_filter(image, (0, 0, 5, 5)),
    "noise of 0.1": lambda image, random: image + random.normal(0, 0.1, image.shape).astype(np.float32),
    "noise of 0.2": lambda image, random: image + random.normal(0, 0.2, image.shape).astype(np.float32),
}
"""Blur by its standard deviation, of 48 pixels of height; noise by its own, of the range from -1 to 1."""
SHARE, BEFORE, STREAMS = 0.1, 300, 5


def same_text(outputs: np.ndarray, expected: list[np.ndarray]) -> list[float]:
    """Say 1 where the text is the one that the float model reads."""
    return [float(read(scores) == read(other[0])) for scores, other in zip(outputs, expected, strict=True)]


same_text.per_sample = True  # type: ignore[attr-defined]


def words(count: int, seed: int) -> list[tuple[np.ndarray, str]]:
    """Return rendered words with the batch axis, and what they are."""
    data = Words(count, seed=seed)
    return [(np.asarray(sample.inputs)[None], sample.target) for sample in (data[place] for place in range(count))]


def fired_after(model: ovquant.GuardedModel, images: list[np.ndarray]) -> int | None:
    """Serve images and return after how many the guard fired, None if it did not."""
    for place, image in enumerate(images, start=1):
        model(image)
        # A request of a real application comes later; the comparison is done by then.
        while model.guard.waiting:
            time.sleep(0.001)
        if model.guard.fired:
            return place
    return None


def right(model: openvino.CompiledModel, changed: list[np.ndarray], texts: list[str]) -> float:
    """Return the share of words that a model reads right."""
    found = [read(model(image)[0][0]) == text for image, text in zip(changed, texts, strict=True)]
    return sum(found) / len(found)


def cost(plain: Any, watched: Any, images: list[np.ndarray], requests: int) -> str:
    """Return the ratio of the time of requests with and without what is measured, in turns of 25, and its quartiles."""
    turns = []
    for begin in range(0, requests, 25):
        part = [images[place % len(images)] for place in range(begin, begin + 25)]
        times = []
        for model in (plain, watched):
            start = time.perf_counter()
            for image in part:
                model(image)
            times.append(time.perf_counter() - start)
        turns.append(times)
    found = np.array(turns)
    low, middle, high = np.percentile(found[:, 1] / found[:, 0], (25, 50, 75))
    total = found[:, 1].sum() / found[:, 0].sum()
    return f"{total:.3f} of a plain one in all, {middle:.3f} in the median turn of 25 ({low:.3f} to {high:.3f})"


def drifts(quantized: Any, reference: Any, limit: float, requests: int) -> None:
    """Serve each kind of change after quiet requests, several times, and print when the guard fired."""
    for name, change in CHANGES.items():
        after, compared, shares = [], [], []
        for stream in range(STREAMS):
            random = np.random.default_rng(stream)
            how = {"limit": limit, "share": SHARE, "metric": same_text, "seed": stream}
            model = ovquant.guard(quantized, reference, **how, action=lambda guard: None)
            quiet, served = words(BEFORE, seed=100 + stream), words(requests, seed=200 + stream)
            assert fired_after(model, [image for image, _ in quiet]) is None, "it fired before anything had changed"
            before = model.guard.drift.count
            changed = [change(image, random) for image, _ in served]
            after.append(fired_after(model, changed))
            model.guard.close()
            compared.append(model.guard.drift.count - before)
            shares.append(right(reference, changed[:200], [text for _, text in served[:200]]))
        fired = [place for place in after if place is not None]
        said = f"after {', '.join(map(str, sorted(fired)))} requests" if fired else ""
        print(
            f"{name:17} fired in {len(fired)} of {STREAMS} streams {said} ({', '.join(map(str, sorted(compared)))} "
            f"compared); float reads {np.mean(shares):.2f} right",
            flush=True,
        )


def main() -> None:
    """Find the limit, serve every kind of change, and print what it costs to watch and to record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="the float recogniser")
    parser.add_argument("result", type=Path, help="the folder that ovquant wrote")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--only", choices=("drift", "cost"), help="one half")
    asked = parser.parse_args()
    quantized = ovquant.Result.load(asked.result).compile()
    reference = openvino.Core().compile_model(asked.model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    data = [ovquant.Sample(image) for image, _ in words(1000, seed=31)]
    first = ovquant.guard(quantized, reference, data=data, metric=same_text)
    first.guard.close()
    limit = first.guard.drift.limit
    print(f"limit of the disagreement, found on 1,000 words: {limit:.4f}")
    if asked.only != "cost":
        drifts(quantized, reference, limit, asked.requests)
    if asked.only == "drift":
        return
    images = [image for image, _ in words(300, seed=32)]
    with tempfile.TemporaryDirectory() as folder:
        recorded = ovquant.record(quantized, Path(folder) / "calib", n=300)
        print(f"recording the first 300 requests, all kept: {cost(quantized, recorded, images, 300)}")
        print(f"recording 6,000 more: {cost(quantized, recorded, images, 6000)}")
        recorded.recorder.close()
    watched = ovquant.guard(quantized, reference, limit=limit, share=0.01, metric=same_text)
    print(f"watching one request in a hundred: {cost(quantized, watched, images, 3000)}")
    watched.guard.close()
    print(f"nothing, for comparison: {cost(quantized, quantized, images, 3000)}")


if __name__ == "__main__":
    main()
