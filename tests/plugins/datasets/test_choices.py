"""Questions become one sample for each choice, of which the tokens of the choice are scored."""

import json
from pathlib import Path
from typing import Any

import pytest

from ovquant.domain.sample import IGNORED
from ovquant.errors import DataError
from ovquant.plugins.datasets import open_dataset
from ovquant.plugins.datasets.choices import Choices
from ovquant.plugins.datasets.text import Text
from tests.plugins.datasets.test_text import WORDS, save_tokenizer, write

ROWS: list[dict[str, Any]] = [
    {"prompt": "good film", "choices": [" good", " bad bad"], "answer": 1, "topic": "films"},
    {"prompt": "film", "choices": [" good", " bad", " film"], "answer": " film", "topic": "words"},
]


def questions(folder: Path, rows: list[dict[str, Any]] = ROWS, name: str = "questions.jsonl") -> Path:
    file = save_tokenizer(folder)
    known = json.loads(file.read_text())
    special = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    known["added_tokens"] = [{"id": number, "content": WORDS[number], **special} for number in (0, 2, 3)]
    file.write_text(json.dumps(known))
    return write(folder / name, rows)


def words(tokens: Any) -> list[str]:
    return ["" if token == IGNORED else WORDS[token] for token in tokens]


def test_each_choice_is_a_sample_behind_its_prompt(tmp_path: Path) -> None:
    data = open_dataset(questions(tmp_path))
    assert isinstance(data, Choices)
    assert len(data) == 5
    inputs: Any = data[1].inputs
    assert words(inputs["input_ids"]) == ["[CLS]", "good", "film", "bad", "bad", "[SEP]"]
    target = data[1].target
    assert words(target["tokens"]) == ["", "", "", "bad", "bad", ""]
    assert (target["question"], target["choices"]) == (0, 2)
    assert [sample.target["right"] for sample in data] == [False, True, False, False, True]  # type: ignore[attr-defined]
    assert inputs.padding is not None


def test_a_column_is_told_once_for_each_choice(tmp_path: Path) -> None:
    data = Choices(questions(tmp_path))
    assert data.column("topic") == ["films"] * 2 + ["words"] * 3
    with pytest.raises(DataError, match="no column 'level'"):
        data.column("level")


def test_a_table_of_texts_is_none_of_questions(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    path = write(tmp_path / "texts.jsonl", [{"prompt": "good", "text": "film"}])
    assert isinstance(open_dataset(path), Text)
    assert not Choices.accepts(tmp_path / "nowhere.jsonl")
    with pytest.raises(DataError, match="no column 'choices'; questions have prompt, choices, answer"):
        Choices(path)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"prompt": 3}, "Row 1 .*should have a text as prompt"),
        ({"choices": "good"}, "Row 1 .*two texts or more as choices"),
        ({"choices": ["good"]}, "two texts or more"),
        ({"choices": ["good", 2]}, "two texts or more"),
        ({"answer": 3}, "the answer 3, which is no choice and no place of one"),
        ({"answer": -1}, "no choice and no place"),
        ({"answer": True}, "no choice and no place"),
        ({"answer": "film"}, "the answer 'film', which is no choice"),
    ],
)
def test_a_row_that_is_no_question_is_named(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        Choices(questions(tmp_path, [ROWS[0], {**ROWS[1], **changed}]))


def test_a_choice_without_a_token_is_named(tmp_path: Path) -> None:
    data = Choices(questions(tmp_path, [{**ROWS[0], "choices": [" ", " bad"]}]))
    with pytest.raises(DataError, match="Row 0 .*the choice ' ' has no token of its own"):
        data[0]
