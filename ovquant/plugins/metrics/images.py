"""Score images against reference images: PSNR and SSIM."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from ovquant.domain.sample import Array, Outputs
from ovquant.errors import MetricError, UsageError
from ovquant.plugins.extras import library
from ovquant.plugins.metrics.outputs import split_output

BEST_PSNR_DB = 100.0
"""The ratio given to identical images, whose true one is infinite and would swamp every mean."""


@dataclass(frozen=True)
class Psnr:
    """Average the peak signal-to-noise ratio of images, in decibels.

    Output and target of a sample have one shape, any layout. `data_range` is the distance between the least and the
    greatest possible value; without it, it is that of the target's type for whole numbers, and 1 for floats, whose
    values must then lie between 0 and 1. A sample's ratio is capped at 100 dB, which identical images get.
    Source: `skimage.metrics.peak_signal_noise_ratio`.
    """

    data_range: float | None = None
    output: str = ""

    higher_is_better: ClassVar[bool] = True
    is_mean: ClassVar[bool] = True
    against: ClassVar[str] = "targets"

    def __post_init__(self) -> None:
        _check_range(self.data_range, "psnr")

    def measure(self, outputs: Outputs, targets: Sequence[Any], /) -> list[float]:
        """Return the ratio per sample, in decibels."""
        function = library("skimage.metrics", metric="psnr", extra="vision").peak_signal_noise_ratio
        return [
            self._ratio(function, found, expected) for found, expected in _pairs(outputs, targets, self.output, "psnr")
        ]

    def aggregate(self, items: Sequence[float], /) -> float:
        """Return the mean of the items."""
        return float(np.mean(items))

    def _ratio(self, function: Any, found: Array, expected: Array) -> float:
        data_range = self.data_range or _range_of(expected, "psnr")
        with np.errstate(divide="ignore"):
            ratio = float(function(_floats(expected), _floats(found), data_range=data_range))
        # In this order min keeps NaN, which is caught where items are checked.
        return min(ratio, BEST_PSNR_DB)


@dataclass(frozen=True)
class Ssim:
    """Average the structural similarity of images.

    Output and target of a sample have one shape: `[H, W]`, or `[C, H, W]` with `channels="first"`, or `[H, W, C]` with
    `channels="last"`; a batch axis of one is dropped from both. `data_range` is that of `psnr`; `window` is the side
    of the sliding window in pixels, odd and at most the image's. The score is between -1 and 1.
    Source: `skimage.metrics.structural_similarity`, after Wang et al., IEEE TIP 13(4), 2004.
    """

    data_range: float | None = None
    channels: Literal["first", "last"] = "first"
    window: int = 7
    output: str = ""

    higher_is_better: ClassVar[bool] = True
    is_mean: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    against: ClassVar[str] = "targets"

    def __post_init__(self) -> None:
        _check_range(self.data_range, "ssim")
        if self.window < 3 or self.window % 2 == 0:
            raise UsageError(f"Metric 'ssim': window={self.window} must be odd and at least 3.")

    def measure(self, outputs: Outputs, targets: Sequence[Any], /) -> list[float]:
        """Return the similarity per sample."""
        function = library("skimage.metrics", metric="ssim", extra="vision").structural_similarity
        return [
            self._similarity(function, found, expected)
            for found, expected in _pairs(outputs, targets, self.output, "ssim")
        ]

    def aggregate(self, items: Sequence[float], /) -> float:
        """Return the mean of the items."""
        return float(np.mean(items))

    def _similarity(self, function: Any, found: Array, expected: Array) -> float:
        data_range = self.data_range or _range_of(expected, "ssim")
        channel_axis = (0 if self.channels == "first" else -1) if expected.ndim == 3 else None
        try:
            return float(
                function(
                    _floats(expected),
                    _floats(found),
                    data_range=data_range,
                    channel_axis=channel_axis,
                    win_size=self.window,
                )
            )
        except ValueError as error:
            raise MetricError(
                f"Metric 'ssim' cannot compare images of shape {list(expected.shape)}: {error} "
                "Check channels=first|last and window=."
            ) from error


def _check_range(data_range: float | None, metric: str) -> None:
    if data_range is not None and not data_range > 0:
        raise UsageError(f"Metric '{metric}': data_range={data_range} must be greater than 0.")


def _range_of(expected: Array, metric: str) -> float:
    if expected.dtype.kind in "iu":
        limits = np.iinfo(expected.dtype)
        return float(limits.max) - float(limits.min)
    if expected.min() < 0 or expected.max() > 1:
        raise MetricError(
            f"Metric '{metric}': targets reach from {expected.min():.4g} to {expected.max():.4g}, so their range is not "
            "0 to 1. Add data_range=, such as data_range=255."
        )
    return 1.0


def _pairs(outputs: Outputs, targets: Sequence[Any], output: str, metric: str) -> list[tuple[Array, Array]]:
    samples = split_output(outputs, targets, output=output, metric=metric)
    return [_pair(sample, target, metric) for sample, target in zip(samples, targets, strict=True)]


def _pair(sample: Array, target: Any, metric: str) -> tuple[Array, Array]:
    if target is None:
        raise MetricError(f"Metric '{metric}' needs images as targets and a sample has none. Give labelled data.")
    expected = np.asarray(target)
    # [1, 1, H, W] beside [H, W]: axes of one at the front carry no pixels.
    rank = max(2, min(sample.ndim, expected.ndim))
    found, expected = _drop_front(sample, rank), _drop_front(expected, rank)
    if found.ndim == 4 and found.shape[0] == 1 and expected.ndim == 4:
        found, expected = found[0], expected[0]
    if found.shape != expected.shape or expected.dtype.kind not in "biuf":
        raise MetricError(
            f"Metric '{metric}': an output of shape {list(sample.shape)} does not fit a target of shape "
            f"{list(expected.shape)}; images must have one shape."
        )
    return found, expected


def _drop_front(image: Array, rank: int) -> Array:
    while image.ndim > rank and image.shape[0] == 1:
        image = image[0]
    return image


def _floats(image: Array) -> Array:
    return image.astype(np.float64)
