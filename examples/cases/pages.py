"""Text detection by PP-OCRv4 on rendered pages with exact boxes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from ovquant import Sample
from ovquant.demo.fetch import fetch
from ovquant.demo.words import fonts, vocabulary

DETECTOR = (
    "rapidocr-onnxruntime==1.4.4",
    "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
    "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9",
)
SIZE, ROW = 320, 40
MEAN, DEVIATION = (0.406, 0.456, 0.485), (0.225, 0.224, 0.229)
"""Of ImageNet's blue, green and red, by which the net's inputs are scaled."""
TEXT, SURE, WIDER, OVERLAP = 0.3, 0.5, 1.6, 0.5
"""How likely a pixel must be to be text, and the mean of a box to count; how far boxes are widened, since the net finds the inner
part of a word alone; and the share of their union that two boxes have in common where they are the same."""
Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""


def model() -> str:
    """Return the path of the detector."""
    return str(fetch(*DETECTOR))


@dataclass(frozen=True)
class Pages:
    """Pages of words in eight rows, blurred and with noise; the target is the box of each word, [words, 4].

    Inputs have shape [3, 320, 320], BGR.
    """

    count: int = 300
    seed: int = 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self.count:
            raise IndexError(index)
        random = np.random.default_rng([self.seed, index])
        image, boxes = _page(random)
        pixels = np.asarray(image, dtype=np.float32)[:, :, ::-1]
        pixels = np.clip(pixels + random.normal(0, random.uniform(0, 25), pixels.shape), 0, 255) / 255
        scaled = ((pixels - MEAN) / DEVIATION).astype(np.float32)
        return Sample(np.ascontiguousarray(scaled.transpose(2, 0, 1)), np.array(boxes))


def _page(random: np.random.Generator) -> tuple[Any, list[Box]]:
    from PIL import Image, ImageDraw, ImageFilter, ImageFont

    image = Image.new("RGB", (SIZE, SIZE), tuple(int(value) for value in random.integers(150, 256, 3)))
    draw, boxes = ImageDraw.Draw(image), list[Box]()
    for row in range(SIZE // ROW):
        left = int(random.integers(4, 60))
        while random.random() < 0.7:
            font = ImageFont.truetype(str(fonts()[int(random.integers(len(fonts())))]), int(random.integers(12, 28)))
            word = vocabulary()[int(random.integers(len(vocabulary())))]
            box = draw.textbbox((left, row * ROW + 4), word, font=font)
            if box[2] > SIZE - 4:
                break
            draw.text(
                (left, row * ROW + 4), word, font=font, fill=tuple(int(value) for value in random.integers(0, 120, 3))
            )
            boxes.append(box)
            left = int(box[2] + random.integers(40, 90))
    return image.filter(ImageFilter.GaussianBlur(float(random.uniform(0, 1.2)))), boxes


def boxes(outputs: np.ndarray, targets: Sequence[np.ndarray]) -> list[float]:
    """Score each page by the F1 of boxes; outputs: how likely each pixel is text, [n, 1, height, width]."""
    return [_f1(_found(scores[0]), truth) for scores, truth in zip(outputs, targets, strict=True)]


boxes.per_sample = True  # type: ignore[attr-defined]


def _found(scores: np.ndarray) -> list[Box]:
    """Return the boxes of connected pixels that are likely to be text."""
    labels, _ = ndimage.label(scores > TEXT)
    found = []
    for place, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        height, width = rows.stop - rows.start, columns.stop - columns.start
        if scores[rows, columns][labels[rows, columns] == place].mean() < SURE or min(height, width) < 3:
            continue
        wider = WIDER * height * width / (2 * (height + width))
        found.append((columns.start - wider, rows.start - wider, columns.stop + wider, rows.stop + wider))
    return found


def _f1(found: Sequence[Box], truth: Sequence[Box]) -> float:
    """Return the F1 of boxes, each matched with the first of the others that it has enough in common with."""
    left, right = [tuple(box) for box in truth], 0
    for box in found:
        same = next((other for other in left if _overlap(box, other) >= OVERLAP), None)
        if same is not None:
            left.remove(same)
            right += 1
    return 2 * right / (len(found) + len(truth)) if len(found) + len(truth) else 1.0


def _overlap(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    common = max(0.0, width) * max(0.0, height)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return common / (sum(areas) - common)
