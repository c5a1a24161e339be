"""Music transcription by basic-pitch on synthesised notes with exact times and pitches: audio, as ONNX and TensorFlow Lite."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ovquant import Sample
from ovquant.demo.fetch import fetch

PACKAGE = "basic-pitch==0.4.0"
FOLDER = "basic_pitch/saved_models/icassp_2022"
CHECKSUMS = {
    "onnx": "2c3c1d144bfa61ad236e92e169c13535c880469a12a047d4e73451f2c059a0ec",
    "tflite": "3db297d54af8e01c6e5618245c956b1d71b6a2b978cb2dedb527173186552676",
}
RATE, WINDOW, HOP = 22050, 43844, 256
FRAMES, KEYS, LOWEST = 172, 88, 27.5
NOTES = "StatefulPartitionedCall:1"
"""The output that has how likely each key of a piano sounds in each frame, [n, 172, 88]."""
SOUNDS = 0.3
"""How likely a key must be to count as sounding."""


def model(kind: str = "onnx") -> str:
    """Return the path of the net's file, onnx or tflite."""
    return str(fetch(PACKAGE, f"{FOLDER}/nmp.{kind}", CHECKSUMS[kind]))


@dataclass(frozen=True)
class Notes:
    """Two seconds of one to five notes each, with noise; the target is which keys sound in which frames, [172, 88].

    Inputs have shape [43844, 1].
    """

    count: int = 500
    seed: int = 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self.count:
            raise IndexError(index)
        random = np.random.default_rng([self.seed, index])
        sound, keys = np.zeros(WINDOW), np.zeros((FRAMES, KEYS), dtype=bool)
        for key in random.choice(np.arange(15, 64), int(random.integers(1, 6)), replace=False):
            begin, length = random.uniform(0, 1.2), random.uniform(0.3, 1.5)
            sound += _note(random, LOWEST * 2 ** (key / 12), begin, length)
            first, last = (round(second * RATE / HOP) for second in (begin, min(begin + length, 2.0)))
            keys[first:last, key] = True
        sound += random.normal(0, random.uniform(0, 0.02), WINDOW)
        return Sample((0.5 * sound / np.abs(sound).max()).astype(np.float32)[:, None], keys)


def _note(random: np.random.Generator, pitch: float, begin: float, length: float) -> np.ndarray:
    """Return a decaying harmonic tone, silent before and after."""
    time = np.arange(WINDOW) / RATE - begin
    harmonics = np.arange(1, 1 + int(min(10, RATE / 2 / pitch)))
    loudness = random.uniform(0.3, 1, harmonics.size) * harmonics ** -random.uniform(0.8, 1.8)
    phases = random.uniform(0, 2 * np.pi, harmonics.size)
    tone = (loudness[:, None] * np.sin(2 * np.pi * pitch * harmonics[:, None] * time + phases[:, None])).sum(0)
    shape = (
        np.clip(time / 0.01, 0, 1) * np.clip((length - time) / 0.02, 0, 1) * np.exp(-random.uniform(0.2, 1.5) * time)
    )
    return tone * shape * random.uniform(0.4, 1.0)


def frames(outputs: Mapping[str, np.ndarray], targets: Sequence[np.ndarray]) -> list[float]:
    """Score each window by the F1 of keys and frames that sound."""
    found = outputs[NOTES] > SOUNDS
    return [_f1(mine, truth) for mine, truth in zip(found, targets, strict=True)]


frames.per_sample = True  # type: ignore[attr-defined]


def _f1(found: np.ndarray, truth: np.ndarray) -> float:
    wrong, right = int((found != truth).sum()), int((found & truth).sum())
    return 2 * right / max(1, 2 * right + wrong)
