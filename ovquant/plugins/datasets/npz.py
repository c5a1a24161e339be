"""Read samples from an .npz file."""

import shutil
import struct
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from ovquant.domain.files import temporary_folder
from ovquant.domain.sample import Array, Sample
from ovquant.errors import DataError
from ovquant.plugins.datasets.arrays import Columns, taken_out


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


_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def map_members(path: Path, spool: Callable[[], Path]) -> dict[str, Array]:
    """Return every array of an .npz file by name, memory-mapped and read-only.

    Members stored as they are get mapped in place. Compressed ones are extracted once, each to a file in the
    folder that `spool` makes. Raises DataError for a file that is no .npz and for arrays of Python objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = {info.filename: info for info in archive.infolist() if info.filename.endswith(".npy")}
            _check_room(path, found.values(), spool)
            return {name.removesuffix(".npy"): _map(path, archive, info, spool) for name, info in found.items()}
    except DataError:
        raise
    except Exception as error:
        # A damaged file can make zipfile, zlib and numpy's reader of headers raise anything.
        raise DataError(f"'{path}' cannot be read as .npz: {error}. Write it again with numpy.savez.") from error


def _check_room(path: Path, members: Iterable[zipfile.ZipInfo], spool: Callable[[], Path]) -> None:
    """Raise DataError where what is compressed would not fit into the temporary folder."""
    needed = sum(info.file_size for info in members if info.compress_type != zipfile.ZIP_STORED)
    if needed:
        folder = spool()
        free = shutil.disk_usage(folder).free
        if needed > free:
            raise DataError(
                f"'{path}' holds {needed / 1e9:.1f} GB once it is extracted, and '{folder.parent}' has {free / 1e9:.1f} GB left. "
                "Make room, set TMPDIR to another folder, or write the file with numpy.savez, which is not extracted."
            )


def stored_offset(file: IO[bytes], info: zipfile.ZipInfo) -> int:
    """Return where the bytes of a member begin in the file: its local header may differ from the directory's."""
    file.seek(info.header_offset)
    header = file.read(_LOCAL_HEADER.size)
    if len(header) != _LOCAL_HEADER.size or header[:4] != b"PK\x03\x04":
        raise ValueError(f"the member {info.filename} has no local header")
    *_, name_length, extra_length = _LOCAL_HEADER.unpack(header)
    return info.header_offset + _LOCAL_HEADER.size + int(name_length) + int(extra_length)


def map_stored(path: Path, info: zipfile.ZipInfo) -> Array | None:
    """Map an uncompressed member where it lies, or return None for a header that numpy reads in private only."""
    with path.open("rb") as file:
        start = stored_offset(file, info)
        file.seek(start)
        reader = _HEADER_READERS.get(np.lib.format.read_magic(file))
        if reader is None:
            return None
        shape, fortran_order, dtype = reader(file)
        offset = file.tell()
    if dtype.hasobject:
        raise ValueError(f"the array {info.filename} holds Python objects, which would be unpickled")
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if offset - start + size > info.file_size:
        raise ValueError(f"the array {info.filename} is cut off")
    if size == 0:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", offset, shape, "F" if fortran_order else "C")


def _map(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, spool: Callable[[], Path]) -> Array:
    if info.compress_type == zipfile.ZIP_STORED and not info.flag_bits & 1:
        mapped = map_stored(path, info)
        if mapped is not None:
            return mapped
    target = spool() / f"{info.header_offset}.npy"
    with archive.open(info) as source, target.open("wb") as copy:
        shutil.copyfileobj(source, copy, 1 << 20)
    array: Array = np.load(target, mmap_mode="r", allow_pickle=False)
    return array
