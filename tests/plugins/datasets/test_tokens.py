"""What a tokenizer's file says of padding and special tokens."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from ovquant.domain.sample import Padding
from ovquant.errors import DataError
from ovquant.plugins.datasets.tokens import padding_of, padding_options, read_tokenizer, special_ids, tokenizer_file
from tests.plugins.datasets.test_text import save_tokenizer


def test_it_lies_beside_the_data_unless_it_is_named(tmp_path: Path) -> None:
    data = tmp_path / "texts.jsonl"
    assert tokenizer_file("", data) == tmp_path / "tokenizer.json"
    assert tokenizer_file("other.json", data) == Path("other.json")
    with pytest.raises(DataError, match="tokenizer.json' of .* does not exist"):
        read_tokenizer(tmp_path / "tokenizer.json", data)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(DataError, match="cannot be read"):
        read_tokenizer(tmp_path / "tokenizer.json", data)


def test_padding_is_the_tokenizers_own_or_by_a_token_that_is_known_for_it(tmp_path: Path) -> None:
    tokenizer = read_tokenizer(save_tokenizer(tmp_path), tmp_path)
    assert padding_options(tokenizer) == {"pad_id": 0, "pad_token": "[PAD]"}
    assert padding_options(tokenizer, 5) == {"pad_id": 5, "pad_token": "bad"}
    tokenizer.enable_padding(direction="left", pad_id=4, pad_token="good")
    options = padding_options(tokenizer)
    assert options is not None
    assert padding_of(options) == Padding({"input_ids": 4, "attention_mask": 0, "token_type_ids": 0}, left=True)
    assert padding_options(Tokenizer(WordLevel({"a": 0}, unk_token="a"))) is None


def test_special_tokens_are_those_that_stand_for_no_text() -> None:
    tokenizer = Tokenizer(WordLevel({"a": 0, "<s>": 1}, unk_token="a"))
    tokenizer.add_special_tokens(["<s>"])
    tokenizer.add_tokens(["b"])
    assert special_ids(tokenizer) == {1}
