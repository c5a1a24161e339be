"""Read images from a folder, with targets from class folders or a .csv."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ovquant.domain.sample import Array, Sample
from ovquant.errors import DataError
from ovquant.plugins.datasets.arrays import position
from ovquant.plugins.datasets.labelled import LabelledFile, column_of, holds_files, labelled_files, labels_in
from ovquant.plugins.datasets.preprocessing import (
    Color,
    Fit,
    Interpolation,
    Layout,
    Preprocessing,
    Type,
    read_preprocessing,
)
from ovquant.plugins.datasets.targets import TargetType
from ovquant.plugins.extras import import_extra

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm")
_STEPS = tuple(item.name for item in fields(Preprocessing))


@dataclass(frozen=True)
class Images:
    """Read a folder of images: class folders (sorted names are the indices), or a .csv with file and target.

    targets: the .csv; by default the only one in the folder. target_type: auto makes numbers of targets that are
    all numbers and keeps others as text; class makes indices of them. classes: the labels in the order of
    their indices. The other options are the steps of `Preprocessing`, where their defaults are; they win over
    the keys of a preprocessing.toml in the folder.

    A sample is one array, `[C,H,W]` (nchw) or `[H,W,C]` (nhwc), without the batch axis. Raises DataError for
    files that are missing or cannot be read, and for steps that cannot be done.
    """

    path: Path
    targets: str = ""
    target_type: TargetType = "auto"
    classes: tuple[str, ...] = ()
    color: Color | None = None
    resize: int | None = None
    size: tuple[int, ...] | None = None
    fit: Fit | None = None
    fill: int | None = None
    crop: tuple[int, ...] | None = None
    interpolation: Interpolation | None = None
    scale: float | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    layout: Layout | None = None
    dtype: Type | None = None
    _files: list[LabelledFile] = field(init=False, repr=False, compare=False)
    _preprocessing: Preprocessing = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """List the files and settle the preprocessing."""
        folder = Path(self.path)
        files = labelled_files(
            folder, SUFFIXES, targets=self.targets, target_type=self.target_type, classes=self.classes
        )
        options = {name: getattr(self, name) for name in _STEPS if getattr(self, name) is not None}
        object.__setattr__(self, "_files", files)
        object.__setattr__(self, "_preprocessing", read_preprocessing(folder, options))

    @staticmethod
    def accepts(path: Path) -> bool:
        """Tell whether the path is a folder with images in it or in its folders."""
        return holds_files(path, SUFFIXES)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._files)

    def __getitem__(self, index: int, /) -> Sample:
        """Return one image as an array, and its target or None."""
        file = self._files[position(index, len(self))]
        return Sample(read_image(file.path, self._preprocessing), file.target)

    @property
    def labels(self) -> dict[str, int]:
        """Return the index of each label."""
        return labels_in(self._files)

    def column(self, name: str) -> list[Any]:
        """Return a column of the .csv, or the name of each file's folder as `folder`."""
        return column_of(self._files, name, Path(self.path))


def read_image(path: Path, preprocessing: Preprocessing) -> Array:
    """Open and preprocess one image; raise DataError naming it."""
    library: Any = import_extra("PIL.Image", "vision")
    try:
        with library.open(path) as image:
            return preprocessing.apply(image)
    except DataError as error:
        raise DataError(f"The image '{path}' cannot be used: {error}") from error
    except (ArithmeticError, OSError, ValueError, SyntaxError, MemoryError, library.DecompressionBombError) as error:
        raise DataError(f"The image '{path}' cannot be read: {error}. Replace or remove it.") from error
