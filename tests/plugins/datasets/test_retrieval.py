"""Queries with passages, and pairs of texts, become a sample for each text."""

from pathlib import Path
from typing import Any

import pytest

from ovquant.domain.split import read_contents
from ovquant.errors import DataError
from ovquant.plugins.datasets import open_dataset
from ovquant.plugins.datasets.retrieval import Pairs, Retrieval
from tests.plugins.datasets.test_choices import words
from tests.plugins.datasets.test_text import save_tokenizer, write

ROWS: list[dict[str, Any]] = [
    {"query": "good", "passages": ["good film", "bad"], "relevance": [2, 0], "topic": "films"},
    {"query": "bad", "passages": ["film"], "relevance": [1], "topic": "words"},
]
PAIRS: list[dict[str, Any]] = [
    {"first": "good film", "second": "good", "similarity": 4.5},
    {"first": "bad", "second": "film", "similarity": "0.5"},
]


def queries(folder: Path, rows: list[dict[str, Any]] = ROWS) -> Path:
    save_tokenizer(folder)
    return write(folder / "queries.jsonl", rows)


def test_a_query_and_each_of_its_passages_is_a_sample(tmp_path: Path) -> None:
    data = open_dataset(queries(tmp_path))
    assert isinstance(data, Retrieval)
    assert len(data) == 5
    inputs: Any = data[1].inputs
    assert words(inputs["input_ids"]) == ["[CLS]", "good", "film", "[SEP]"]
    expected = {"row": 0, "place": 1, "texts": 3, "truth": [2.0, 0.0], "tokens": 4, "left": False}
    assert data[1].target == expected
    assert [(sample.target["row"], sample.target["place"]) for sample in data] == [
        (0, 0),
        (0, 1),
        (0, 2),
        (1, 0),
        (1, 1),
    ]  # type: ignore[attr-defined]
    assert data.column("query") == ["good"] * 3 + ["bad"] * 2
    with pytest.raises(DataError, match="no column 'level'. Its columns: query, passages, relevance, topic"):
        data.column("level")


def test_rows_may_have_passages_in_common_and_only_a_whole_row_is_a_copy(tmp_path: Path) -> None:
    shared = {"query": "film", "passages": ["good film", "bad"], "relevance": [0, 1]}
    data = Retrieval(queries(tmp_path, [ROWS[0], shared, ROWS[0]]))
    contents = read_contents(data)
    assert len(set(contents.hashes)) == 6
    held, (note,) = contents.proving(range(len(data)))
    assert [(sample.target["row"], sample.target["place"]) for sample in held] == [  # type: ignore[attr-defined]
        (row, place) for row in (0, 1) for place in range(3)
    ]
    assert note.startswith("3 of 9 held-out samples are copies")


def test_both_texts_of_a_pair_are_samples(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    path = write(tmp_path / "pairs.jsonl", PAIRS)
    data = open_dataset(f"{path}:max_length=3")
    assert isinstance(data, Pairs)
    assert [sample.target["truth"] for sample in data] == [[4.5]] * 2 + [[0.5]] * 2  # type: ignore[attr-defined]
    assert [sample.target["tokens"] for sample in data] == [3] * 4  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"query": 3}, "a text as query, texts as passages and numbers as relevance"),
        ({"passages": "good"}, "a text as query, texts as passages"),
        ({"passages": []}, "a text as query, texts as passages"),
        ({"relevance": [True]}, "numbers as relevance"),
        ({"relevance": [1, 0]}, "a relevance for each passage"),
        ({"relevance": [0]}, "one at least that is more than zero"),
        ({"relevance": [-1]}, "zero or more"),
    ],
)
def test_a_row_that_is_none_is_named(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=f"Row 1 .*should have .*{said}"):
        Retrieval(queries(tmp_path, [ROWS[0], {**ROWS[1], **changed}]))


@pytest.mark.parametrize("changed", [{"first": 3}, {"second": None}, {"similarity": "much"}, {"similarity": None}])
def test_a_pair_that_is_none_is_named(tmp_path: Path, changed: dict[str, Any]) -> None:
    save_tokenizer(tmp_path)
    path = write(tmp_path / "pairs.jsonl", [PAIRS[0], {**PAIRS[1], **changed}])
    with pytest.raises(DataError, match="Row 1 .*should have texts as first and second, and a number as similarity"):
        Pairs(path)


def test_a_column_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column 'first'; such rows have first, second, similarity"):
        Pairs(queries(tmp_path))
