"""English words rendered with rotation, blur and noise: labels are exact, and a new seed is fresh data."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from ovquant.domain.sample import Array, Sample
from ovquant.errors import UsageError

HEIGHT, WIDTH = 48, 320


@dataclass(frozen=True)
class Words:
    """Rendered words as the PP-OCR recogniser takes them; sample i of a seed is always the same image.

    Inputs have shape [3, 48, 320], BGR, scaled to -1…1; the target is the word.
    """

    count: int = 1000
    seed: int = 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self.count:
            raise IndexError(index)
        random = np.random.default_rng([self.seed, index])
        word = vocabulary()[int(random.integers(len(vocabulary())))]
        return Sample(_pixels(_draw(word, random), random), word)


@cache
def vocabulary() -> tuple[str, ...]:
    """Return the distinct words of Python's own help topics."""
    from pydoc_data.topics import topics

    return tuple(sorted(set(re.findall(r"\b[a-zA-Z]{3,14}\b", " ".join(topics.values())))))


@cache
def fonts() -> tuple[Path, ...]:
    """Return the text fonts that come with matplotlib."""
    try:
        import matplotlib
    except ImportError as error:
        raise UsageError("The demonstration needs fonts: pip install 'ovquant[demo]'.") from error
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return tuple(
        path
        for path in sorted(folder.glob("*.ttf"))
        if re.match(r"(DejaVu(Sans|Serif)|STIXGeneral)(?!Display)", path.name)
    )


def _draw(word: str, random: np.random.Generator) -> Any:
    """Return a word as an image: font, size, colours, rotation and blur are drawn at random."""
    from PIL import Image, ImageDraw, ImageFilter, ImageFont

    font = ImageFont.truetype(str(fonts()[int(random.integers(len(fonts())))]), int(random.integers(20, 34)))
    left, top, right, bottom = font.getbbox(word)
    margin = 5
    size = (int(right - left) + 2 * margin, int(bottom - top) + 2 * margin)
    paper = tuple(int(value) for value in random.integers(150, 256, 3))
    ink = tuple(int(value) for value in random.integers(0, 120, 3))
    image = Image.new("RGB", size, paper)
    ImageDraw.Draw(image).text((margin - left, margin - top), word, font=font, fill=ink)
    turned = image.rotate(
        float(random.uniform(-5, 5)), expand=True, resample=Image.Resampling.BILINEAR, fillcolor=paper
    )
    return turned.filter(ImageFilter.GaussianBlur(float(random.uniform(0, 2))))


def _pixels(image: Any, random: np.random.Generator) -> Array:
    from PIL import Image

    width = min(WIDTH, round(image.width * HEIGHT / image.height))
    pixels = np.asarray(image.resize((width, HEIGHT), Image.Resampling.BILINEAR), dtype=np.float32)
    noisy = np.clip(pixels + random.normal(0, random.uniform(0, 30), pixels.shape), 0, 255)
    filled = np.zeros((3, HEIGHT, WIDTH), dtype=np.float32)
    filled[:, :, :width] = (noisy[:, :, ::-1] / 127.5 - 1).transpose(2, 0, 1)
    return filled


def exact(outputs: Array, targets: Sequence[str]) -> list[float]:
    """Score 1 for every word that is read without an error: greedy CTC, outer spaces left out.

    outputs: class scores [n, time, classes], the blank first, or a list of [1, time, classes] where times differ.
    """
    return [float(read(scores) == target) for scores, target in zip(outputs, targets, strict=True)]


exact.per_sample = True  # type: ignore[attr-defined]


def read(scores: Array) -> str:
    """Return the text of scores [time, classes], or [1, time, classes]."""
    characters, classes = _characters(), scores.shape[-1]
    best = scores.reshape(-1, classes).argmax(axis=-1)
    return "".join(characters[place] for place, _ in groupby(best.tolist())).strip()


@cache
def _characters() -> tuple[str, ...]:
    from ovquant.demo.fetch import recogniser

    lines = recogniser().with_name("characters.txt").read_text(encoding="utf-8").split("\n")
    return ("", *lines, " ")
