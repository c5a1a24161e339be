"""Prompts and completions: the tokens of both, and what the model is to write itself."""

import json
from pathlib import Path
from typing import Any

import pytest

from ovquant.domain.sample import Generate
from ovquant.errors import DataError, UsageError
from ovquant.plugins.datasets import open_dataset
from ovquant.plugins.datasets.completions import Completions
from ovquant.plugins.datasets.text import Text
from tests.plugins.datasets.test_text import WORDS, save_tokenizer, write

ROWS: list[dict[str, Any]] = [
    {"prompt": "good film", "completion": " bad", "topic": "films"},
    {"prompt": "film", "completion": "good bad", "topic": "words"},
]
SEP = WORDS.index("[SEP]")


def completions(folder: Path, rows: list[dict[str, Any]] = ROWS, **config: Any) -> Path:
    save_tokenizer(folder)
    (folder / "config.json").write_text(json.dumps(config))
    return write(folder / "completions.jsonl", rows)


def words(tokens: Any) -> list[str]:
    return [WORDS[token] for token in tokens]


def asked(inputs: Any) -> Generate:
    found: Generate = inputs.generate
    return found


def test_a_completion_stands_behind_its_prompt_which_the_model_goes_on_from(tmp_path: Path) -> None:
    data = open_dataset(completions(tmp_path, eos_token_id=SEP))
    assert isinstance(data, Completions)
    assert len(data) == 2
    inputs, target = data[0]
    # The tokenizer ends a text, and a prompt goes on.
    assert words(inputs["input_ids"]) == ["[CLS]", "good", "film", "bad"]  # type: ignore[index, call-overload]
    assert set(inputs) == {"input_ids", "attention_mask"}  # type: ignore[arg-type]
    assert target == "bad"
    generate = asked(inputs)
    assert (generate.prompt, generate.max_new_tokens, generate.stop) == (3, 64, (SEP,))
    assert generate.decode is not None
    assert generate.decode([WORDS.index("bad"), WORDS.index("film")]) == "bad film"
    assert data.column("topic") == ["films", "words"]
    with pytest.raises(DataError, match="no column 'level'"):
        data.column("level")


def test_behind_an_encoder_the_decoder_has_tokens_of_its_own(tmp_path: Path) -> None:
    path = completions(tmp_path, is_encoder_decoder=True, decoder_start_token_id=1, eos_token_id=[SEP, 0])
    (tmp_path / "generation_config.json").write_text(json.dumps({"decoder_start_token_id": 0}))
    inputs: Any = open_dataset(f"{path}:max_new_tokens=5")[1].inputs
    assert words(inputs["input_ids"]) == ["[CLS]", "film", "[SEP]"]
    assert inputs["decoder_input_ids"].tolist() == [0, WORDS.index("good"), WORDS.index("bad")]
    generate = asked(inputs)
    assert (generate.prompt, generate.max_new_tokens, generate.stop) == (1, 5, (SEP, 0))


def test_a_chat_is_a_prompt(tmp_path: Path) -> None:
    rows = [{"prompt": [{"role": "user", "content": "good"}], "completion": [{"role": "assistant", "content": "film"}]}]
    path = completions(tmp_path, [*rows, {"prompt": "good", "completion": "film"}])
    (tmp_path / "chat_template.jinja").write_text(
        "{% for m in messages %}{{ m.content }}{% endfor %}{% if add_generation_prompt %} bad{% endif %}"
    )
    inputs, target = open_dataset(path)[0]
    assert words(inputs["input_ids"]) == ["good", "bad", "film"]  # type: ignore[index, call-overload]
    assert (asked(inputs).prompt, asked(inputs).stop, target) == (2, (), "film")
    with pytest.raises(DataError, match="Row 1 of .*A chat is a list of messages"):
        open_dataset(path)[1]


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    path = completions(tmp_path, [*ROWS, {"prompt": 3, "completion": "bad"}, {"prompt": "good", "completion": 3}])
    data = open_dataset(path)
    with pytest.raises(DataError, match="Row 2 of .* has a int as prompt"):
        data[2]
    with pytest.raises(DataError, match="Row 3 of .* should have a text as completion"):
        data[3]
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "post_processor": None}))
    empty = write(tmp_path / "empty.jsonl", [{"prompt": "", "completion": "bad"}])
    with pytest.raises(DataError, match="Row 0 of .* has a prompt without any token"):
        open_dataset(empty)[0]
    with pytest.raises(UsageError, match="max_new_tokens=0 must be at least 1"):
        open_dataset(f"{path}:max_new_tokens=0")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(DataError, match=r"config\.json' cannot be read"):
        open_dataset(path)
    plain = write(tmp_path / "texts.jsonl", [{"prompt": "good", "text": "film"}])
    assert isinstance(open_dataset(plain), Text)
    with pytest.raises(DataError, match="no column 'completion'; there should be prompt and completion"):
        open_dataset(f"completions:path={plain}")
