"""Read single rows of .jsonl, .csv, .tsv and .parquet files by index, without holding the file in memory."""

import bisect
import csv
import io
import weakref
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import IO, Any, Protocol

from ovquant.domain.files import temporary_folder
from ovquant.domain.typed import read_json
from ovquant.errors import DataError
from ovquant.plugins.extras import import_extra

SUFFIXES = (".jsonl", ".csv", ".tsv", ".parquet")
_BOM = b"\xef\xbb\xbf"
_BATCH_ROWS = 1024


class Rows(Protocol):
    """A file of rows, each a mapping by column name."""

    @property
    def columns(self) -> Sequence[str]:
        """The names of the columns; of .jsonl, the keys of its first line."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> dict[str, Any]: ...


def open_rows(path: Path) -> Rows:
    """Return the rows of a file by its suffix; raise DataError when it is missing, empty or cannot be read."""
    if not path.is_file():
        raise DataError(f"The data file '{path}' does not exist. Check the path.")
    kinds: dict[str, Callable[[Path], Rows]] = {".jsonl": JsonLines, ".csv": Csv, ".tsv": Csv, ".parquet": Parquet}
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        raise DataError(f"'{path}' has none of the suffixes {', '.join(SUFFIXES)}. Convert it to one of them.")
    try:
        rows = kind(path)
    except OSError as error:
        raise DataError(f"The data file '{path}' cannot be read: {error}.") from error
    if len(rows) == 0:
        raise DataError(f"The data file '{path}' has no rows.")
    return rows


def has_columns(path: Path, columns: Iterable[str]) -> bool:
    """Tell whether a path is a table that has all of these columns."""
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        return False
    try:
        return set(columns) <= set(open_rows(path).columns)
    except DataError:
        return False


class Pieces:
    """A file that is opened once, and read piece by piece, from any thread."""

    def __init__(self, path: Path) -> None:
        self.file, self._lock = path.open("rb"), Lock()
        # Where each piece begins, and where the last one ends.
        self._starts = array("Q")
        weakref.finalize(self, self.file.close)

    def add(self, start: int) -> None:
        """Note where a piece begins; the last call says where the last one ends."""
        self._starts.append(start)

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, index: int, /) -> bytes:
        place = range(len(self))[index]
        start, end = self._starts[place], self._starts[place + 1]
        with self._lock:
            self.file.seek(start)
            return self.file.read(end - start)


@dataclass(frozen=True)
class JsonLines:
    """One JSON object per line; an index of 8 bytes per line is kept, blank lines are skipped."""

    path: Path
    columns: Sequence[str] = field(init=False, default=())
    _lines: Pieces = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        lines = Pieces(self.path)
        start = len(_BOM) if lines.file.read(len(_BOM)) == _BOM else 0
        lines.file.seek(start)
        for line in lines.file:
            if not line.isspace():
                lines.add(start)
            start += len(line)
        lines.add(start)
        object.__setattr__(self, "_lines", lines)
        object.__setattr__(self, "columns", tuple(self[0]) if len(lines) else ())

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, index: int, /) -> dict[str, Any]:
        line = self._lines[index]
        try:
            row = read_json(line)
        except ValueError as error:
            raise DataError(f"Row {index} of '{self.path}' is not JSON: {error}. Write one object per line.") from error
        if not isinstance(row, dict):
            raise DataError(f"Row {index} of '{self.path}' is a {type(row).__name__}. Write one JSON object per line.")
        return row


@dataclass(frozen=True)
class Csv:
    """Comma- (.csv) or tab-separated (.tsv) rows under a header; quoted cells may hold line breaks."""

    path: Path
    columns: Sequence[str] = field(init=False, default=())
    _rows: Pieces = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        rows, count = Pieces(self.path), 0
        lines = Lines(rows.file, self.path)
        reader = self._reader(lines)
        header = self._next(reader, "The header") or []
        start = lines.position
        while (row := self._next(reader, f"Row {count}")) is not None:
            if row:
                rows.add(start)
                count += 1
            start = lines.position
        rows.add(start)
        check_header(header, self.path)
        object.__setattr__(self, "columns", tuple(header))
        object.__setattr__(self, "_rows", rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int, /) -> dict[str, Any]:
        piece = io.BytesIO(self._rows[index])
        row = self._next(self._reader(Lines(piece, self.path)), f"Row {index}") or []
        if len(row) != len(self.columns):
            raise DataError(
                f"Row {index} of '{self.path}' has {len(row)} cells but the header has {len(self.columns)}. "
                "Quote cells that hold the separator."
            )
        return dict(zip(self.columns, row, strict=True))

    def _reader(self, lines: "Lines") -> Iterator[list[str]]:
        return csv.reader(lines, delimiter="\t" if self.path.suffix.lower() == ".tsv" else ",", strict=True)

    def _next(self, reader: Iterator[list[str]], what: str) -> list[str] | None:
        try:
            return next(reader, None)
        except csv.Error as error:
            raise DataError(f"{what} of '{self.path}' is not CSV: {error}. Check its quotes.") from error


class Lines:
    """The decoded lines of a binary file, with the position after the last one that was taken."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file = file
        self._path = path
        self.position = file.tell()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.readline()
        if not line:
            raise StopIteration
        start, self.position = self.position, self.position + len(line)
        try:
            return (line.removeprefix(_BOM) if start == 0 else line).decode()
        except UnicodeDecodeError as error:
            raise DataError(f"'{self._path}' is not UTF-8: {error}. Save it as UTF-8.") from error


