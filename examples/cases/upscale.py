"""Super-resolution: a small net, trained here, that doubles the size of the pictures that scikit-image comes with."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import torch
from torch import nn

from ovquant import Sample
from ovquant.demo.fetch import cache_folder

PICTURES = (
    "astronaut",
    "chelsea",
    "coffee",
    "rocket",
    "immunohistochemistry",
    "camera",
    "brick",
    "grass",
    "gravel",
    "moon",
    "coins",
)
TILE = 64
SHARES = {"train": 4, "search": 2, "holdout": 2, "fresh": 2}
"""Of ten tiles, how many belong to each part."""
Part = Literal["train", "search", "holdout", "fresh"]


@cache
def tiles(part: Part) -> np.ndarray:
    """Return the tiles of a part, [n, 3, 64, 64], scaled to 0…1; no two tiles overlap."""
    from skimage import data

    every = []
    for name in PICTURES:
        picture = np.asarray(getattr(data, name)())
        picture = np.repeat(picture[..., None], 3, axis=2) if picture.ndim == 2 else picture[..., :3]
        high, wide = (size // TILE for size in picture.shape[:2])
        cut = picture[: high * TILE, : wide * TILE].reshape(high, TILE, wide, TILE, 3).transpose(0, 2, 4, 1, 3)
        every.append(cut.reshape(-1, 3, TILE, TILE))
    found = np.concatenate(every)
    order = np.random.default_rng(0).permutation(len(found))
    begin = sum(list(SHARES.values())[: list(SHARES).index(part)])
    bounds = [len(found) * count // 10 for count in (begin, begin + SHARES[part])]
    return found[order[slice(*bounds)]].astype(np.float32) / 255


def halved(pictures: np.ndarray) -> np.ndarray:
    """Return pictures of half the size, each pixel the mean of four."""
    *first, high, wide = pictures.shape
    return pictures.reshape(*first, high // 2, 2, wide // 2, 2).mean(axis=(-3, -1))


@dataclass(frozen=True)
class Tiles:
    """Small tiles, [3, 32, 32], with what they were made of as the target, [3, 64, 64]."""

    part: Part = "search"

    def __len__(self) -> int:
        return len(tiles(self.part))

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(index)
        tile = tiles(self.part)[index]
        return Sample(halved(tile), tile)


class Upscale(nn.Module):
    """What bilinear interpolation lacks, from six convolutions (Shi et al., 2016)."""

    def __init__(self, channels: int = 48) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, channels, 5, padding=2), nn.ReLU()]
        for _ in range(4):
            layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, 12, 3, padding=1), nn.PixelShuffle(2))

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        larger = nn.functional.interpolate(picture, scale_factor=2.0, mode="bilinear", align_corners=False)
        return larger + self.layers(picture)


def model() -> tuple[nn.Module, torch.Tensor]:
    """Return the net, trained once and kept in the cache, and an example input."""
    saved, net = cache_folder() / "upscale.pt", Upscale()
    if not saved.exists():
        torch.manual_seed(0)
        _train(net)
        torch.save(net.state_dict(), saved)
    net.load_state_dict(torch.load(saved, weights_only=True))
    return net.eval(), torch.zeros(1, 3, TILE // 2, TILE // 2)


def _train(net: nn.Module, epochs: int = 120, batch: int = 32) -> None:
    """Train with Adam, one cycle, on tiles that are flipped and turned at random."""
    large = torch.tensor(tiles("train"))
    steps = epochs * (len(large) // batch)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=steps)
    for step in range(steps):
        chosen = large[torch.randint(len(large), (batch,))]
        chosen = torch.rot90(chosen, step % 4, (2, 3))
        chosen = chosen.flip(3) if step % 8 < 4 else chosen
        small = nn.functional.avg_pool2d(chosen, 2)
        loss = nn.functional.mse_loss(net(small), chosen)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
