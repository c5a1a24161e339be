"""Read what a running application's requests were recorded as."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ovquant.domain.sample import Sample
from ovquant.domain.typed import fits, read_json
from ovquant.errors import DataError
from ovquant.plugins.datasets.arrays import position

INDEX = "recording.json"


@dataclass(frozen=True)
class Recorded:
    """Read a folder that `ovquant.record` wrote: the inputs of one request per sample, by name, without targets.

    Arrays have the batch axis. Raises DataError when the folder is none, or a file cannot be read.
    """

    path: Path
    _files: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _names: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Read which files there are."""
        file = Path(self.path) / INDEX
        try:
            index = read_json(file.read_text(encoding="utf-8"))
            names = tuple(index["inputs"])
            if not fits(index["inputs"], list[str]):
                raise ValueError("its inputs are not names")
            files = tuple(sorted(found.name for found in Path(self.path).glob("*.npy")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"'{self.path}' is not a recording: {error}. Give a folder that ovquant.record wrote."
            ) from error
        object.__setattr__(self, "_files", files)
        object.__setattr__(self, "_names", names)

    @staticmethod
    def accepts(path: Path) -> bool:
        """Tell whether the path is a folder with a recording in it."""
        return (path / INDEX).is_file()

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._files)

    def __getitem__(self, index: int, /) -> Sample:
        """Return the inputs of one request."""
        file = Path(self.path) / self._files[position(index, len(self))]
        try:
            with file.open("rb") as arrays:
                return Sample({name: np.load(arrays, allow_pickle=False) for name in self._names})
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"The recorded request '{file}' cannot be read: {error}. Record again.") from error
