"""Read questions with several answers, of which a language model is to find the right one likeliest."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ovquant.domain.sample import IGNORED, Sample
from ovquant.errors import DataError
from ovquant.plugins.datasets.arrays import position
from ovquant.plugins.datasets.rows import Rows, has_columns, open_rows
from ovquant.plugins.datasets.tokens import Tokenizer

COLUMNS = ("prompt", "choices", "answer")


@dataclass(frozen=True)
class Choices:
    """Read .jsonl or .parquet rows with prompt, choices and answer, and a Hugging Face tokenizer.json.

    Each choice is a sample: `input_ids` and `attention_mask`, int64 `[length]`, of the prompt with the choice behind it, as they
    are written; a space between them belongs into one of them. The answer is a choice, or its place, from zero on.
    A target holds the `tokens` of the choice (-100 for those of the prompt), `question`, the row, `right`, and `choices`, how
    many the question has. Score them by the metric `choice`, and keep the choices of a question together with `--group-by prompt`.

    tokenizer: the tokenizer file; by default tokenizer.json beside the data.
    Raises DataError for a column, tokenizer or row that is missing or cannot be read.
    """

    path: Path
    tokenizer: str = ""
    _rows: Rows = field(init=False, repr=False, compare=False)
    _places: tuple[tuple[int, int], ...] = field(init=False, repr=False, compare=False)
    _tokenizer: Tokenizer = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the rows and their choices, and read the tokenizer."""
        path = Path(self.path)
        rows = open_rows(path)
        missing = [name for name in COLUMNS if name not in rows.columns]
        if missing:
            raise DataError(f"'{path}' has no column '{missing[0]}'; questions have {', '.join(COLUMNS)}.")
        object.__setattr__(self, "_rows", rows)
        places = [(row, choice) for row in range(len(rows)) for choice in range(len(self._question(row)[1]))]
        object.__setattr__(self, "_places", tuple(places))
        object.__setattr__(self, "_tokenizer", Tokenizer.of(self.tokenizer, path))

    @staticmethod
    def accepts(path: Path) -> bool:
        """Tell whether the path is a table of questions."""
        return has_columns(path, COLUMNS)

    def __len__(self) -> int:
        """Return the number of choices of all questions."""
        return len(self._places)

    def __getitem__(self, index: int, /) -> Sample:
        """Return one choice behind its prompt."""
        row, place = self._places[position(index, len(self))]
        prompt, choices, answer = self._question(row)
        encoded = self._tokenizer.library.encode(prompt + choices[place])
        inputs = self._tokenizer.inputs(encoded)
        ids = inputs["input_ids"]
        # A token that begins in the prompt and ends in the choice tells something of the choice.
        behind = np.array([end > len(prompt) for _, end in encoded.offsets]) & ~np.isin(ids, list(inputs.special))
        if not behind.any():
            raise DataError(f"Row {row} of '{self.path}': the choice '{choices[place]}' has no token of its own.")
        target = {
            "tokens": np.where(behind, ids, IGNORED),
            "question": row,
            "right": place == answer,
            "choices": len(choices),
        }
        # A decoder has no use for the types of tokens, and a sample is known by all that it holds.
        del inputs["token_type_ids"]
        return Sample(inputs, target)

    def column(self, name: str) -> list[Any]:
        """Return a column of the table, once for each choice."""
        if name not in self._rows.columns:
            raise DataError(f"'{self.path}' has no column '{name}'. Its columns: {', '.join(self._rows.columns)}.")
        return [self._rows[row].get(name) for row, _ in self._places]

    def _question(self, row: int) -> tuple[str, list[str], int]:
        """Return a row's prompt, its choices, and the place of the right one."""
        prompt, texts, answer = (self._rows[row].get(name) for name in COLUMNS)
        where = f"Row {row} of '{self.path}'"
        if not isinstance(prompt, str) or not isinstance(texts, list) or not _are_texts(texts):
            raise DataError(f"{where} should have a text as prompt, and two texts or more as choices.")
        place = texts.index(answer) if answer in texts else answer
        if isinstance(place, bool) or not isinstance(place, int) or not 0 <= place < len(texts):
            raise DataError(f"{where} has the answer {answer!r}, which is no choice and no place of one (from 0 on).")
        return prompt, texts, place


def _are_texts(given: list[Any]) -> bool:
    return len(given) > 1 and all(isinstance(item, str) for item in given)
