"""Map the arrays of an .npz file into memory without reading them."""

import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np

from ovquant.errors import DataError
from ovquant.protocols import Array

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
            return {name.removesuffix(".npy"): _map(path, archive, info, spool) for name, info in found.items()}
    except DataError:
        raise
    except (OSError, zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"'{path}' cannot be read as .npz: {error}. Write it again with numpy.savez.") from error


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
