"""Read samples from an .npz file."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ovquant.datasets.columns import Columns, taken_out
from ovquant.datasets.members import map_members
from ovquant.datasets.spool import temporary_folder
from ovquant.errors import DataError
from ovquant.protocols import Array, Sample


@dataclass(frozen=True)
class Npz:
    """Read an .npz file with one array per model input by its name, or `inputs`, and `targets` if there are any.

    Arrays whose name begins with `column_` are no inputs but columns to slice or to group by.
    Axis 0 of each array is the sample axis. Arrays are memory-mapped; those of numpy.savez_compressed are
    extracted once to temporary files. Raises DataError when the file cannot be read or the lengths differ.
    """

    path: Path
    _columns: Columns = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Map the arrays and check their lengths."""
        path = Path(self.path)
        if not path.is_file():
            raise DataError(f"The data file '{path}' does not exist. Check the path.")
        folders: list[Path] = []

        def spool() -> Path:
            if not folders:
                folders.append(temporary_folder(self))
            return folders[0]

        object.__setattr__(self, "_columns", columns_of(map_members(path, spool), f"'{path}'"))

    @staticmethod
    def accepts(path: Path) -> bool:
        """Tell whether the path is an .npz file."""
        return path.suffix.lower() == ".npz" and path.is_file()

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._columns)

    def __getitem__(self, index: int, /) -> Sample:
        """Return one sample, without the sample axis."""
        return self._columns[index]

    def column(self, name: str) -> Sequence[Any]:
        """Return the array `column_NAME`."""
        return self._columns.column(name)


def columns_of(arrays: dict[str, Array], name: str) -> Columns:
    """Take `targets` and `inputs` from the arrays; the others are inputs by name."""
    inputs = dict(arrays)
    extra = taken_out(inputs)
    targets = inputs.pop("targets", None)
    if not inputs:
        raise DataError(f"{name} holds no inputs. Add an array per model input by its name, or one called inputs.")
    if set(inputs) == {"inputs"}:
        return Columns(inputs["inputs"], targets, name, extra)
    if "inputs" in inputs:
        others = ", ".join(key for key in inputs if key != "inputs")
        raise DataError(f"{name} holds both 'inputs' and {others}. Name every array after its model input.")
    return Columns(inputs, targets, name, extra)
