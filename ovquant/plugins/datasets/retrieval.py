"""Read queries with passages, or pairs of texts, which an embedding model is to find alike."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ovquant.domain.content import content_digest
from ovquant.domain.sample import Sample
from ovquant.errors import DataError
from ovquant.plugins.datasets.arrays import position
from ovquant.plugins.datasets.rows import Rows, has_columns, open_rows
from ovquant.plugins.datasets.tokens import Tokenizer

QUERIES = ("query", "passages", "relevance")
PAIRS = ("first", "second", "similarity")


@dataclass(frozen=True)
class _Compared(ABC):
    """Rows of texts that are compared with each other, each text a sample."""

    path: Path
    tokenizer: str = ""
    max_length: int = 0
    _rows: Rows = field(init=False, repr=False, compare=False)
    _places: tuple[tuple[int, int], ...] = field(init=False, repr=False, compare=False)
    _tokenizer: Tokenizer = field(init=False, repr=False, compare=False)

    columns: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        """Index the rows and their texts, and read the tokenizer."""
        path = Path(self.path)
        rows = open_rows(path)
        missing = [name for name in self.columns if name not in rows.columns]
        if missing:
            raise DataError(f"'{path}' has no column '{missing[0]}'; such rows have {', '.join(self.columns)}.")
        object.__setattr__(self, "_rows", rows)
        places = [(row, place) for row in range(len(rows)) for place in range(len(self._read(row)[0]))]
        object.__setattr__(self, "_places", tuple(places))
        object.__setattr__(self, "_tokenizer", Tokenizer.of(self.tokenizer, path, max_length=self.max_length))

    def __len__(self) -> int:
        """Return the number of texts of all rows."""
        return len(self._places)

    def __getitem__(self, index: int, /) -> Sample:
        """Return one text of a row."""
        row, place = self._places[position(index, len(self))]
        texts, truth = self._read(row)
        inputs = self._tokenizer.inputs(self._tokenizer.library.encode(texts[place]))
        padding = inputs.padding
        target = {
            "row": row,
            "place": place,
            "texts": len(texts),
            "truth": truth,
            "tokens": int(np.count_nonzero(inputs["attention_mask"])),
            "left": padding is not None and padding.left,
        }
        return Sample(inputs, target)

    def part_of(self, index: int, /) -> str:
        """Return what a text is a part of: rows may have texts in common, and only a whole row is a copy of another."""
        return content_digest(self._read(self._places[index][0]))

    def column(self, name: str) -> list[Any]:
        """Return a column of the table, once for each text."""
        if name not in self._rows.columns:
            raise DataError(f"'{self.path}' has no column '{name}'. Its columns: {', '.join(self._rows.columns)}.")
        return [self._rows[row].get(name) for row, _ in self._places]

    @abstractmethod
    def _read(self, row: int) -> tuple[list[str], list[float]]:
        """Return the texts of a row, and what is true of them."""

    def _cells(self, row: int) -> list[Any]:
        return [self._rows[row].get(name) for name in self.columns]

    def _refuse(self, row: int, should: str) -> DataError:
        return DataError(f"Row {row} of '{self.path}' should have {should}.")


@dataclass(frozen=True)
class Retrieval(_Compared):
    """Read .jsonl or .parquet rows with query, passages and relevance, and a Hugging Face tokenizer.json.

    The query and each of its passages are a sample: `input_ids`, `attention_mask` and `token_type_ids`, int64 `[length]`; a model
    takes those it has. `relevance` has a number for each passage, zero for one that is not relevant. A target holds the `row`, the
    `place` in it (zero is the query), how many `texts` and `tokens` there are, and as `truth` the relevance. Score them by the metrics
    `ndcg` and `recall`, and keep the passages of a query together with `--group-by query`.

    tokenizer: the tokenizer file; by default tokenizer.json beside the data.
    max_length: truncate to this many tokens; 0 leaves what the tokenizer file says.
    Raises DataError for a column, tokenizer or row that is missing or cannot be read.
    """

    columns: ClassVar[tuple[str, ...]] = QUERIES

    @staticmethod
    def accepts(path: Path) -> bool:
        """Tell whether the path is a table of queries and passages."""
        return has_columns(path, QUERIES)

    def _read(self, row: int) -> tuple[list[str], list[float]]:
        query, passages, relevance = self._cells(row)
        if not isinstance(query, str) or not _is_list(passages, str) or not _is_list(relevance, int | float):
            raise self._refuse(row, "a text as query, texts as passages and numbers as relevance")
        if len(passages) != len(relevance) or min(relevance) < 0 or not any(relevance):
            raise self._refuse(
                row, "a relevance for each passage, zero or more, and one at least that is more than zero"
            )
        return [query, *passages], [float(value) for value in relevance]


@dataclass(frozen=True)
class Pairs(_Compared):
    """Read rows of a table with first, second and similarity, and a Hugging Face tokenizer.json.

    Each of the two texts is a sample, as in `retrieval`; `truth` is the similarity, a number that is larger for texts that are more alike.
    Score them by the metric `similarity`, and keep pairs together with `--group-by first`.

    tokenizer: the tokenizer file; by default tokenizer.json beside the data.
    max_length: truncate to this many tokens; 0 leaves what the tokenizer file says.
    Raises DataError for a column, tokenizer or row that is missing or cannot be read.
    """

    columns: ClassVar[tuple[str, ...]] = PAIRS

    @staticmethod
    def accepts(path: Path) -> bool:
        """Tell whether the path is a table of pairs and how alike they are."""
        return has_columns(path, PAIRS)

    def _read(self, row: int) -> tuple[list[str], list[float]]:
        first, second, score = self._cells(row)
        try:
            number = float(score)
        except (TypeError, ValueError):
            number = float("nan")
        if not isinstance(first, str) or not isinstance(second, str) or not np.isfinite(number):
            raise self._refuse(row, "texts as first and second, and a number as similarity")
        return [first, second], [number]


def _is_list(given: Any, kind: Any) -> bool:
    sound = isinstance(given, Sequence) and not isinstance(given, str)
    return sound and len(given) > 0 and all(isinstance(item, kind) and not isinstance(item, bool) for item in given)
