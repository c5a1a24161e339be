"""Texts to token ids, as a Hugging Face tokenizer.json says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ovquant.domain.sample import Padding, Tokens
from ovquant.errors import DataError
from ovquant.plugins.extras import import_extra

_PAD_TOKENS = ("[PAD]", "<pad>", "<PAD>", "<|pad|>", "<|endoftext|>", "</s>")


@dataclass(frozen=True)
class Tokenizer:
    """A tokenizer, how rows of its tokens are padded, None where it has no padding token, and the ids that stand for no text."""

    library: Any
    padding: Padding | None
    special: frozenset[int]

    @classmethod
    def of(cls, asked: str, data: Path, *, max_length: int = 0) -> "Tokenizer":
        """Read the tokenizer that was asked for, else the one beside the data; max_length truncates, 0 leaves what the file says."""
        library = read_tokenizer(tokenizer_file(asked, data), data)
        options = padding_options(library)
        library.no_padding()
        if max_length:
            library.enable_truncation(max_length)
        return cls(library, None if options is None else padding_of(options), special_ids(library))

    def inputs(self, encoded: Any) -> Tokens:
        """Return an encoded text as the inputs of a sample, int64 `[length]`; a model takes those it has."""
        arrays = {
            "input_ids": np.array(encoded.ids, np.int64),
            "attention_mask": np.array(encoded.attention_mask, np.int64),
            "token_type_ids": np.array(encoded.type_ids, np.int64),
        }
        return Tokens(arrays, self.padding, self.special)

    def decoded(self, ids: Sequence[int]) -> str:
        """Return the text of token ids, without special tokens and the space around it."""
        return str(self.library.decode(list(ids), skip_special_tokens=True)).strip()


def tokenizer_file(asked: str, data: Path) -> Path:
    """Return the tokenizer that was asked for, else the one beside the data."""
    return Path(asked) if asked else data.parent / "tokenizer.json"


def read_tokenizer(file: Path, data: Path) -> Any:
    """Return the tokenizer of a file, for some data; raises DataError where it is not there or cannot be read."""
    if not file.is_file():
        raise DataError(
            f"The tokenizer '{file}' of '{data}' does not exist. "
            "Put the model's tokenizer.json beside the data, or name it with tokenizer=FILE."
        )
    library = import_extra("tokenizers", "text")
    try:
        return library.Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises plain Exception
        raise DataError(f"The tokenizer '{file}' cannot be read: {error}. Save it again as tokenizer.json.") from error


def special_ids(tokenizer: Any) -> frozenset[int]:
    """Return the ids of the tokens that stand for no text."""
    return frozenset(number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special)


def padding_options(tokenizer: Any, pad_id: int | None = None) -> dict[str, Any] | None:
    """Return how a tokenizer pads, but for the length; None where it has no padding token. pad_id: another one to pad with."""
    options = {name: value for name, value in (tokenizer.padding or {}).items() if name != "length"}
    if pad_id is not None:
        return options | {"pad_id": pad_id, "pad_token": tokenizer.id_to_token(pad_id) or ""}
    if options:
        return options
    token = next((token for token in _PAD_TOKENS if tokenizer.token_to_id(token) is not None), None)
    return None if token is None else {"pad_id": tokenizer.token_to_id(token), "pad_token": token}


def padding_of(options: Mapping[str, Any]) -> Padding:
    """Return how rows of tokens are padded, from a tokenizer's own options."""
    values = {"input_ids": options["pad_id"], "attention_mask": 0, "token_type_ids": options.get("pad_type_id", 0)}
    return Padding(values, left=options.get("direction") == "left")
