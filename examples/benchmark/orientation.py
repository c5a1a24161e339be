"""Rendered lines of text, half of them upside down, as the PP-OCR orientation classifier takes them."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ovquant import Sample
from ovquant.demo.words import fonts, vocabulary

HEIGHT, WIDTH = 48, 192


@dataclass(frozen=True)
class Lines:
    """Lines of one to four words; the target is 1 where the line is turned by 180 degrees, else 0.

    Inputs have shape [3, 48, 192], BGR, scaled to -1…1, zero behind the line, as rapidocr prepares them.
    """

    count: int = 1000
    seed: int = 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self.count:
            raise IndexError(index)
        random = np.random.default_rng([self.seed, index])
        turned = int(random.integers(2))
        image = _line(random)
        return Sample(_pixels(image.rotate(180) if turned else image, random), turned)


def _line(random: np.random.Generator) -> Any:
    """Draw a line: words, font, size, colours, a small rotation and blur are drawn at random."""
    from PIL import Image, ImageDraw, ImageFilter, ImageFont

    picks = random.integers(len(vocabulary()), size=int(random.integers(1, 5)))
    text = " ".join(vocabulary()[int(pick)] for pick in picks)
    font = ImageFont.truetype(str(fonts()[int(random.integers(len(fonts())))]), int(random.integers(20, 34)))
    left, top, right, bottom = font.getbbox(text)
    margin = 5
    paper = tuple(int(value) for value in random.integers(150, 256, 3))
    ink = tuple(int(value) for value in random.integers(0, 120, 3))
    image = Image.new("RGB", (int(right - left) + 2 * margin, int(bottom - top) + 2 * margin), paper)
    ImageDraw.Draw(image).text((margin - left, margin - top), text, font=font, fill=ink)
    angle = float(random.uniform(-2, 2))
    tilted = image.rotate(angle, expand=True, resample=Image.Resampling.BILINEAR, fillcolor=paper)
    return tilted.filter(ImageFilter.GaussianBlur(float(random.uniform(0, 1.5))))


def _pixels(image: Any, random: np.random.Generator) -> np.ndarray:
    """Resize to the model's height, at most to its width, add noise, scale and fill up with zeros."""
    from PIL import Image

    width = min(WIDTH, math.ceil(image.width * HEIGHT / image.height))
    pixels = np.asarray(image.resize((width, HEIGHT), Image.Resampling.BILINEAR), dtype=np.float32)
    noisy = np.clip(pixels + random.normal(0, random.uniform(0, 20), pixels.shape), 0, 255)
    filled = np.zeros((3, HEIGHT, WIDTH), dtype=np.float32)
    filled[:, :, :width] = (noisy[:, :, ::-1] / 127.5 - 1).transpose(2, 0, 1)
    return filled