def check_header(header: Sequence[str], path: Path) -> None:
    """Raise DataError for a file without a header, or with a column name that is empty or used twice."""
    wrong = [name for name in header if not name.strip() or list(header).count(name) > 1]
    if wrong or not header:
        problem = f"names the column '{wrong[0]}' badly: empty or twice" if wrong else "is missing"
        raise DataError(f"The header of '{path}' {problem}. Write one different name per column in the first line.")


@dataclass(frozen=True)
class Parquet:
    """Rows of a Parquet file, copied once to a temporary Arrow file that is memory-mapped."""

    path: Path
    columns: Sequence[str] = field(init=False, default=())
    _reader: Any = field(init=False, repr=False, compare=False)
    _starts: "array[int]" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        pyarrow = import_extra("pyarrow", "table")
        parquet = import_extra("pyarrow.parquet", "table")
        copy = temporary_folder(self) / "rows.arrow"
        try:
            with parquet.ParquetFile(self.path) as source:
                columns = tuple(source.schema_arrow.names)
                starts = _spool(pyarrow, source, copy)
            reader = pyarrow.ipc.open_file(pyarrow.memory_map(str(copy)))
        except (pyarrow.ArrowException, UnicodeDecodeError) as error:
            raise DataError(f"'{self.path}' cannot be read as Parquet: {error}. Write it again.") from error
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "_starts", starts)
        object.__setattr__(self, "_reader", reader)

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, index: int, /) -> dict[str, Any]:
        batch = bisect.bisect_right(self._starts, index) - 1
        rows = self._reader.get_batch(batch).slice(index - self._starts[batch], 1)
        try:
            row: list[dict[str, Any]] = rows.to_pylist()
        except UnicodeDecodeError as error:
            raise DataError(f"Row {index} of '{self.path}' is not UTF-8: {error}. Write it again.") from error
        return row[0]


def _spool(pyarrow: Any, source: Any, copy: Path) -> "array[int]":
    """Copy the rows in small batches; return the first row of each batch, and the number of rows at the end."""
    starts = array("Q", [0])
    with pyarrow.OSFile(str(copy), "wb") as sink, pyarrow.ipc.new_file(sink, source.schema_arrow) as writer:
        for batch in source.iter_batches(batch_size=_BATCH_ROWS):
            if batch.num_rows:
                writer.write_batch(batch)
                starts.append(starts[-1] + batch.num_rows)
    return starts
