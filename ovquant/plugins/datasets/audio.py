"""Read sounds from a folder, with targets from a .csv or class folders."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ovquant.domain.sample import Array, Sample
from ovquant.errors import DataError, UsageError
from ovquant.plugins.datasets.arrays import position
from ovquant.plugins.datasets.labelled import LabelledFile, column_of, holds_files, labelled_files, labels_in
from ovquant.plugins.datasets.targets import TargetType
from ovquant.plugins.extras import import_extra

SUFFIXES = (".wav", ".flac")


@dataclass(frozen=True)
class Audio:
    """Read a folder of .wav or .flac files: a .csv with file and target, or class folders.

    targets: the .csv; by default the only one in the folder. target_type: auto makes numbers of targets that are
    all numbers and keeps others, such as transcripts, as text; class makes indices of them. classes: the labels in
    the order of their indices. rate: resample to this many samples a second; 0 keeps each file's own.
    length: crop at the end, or pad with silence, to this many samples after resampling; 0 keeps each file's own.

    A sample is one float32 array `[length]` from -1 to 1, the mean of the channels. Raises DataError for files
    that are missing or cannot be read.
    """

    path: Path
    targets: str = ""
    target_type: TargetType = "auto"
    classes: tuple[str, ...] = ()
    rate: int = 0
    length: int = 0
    _files: list[LabelledFile] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """List the files."""
        if self.rate < 0 or self.length < 0:
            raise UsageError(
                f"rate={self.rate} and length={self.length} cannot be negative. Give 0 to keep the file's."
            )
        files = labelled_files(
            Path(self.path), SUFFIXES, targets=self.targets, target_type=self.target_type, classes=self.classes
        )
        object.__setattr__(self, "_files", files)

    @staticmethod
    def accepts(path: Path) -> bool:
        """Tell whether the path is a folder with sounds in it or in its folders."""
        return holds_files(path, SUFFIXES)

    def __len__(self) -> int:
        """Return the number of sounds."""
        return len(self._files)

    def __getitem__(self, index: int, /) -> Sample:
        """Return one sound, float32 `[length]`, and its target or None."""
        file = self._files[position(index, len(self))]
        sound, rate = read_sound(file.path)
        resampled = resample(sound, rate, self.rate) if self.rate else sound
        return Sample(fit_length(resampled, self.length) if self.length else resampled, file.target)

    @property
    def labels(self) -> dict[str, int]:
        """Return the index of each label."""
        return labels_in(self._files)

    def column(self, name: str) -> list[Any]:
        """Return a column of the .csv, or the name of each file's folder as `folder`."""
        return column_of(self._files, name, Path(self.path))


def read_sound(path: Path) -> tuple[Array, int]:
    """Return a file's sound as float32 `[samples]`, its channels averaged, and its rate; raise DataError naming it."""
    library: Any = import_extra("soundfile", "audio")
    try:
        channels, rate = library.read(path, dtype="float32", always_2d=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(f"The sound '{path}' cannot be read: {error} Replace or remove it.") from error
    if len(channels) == 0:
        raise DataError(f"The sound '{path}' has no samples. Replace or remove it.")
    return channels.mean(axis=1), int(rate)


def resample(sound: Array, rate: int, wanted: int) -> Array:
    """Return the sound at another rate, by polyphase filtering (scipy.signal.resample_poly)."""
    from scipy.signal import resample_poly

    if rate == wanted:
        return sound
    common = math.gcd(rate, wanted)
    resampled: Array = resample_poly(sound, wanted // common, rate // common)
    return resampled.astype(np.float32, copy=False)


def fit_length(sound: Array, length: int) -> Array:
    """Return the first `length` samples, with silence after a sound that is shorter."""
    return np.pad(sound[:length], (0, max(0, length - len(sound))))
