"""Turn an opened image into a model's input array, as a small TOML file or options say."""

import dataclasses
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal

import numpy as np

from ovquant.domain.sample import Array
from ovquant.errors import DataError
from ovquant.plugins.extras import import_extra

Color = Literal["rgb", "bgr", "gray"]
Layout = Literal["nchw", "nhwc"]
Type = Literal["float32", "uint8"]
Interpolation = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
Fit = Literal["stretch", "letterbox"]
FILE_NAME = "preprocessing.toml"


@dataclass(frozen=True)
class Preprocessing:
    """The steps, in this order: color, resize or size, crop, `(pixel * scale - mean) / std`, layout.

    resize: the length in pixels of the shorter side, the aspect kept. size: height and width in pixels, one number
    for both; reached by stretching, or with `fit` letterbox by keeping the aspect and filling the rest with the gray
    value `fill`, the image in the centre. crop: height and width of the centre that is kept.
    scale: 1/255 by default. mean, std: one number, or one per channel in the order of `color`, after scaling.
    dtype uint8: the pixels as they are; the model does its own scaling.
    """

    color: Color = "rgb"
    resize: int = 0
    size: tuple[int, ...] = ()
    fit: Fit = "stretch"
    fill: int = 114
    crop: tuple[int, ...] = ()
    interpolation: Interpolation = "bilinear"
    scale: float | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    layout: Layout = "nchw"
    dtype: Type = "float32"

    def __post_init__(self) -> None:
        """Raise DataError for values that exclude each other or cannot be."""
        problem = self._problem()
        if problem:
            raise DataError(f"This image preprocessing cannot be done: {problem}")

    def _problem(self) -> str:
        if self.resize and self.size:
            return "resize keeps the aspect and size does not. Give one of them."
        if len(self.size) > 2 or len(self.crop) > 2:
            return "size and crop are one number or height;width."
        if self.resize < 0 or any(length < 1 for length in (*self.size, *self.crop)):
            return "resize, size and crop are numbers of pixels, 1 or more."
        if self.dtype == "uint8" and (self.mean or self.std or self.scale is not None):
            return "dtype uint8 passes pixels as they are. Leave out scale, mean and std, or use float32."
        channels = 1 if self.color == "gray" else 3
        if len(self.mean) not in (0, 1, channels) or len(self.std) not in (0, 1, channels):
            return f"mean and std are one number or {channels} for color {self.color}."
        if 0 in self.std:
            return "std divides, so it cannot be 0."
        return "" if 0 <= self.fill <= 255 else "fill is a gray value from 0 to 255."

    def apply(self, image: Any) -> Array:
        """Return the array of a PIL image: `[C,H,W]` or `[H,W,C]`, float32 or uint8."""
        sized = self._cropped(self._resized(colored(image, self.color)))
        pixels = np.asarray(sized, np.uint8)
        pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
        pixels = pixels[:, :, ::-1] if self.color == "bgr" else pixels
        values = pixels if self.dtype == "uint8" else self._normalized(pixels)
        return np.array(values.transpose(2, 0, 1) if self.layout == "nchw" else values, order="C")

    def _normalized(self, pixels: Array) -> Array:
        values = pixels.astype(np.float32) * np.float32(1 / 255 if self.scale is None else self.scale)
        if self.mean:
            values = values - np.array(self.mean, np.float32)
        return values / np.array(self.std, np.float32) if self.std else values

    def _resized(self, image: Any) -> Any:
        if self.resize:
            shorter = min(image.size)
            return image.resize([self.resize * length // shorter for length in image.size], self._filter())
        if not self.size:
            return image
        height, width = _pair(self.size)
        return (
            self._letterboxed(image, height, width)
            if self.fit == "letterbox"
            else image.resize((width, height), self._filter())
        )

    def _letterboxed(self, image: Any, height: int, width: int) -> Any:
        ratio = min(height / image.height, width / image.width)
        inner = image.resize([max(1, round(length * ratio)) for length in image.size], self._filter())
        fill = self.fill if image.mode == "L" else (self.fill,) * 3
        canvas = import_extra("PIL.Image", "vision").new(image.mode, (width, height), fill)
        canvas.paste(inner, ((width - inner.width) // 2, (height - inner.height) // 2))
        return canvas

    def _cropped(self, image: Any) -> Any:
        if not self.crop:
            return image
        height, width = _pair(self.crop)
        if image.height < height or image.width < width:
            raise DataError(
                f"The crop of {height}x{width} (height x width) is larger than the image of {image.height}x{image.width}. "
                "Make resize or size at least as large as crop."
            )
        left, top = round((image.width - width) / 2), round((image.height - height) / 2)
        return image.crop((left, top, left + width, top + height))

    def _filter(self) -> Any:
        return import_extra("PIL.Image", "vision").Resampling[self.interpolation.upper()]


def colored(image: Any, color: Color) -> Any:
    """Return the image as 8-bit RGB or gray; raise DataError for deeper ones, which Pillow would clip."""
    if image.mode.startswith(("I", "F")):
        raise DataError(f"The image has more than 8 bits per channel (mode {image.mode}). Convert it to 8 bits first.")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("L" if color == "gray" else "RGB")


def read_preprocessing(folder: Path, options: Mapping[str, Any]) -> Preprocessing:
    """Join the folder's preprocessing.toml, if there is one, with options that win over it; raise DataError."""
    return Preprocessing(**{**read_toml(folder / FILE_NAME), **options})


def read_toml(path: Path) -> dict[str, Any]:
    """Read the keys of a preprocessing file; unknown ones and wrong types are a DataError. No file: no keys."""
    if not path.is_file():
        return {}
    try:
        with path.open("rb") as file:
            found = tomllib.load(file)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"'{path}' cannot be read as TOML: {error}. Correct it.") from error
    hints = typing.get_type_hints(Preprocessing)
    names = [item.name for item in dataclasses.fields(Preprocessing)]
    unknown = [key for key in found if key not in names]
    if unknown:
        raise DataError(f"'{path}' has the unknown key '{unknown[0]}'. The keys: {', '.join(names)}.")
    return {key: _typed(value, hints[key], f"'{path}': {key}") for key, value in found.items()}


def _typed(value: Any, hint: Any, what: str) -> Any:
    """Return a TOML value as the field's type; raise DataError if it is of another."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        if value not in arguments:
            raise DataError(f"{what} is {value!r}; choose one of {', '.join(arguments)}.")
        return value
    if origin is tuple:
        return tuple(_typed(item, arguments[0], what) for item in (value if isinstance(value, list) else [value]))
    kind = arguments[0] if origin in (typing.Union, UnionType) else hint
    if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else kind):
        raise DataError(f"{what} is {value!r}, which is not a valid {kind.__name__}. Correct it.")
    return kind(value)


def _pair(lengths: tuple[int, ...]) -> tuple[int, int]:
    return (lengths[0], lengths[-1])
