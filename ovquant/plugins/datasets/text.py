"""Read texts from a table and turn them into token ids."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ovquant.domain.sample import Array, Padding, Sample, Tokens
from ovquant.errors import DataError, UsageError
from ovquant.plugins.datasets import choices, completions, retrieval
from ovquant.plugins.datasets.arrays import position
from ovquant.plugins.datasets.chat import ChatTemplate
from ovquant.plugins.datasets.rows import SUFFIXES, Rows, has_columns, open_rows
from ovquant.plugins.datasets.targets import Encoding, TargetType, learn_encoding
from ovquant.plugins.datasets.tokens import padding_of, padding_options, read_tokenizer, special_ids, tokenizer_file

CHAT = "messages"
_TARGETS = ("target", "label", "labels")


@dataclass(frozen=True)
class Text:
    """Read .jsonl, .csv, .tsv or .parquet rows with a Hugging Face tokenizer.json, one text (or pair, or chat) a row.

    A sample is `input_ids`, `attention_mask` and `token_type_ids`, int64 `[length]`; a model takes those it has. Where a
    request needs rows of one length, they are padded as the tokenizer says.

    tokenizer: the tokenizer file; by default tokenizer.json beside the data.
    text, pair: the columns with the text and, if any, its second part.
    messages: the column with a chat, a list of messages with role and content, which the chat template beside the tokenizer makes a
    text of; by default messages, where no column is called text.
    target: the column with the target; by default target, label or labels, whichever is there.
    target_type: auto makes numbers of targets that are all numbers and class indices of others; text keeps them.
    classes: the labels in the order of their indices; by default the different labels, sorted.
    max_length: truncate to this many tokens; 0 leaves what the tokenizer file says.
    pad: pad, and truncate, to this many tokens; with 0 lengths differ, and a request of several rows is as long as its
    longest. pad_id: by default the tokenizer's own padding token.

    Raises DataError for a column, tokenizer or row that is missing or cannot be read.
    """

    path: Path
    tokenizer: str = ""
    text: str = "text"
    pair: str = ""
    target: str = ""
    target_type: TargetType = "auto"
    classes: tuple[str, ...] = ()
    max_length: int = 0
    pad: int = 0
    pad_id: int | None = None
    messages: str = ""
    _rows: Rows = field(init=False, repr=False, compare=False)
    _tokenizer: Any = field(init=False, repr=False, compare=False)
    _padding: Padding | None = field(init=False, repr=False, compare=False)
    _target: str = field(init=False, repr=False, compare=False)
    _encoding: Encoding = field(init=False, repr=False, compare=False)
    _special: frozenset[int] = field(init=False, repr=False, compare=False)
    _chat: ChatTemplate | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the rows, read the tokenizer, and look at all targets once."""
        if self.pad < 0 or self.max_length < 0 or (self.pad and self.max_length > self.pad):
            raise UsageError(
                f"max_length={self.max_length} and pad={self.pad} do not fit. Choose 0 <= max_length <= pad."
            )
        path = Path(self.path)
        rows = open_rows(path)
        target = find_target(self.target, rows, path)
        if not self.messages and self.text not in rows.columns and CHAT in rows.columns:
            object.__setattr__(self, "messages", CHAT)
        for column in filter(None, (self.messages or self.text, self.pair)):
            require_column(column, rows, path)
        object.__setattr__(self, "_rows", rows)
        object.__setattr__(self, "_target", target)
        tokenizer, padding = self._read_tokenizer(path)
        object.__setattr__(self, "_tokenizer", tokenizer)
        object.__setattr__(self, "_padding", padding)
        object.__setattr__(self, "_special", special_ids(tokenizer))
        object.__setattr__(self, "_chat", ChatTemplate.beside(self._file) if self.messages else None)
        object.__setattr__(self, "_encoding", self._learn(rows, target, path))

    @staticmethod
    def accepts(path: Path) -> bool:
        """Tell whether the path is a table file, by its suffix, and of no more than a text a row."""
        others = (choices.COLUMNS, completions.COLUMNS, retrieval.QUERIES, retrieval.PAIRS)
        plain = path.suffix.lower() in SUFFIXES and path.is_file()
        return plain and not any(has_columns(path, columns) for columns in others)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._rows)

    @property
    def labels(self) -> Mapping[str, int]:
        """Return the index of each label, where labels were made into indices."""
        return self._encoding.classes

    def __getitem__(self, index: int, /) -> Sample:
        """Return one row's tokens, int64 `[length]`, and its target or None."""
        found = position(index, len(self))
        row = self._rows[found]
        encoded = self._encoded(row, found)
        inputs: dict[str, Array] = {
            "input_ids": np.array(encoded.ids, np.int64),
            "attention_mask": np.array(encoded.attention_mask, np.int64),
            "token_type_ids": np.array(encoded.type_ids, np.int64),
        }
        try:
            return Sample(
                Tokens(inputs, self._padding, self._special),
                self._encoding(row.get(self._target)) if self._target else None,
            )
        except DataError as error:
            raise DataError(f"Row {found} of '{self.path}': {error}") from error

    def column(self, name: str) -> list[Any]:
        """Return a column of the table."""
        require_column(name, self._rows, Path(self.path))
        return [self._rows[index].get(name) for index in range(len(self))]

    def _encoded(self, row: Mapping[str, Any], index: int) -> Any:
        if self._chat is None:
            texts = [self._cell(row, column, index) for column in (self.text, self.pair) if column]
            return self._tokenizer.encode(*texts)
        try:
            # The template has put in what begins and ends a text.
            return self._tokenizer.encode(self._chat.render(row.get(self.messages)), add_special_tokens=False)
        except DataError as error:
            raise DataError(f"Row {index} of '{self.path}': {error}") from error

    def _cell(self, row: Mapping[str, Any], column: str, index: int) -> str:
        value = row.get(column)
        if not isinstance(value, str):
            raise DataError(
                f"Row {index} of '{self.path}' has a {type(value).__name__} as '{column}', not a text. "
                "Correct the row, or name the column with text= or pair=."
            )
        return value

    @property
    def _file(self) -> Path:
        return tokenizer_file(self.tokenizer, Path(self.path))

    def _read_tokenizer(self, path: Path) -> tuple[Any, Padding | None]:
        """Return the tokenizer, and how rows are padded; None where it has no padding token."""
        tokenizer = read_tokenizer(self._file, path)
        length = self.max_length or self.pad
        if length:
            tokenizer.enable_truncation(length)
        padding = padding_options(tokenizer, self.pad_id)
        tokenizer.no_padding()
        if self.pad and padding is None:
            raise DataError(
                f"The tokenizer '{self._file}' has no padding token. Add pad_id=ID, the token id to pad with."
            )
        if self.pad:
            tokenizer.enable_padding(**(padding or {}), length=self.pad)
        return tokenizer, None if padding is None else padding_of(padding)

    def _learn(self, rows: Rows, target: str, path: Path) -> Encoding:
        if not target:
            return Encoding()
        values = (rows[index].get(target) for index in range(len(rows)))
        return learn_encoding(values, self.target_type, classes=self.classes, otherwise="class", name=f"'{path}'")


def require_column(column: str, rows: Rows, path: Path) -> None:
    """Raise DataError listing the columns unless this one is there."""
    if column not in rows.columns:
        raise DataError(
            f"'{path}' has no column '{column}'. Its columns: {', '.join(rows.columns)}. "
            "Name them with text=, pair= and target=."
        )


def find_target(asked: str, rows: Rows, path: Path) -> str:
    """Return the name of the target column, or "" when none is asked for and none has a usual name."""
    if asked:
        require_column(asked, rows, path)
        return asked
    found = [name for name in _TARGETS if name in rows.columns]
    if len(found) > 1:
        raise DataError(f"'{path}' has the columns {' and '.join(found)}. Say which is the target with target=NAME.")
    return found[0] if found else ""
