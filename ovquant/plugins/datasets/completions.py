"""Read prompts and what is to be written of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ovquant.domain.sample import Array, Generate, Sample, Tokens
from ovquant.errors import DataError, UsageError
from ovquant.plugins.datasets.arrays import position
from ovquant.plugins.datasets.chat import ChatTemplate
from ovquant.plugins.datasets.rows import Rows, has_columns, open_rows
from ovquant.plugins.datasets.tokens import Tokenizer, tokenizer_file

COLUMNS = ("prompt", "completion")
_CONFIGS = ("generation_config.json", "config.json")


@dataclass(frozen=True)
class Completions:
    """Read .jsonl or .parquet rows with prompt and completion, and a Hugging Face tokenizer.json.

    A sample is `input_ids` and `attention_mask`, int64 `[length]`, of the prompt with the completion behind it. Where config.json beside
    the tokenizer says that an encoder stands before the decoder, they are the prompt's, and `decoder_input_ids` are those of the
    completion behind the token that a decoder begins with. The target is the completion, without the space around it. Metrics that
    compare texts (`exact`, `cer`, `wer`) have the model itself write behind the prompt, the likeliest token each time, until it ends
    (eos_token_id of generation_config.json or config.json) or has written enough.

    A prompt may be a chat, a list of messages, of which the chat template beside the tokenizer makes a text; then the completion may be
    such a list of one.

    tokenizer: the tokenizer file; by default tokenizer.json beside the data. max_new_tokens: how many tokens are written at most.
    Raises DataError for a column, tokenizer or row that is missing or cannot be read.
    """

    path: Path
    tokenizer: str = ""
    max_new_tokens: int = 64
    _rows: Rows = field(init=False, repr=False, compare=False)
    _tokenizer: Tokenizer = field(init=False, repr=False, compare=False)
    _chat: ChatTemplate | None = field(init=False, repr=False, compare=False)
    _config: Mapping[str, Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the rows, and read the tokenizer and what the model's folder says."""
        if self.max_new_tokens < 1:
            raise UsageError(f"max_new_tokens={self.max_new_tokens} must be at least 1.")
        path = Path(self.path)
        rows, file = open_rows(path), tokenizer_file(self.tokenizer, path)
        missing = [name for name in COLUMNS if name not in rows.columns]
        if missing:
            raise DataError(f"'{path}' has no column '{missing[0]}'; there should be {' and '.join(COLUMNS)}.")
        object.__setattr__(self, "_rows", rows)
        object.__setattr__(self, "_tokenizer", Tokenizer.of(self.tokenizer, path))
        chats = len(rows) and not isinstance(rows[0].get("prompt"), str)
        object.__setattr__(self, "_chat", ChatTemplate.beside(file) if chats else None)
        object.__setattr__(self, "_config", _config_in(file.parent))

    @staticmethod
    def accepts(path: Path) -> bool:
        """Tell whether the path is a table of prompts and completions."""
        return has_columns(path, COLUMNS)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._rows)

    def __getitem__(self, index: int, /) -> Sample:
        """Return one prompt with its completion."""
        row = position(index, len(self))
        prompt, completion, stop = self._prompt(row), self._completion(row), self._stop()
        written = np.array(self._tokenizer.library.encode(completion, add_special_tokens=False).ids, np.int64)
        begin = self._config.get("decoder_start_token_id") if self._config.get("is_encoder_decoder") else None
        # A decoder would have nothing to add to a text that has ended.
        prompt = prompt[:-1] if begin is None and len(prompt) > 1 and prompt[-1] in stop else prompt
        whole = prompt if begin is not None else np.concatenate([prompt, written])
        arrays: dict[str, Array] = {"input_ids": whole, "attention_mask": np.ones_like(whole)}
        if begin is not None:
            arrays["decoder_input_ids"] = np.concatenate([[begin], written])
        known = len(prompt) if begin is None else 1
        generate = Generate(self.max_new_tokens, known, stop, self._tokenizer.decoded)
        return Sample(Tokens(arrays, self._tokenizer.padding, self._tokenizer.special, generate), completion.strip())

    def column(self, name: str) -> list[Any]:
        """Return a column of the table."""
        if name not in self._rows.columns:
            raise DataError(f"'{self.path}' has no column '{name}'. Its columns: {', '.join(self._rows.columns)}.")
        return [self._rows[row].get(name) for row in range(len(self))]

    def _prompt(self, row: int) -> Array:
        """Return the token ids of a row's prompt, int64 `[length]`."""
        given = self._rows[row].get("prompt")
        if self._chat is not None:
            try:
                # The template has put in what begins a text.
                encoded = self._tokenizer.library.encode(self._chat.render(given, reply=True), add_special_tokens=False)
            except DataError as error:
                raise DataError(f"Row {row} of '{self.path}': {error}") from error
        elif isinstance(given, str):
            encoded = self._tokenizer.library.encode(given)
        else:
            raise DataError(
                f"Row {row} of '{self.path}' has a {type(given).__name__} as prompt, and others have texts."
            )
        if not encoded.ids:
            raise DataError(f"Row {row} of '{self.path}' has a prompt without any token. Give it some text.")
        return np.array(encoded.ids, np.int64)

    def _completion(self, row: int) -> str:
        given = self._rows[row].get("completion")
        if isinstance(given, list) and len(given) == 1 and isinstance(given[0], Mapping):
            given = given[0].get("content")
        if not isinstance(given, str):
            raise DataError(f"Row {row} of '{self.path}' should have a text as completion, or a list of one message.")
        return given

    def _stop(self) -> tuple[int, ...]:
        given = self._config.get("eos_token_id")
        return tuple(given) if isinstance(given, list) else () if given is None else (int(given),)


def _config_in(folder: Path) -> dict[str, Any]:
    """Return what a model's folder says of how it is served; raises DataError for a file that cannot be read."""
    found = dict[str, Any]()
    for name in reversed(_CONFIGS):
        file = folder / name
        try:
            found |= json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        except (OSError, ValueError, TypeError) as error:
            raise DataError(f"'{file}' cannot be read: {error}.") from error
    return found
