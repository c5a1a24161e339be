"""Two small image classifiers trained here on Fashion-MNIST: a residual net in PyTorch, a plain one as a TFLite file.

The data are Debian's package dataset-fashion-mnist (MIT). The nets are trained on the first 50,000 training images; the
other 10,000 are search data, and the test images are the holdout.
"""

import gzip
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import tflite_file
import torch
from torch import nn

from ovquant import Sample
from ovquant.demo.fetch import cache_folder

PACKAGE = "dataset-fashion-mnist"
TRAINED = 50_000


@cache
def data_folder() -> Path:
    """Return the folder of the four files, unpacked from the Debian package without installing it."""
    folder = cache_folder() / PACKAGE
    if not folder.exists():
        with tempfile.TemporaryDirectory() as work:
            subprocess.run(["apt-get", "download", "-qq", PACKAGE], cwd=work, check=True)
            package = next(Path(work).glob("*.deb"))
            subprocess.run(["dpkg-deb", "-x", package, "unpacked"], cwd=work, check=True)
            folder.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-r", f"{work}/unpacked/usr/share/datasets/fashion-mnist", folder], check=True)
    return folder


@cache
def images(part: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images [n, 28, 28] and labels [n] of "train", "search" or "holdout"."""
    prefix = "t10k" if part == "holdout" else "train"
    pixels = gzip.decompress((data_folder() / f"{prefix}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((data_folder() / f"{prefix}-labels-idx1-ubyte.gz").read_bytes())
    both = np.frombuffer(pixels, np.uint8, offset=16).reshape(-1, 28, 28), np.frombuffer(labels, np.uint8, offset=8)
    chosen = {"train": slice(0, TRAINED), "search": slice(TRAINED, None), "holdout": slice(None)}[part]
    return both[0][chosen], both[1][chosen]


@dataclass(frozen=True)
class Images:
    """Images scaled to -1…1 with their class; [1, 28, 28], or [28, 28, 1] with channels last. Equal images come once."""

    part: str = "search"
    count: int = 10_000
    channels_last: bool = False

    def __len__(self) -> int:
        return min(self.count, len(distinct(self.part)))

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(index)
        pixels, labels = images(self.part)
        place = distinct(self.part)[index]
        scaled = (pixels[place].astype(np.float32) / 127.5 - 1)[None]
        return Sample(scaled.transpose(1, 2, 0) if self.channels_last else scaled, int(labels[place]))


@cache
def distinct(part: str) -> tuple[int, ...]:
    """Return the places of images that occur neither twice nor in the parts before."""
    seen = {images(other)[0][place].tobytes() for other in _before(part) for place in distinct(other)}
    places = []
    for place, image in enumerate(images(part)[0]):
        content = image.tobytes()
        if content not in seen:
            seen.add(content)
            places.append(place)
    return tuple(places)


def _before(part: str) -> tuple[str, ...]:
    return {"train": (), "search": ("train",), "holdout": ("train", "search")}[part]


class Block(nn.Module):
    """Two convolutions with a short cut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers = [nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
        layers += [nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)]
        self.layers = nn.Sequential(*layers)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.relu(features + self.layers(features))


def _down(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU())


def residual() -> tuple[nn.Module, torch.Tensor]:
    """Return the residual net, trained once and kept in the cache, and an example input."""
    net = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.ReLU(),
        _down(32, 64),
        Block(64),
        _down(64, 128),
        Block(128),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(128, 10),
    )
    return _trained(net, "fashion-residual"), torch.zeros(1, 1, 28, 28)


def plain_net() -> nn.Sequential:
    """Return the plain net: convolutions and one dense layer, as the TFLite writer takes it."""
    layers: list[nn.Module] = []
    for before, after, pooled in ((1, 32, True), (32, 64, False), (64, 64, True), (64, 96, False), (96, 128, False)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if pooled else []
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 7 * 7, 10))


def write_tflite(path: Path) -> Path:
    """Train the plain net, unless it is in the cache, and write it as a TFLite file."""
    net = _trained(plain_net(), "fashion-plain")
    return tflite_file.write(path, net, size=28, channels=1)


def _trained(net: nn.Module, name: str, epochs: int = 3) -> nn.Module:
    """Return the net with trained weights: Adam, one cycle, batches of 128."""
    saved = cache_folder() / f"{name}.pt"
    if not saved.exists():
        torch.manual_seed(0)
        _train(net, epochs)
        torch.save(net.state_dict(), saved)
    net.load_state_dict(torch.load(saved, weights_only=True))
    return net.eval()


def _train(net: nn.Module, epochs: int) -> None:
    pixels, labels = images("train")
    inputs = torch.tensor(pixels, dtype=torch.float32)[:, None] / 127.5 - 1
    targets = torch.tensor(labels, dtype=torch.int64)
    steps = epochs * (len(targets) // 128)
    optimizer = torch.optim.Adam(net.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=steps)
    net.train()
    for step in range(steps):
        picks = torch.randint(len(targets), (128,))
        loss = nn.functional.cross_entropy(net(inputs[picks]), targets[picks])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            print(f"training: step {step} of {steps}, loss {loss.item():.3f}")


if __name__ == "__main__":
    print(write_tflite(Path(sys.argv[1])))
