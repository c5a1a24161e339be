"""The text kind and the tables it reads."""

import csv
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from ovquant.domain.sample import Array, Padding, Tokens
from ovquant.errors import DataError, UsageError
from ovquant.plugins.datasets import open_dataset
from ovquant.plugins.datasets.rows import Csv, JsonLines, open_rows
from ovquant.plugins.datasets.text import Text

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "film"]
ROWS = [
    {"text": "good film", "label": "yes"},
    {"text": "bad", "label": "no"},
    {"text": "film film film", "label": "yes"},
]


def save_tokenizer(folder: Path, words: list[str] = WORDS) -> Path:
    tokenizer = Tokenizer(WordLevel({word: index for index, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder / "tokenizer.json"


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        parquet.write_table(pyarrow.Table.from_pylist(rows), path, row_group_size=2)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    return path


def inputs_of(dataset: Any, index: int) -> Mapping[str, Array]:
    inputs = dataset[index].inputs
    assert isinstance(inputs, Mapping)
    return inputs


FILES = pytest.mark.parametrize("name", ["d.jsonl", "d.csv", "d.tsv", "d.parquet"])


@FILES
def test_tokens_and_classes(tmp_path: Path, name: str) -> None:
    save_tokenizer(tmp_path)
    data = open_dataset(write(tmp_path / name, ROWS))
    assert len(data) == 3
    assert inputs_of(data, 0)["input_ids"].tolist() == [2, 4, 6, 3]
    assert inputs_of(data, 0)["attention_mask"].tolist() == [1, 1, 1, 1]
    assert all(array.dtype == np.int64 for array in inputs_of(data, 2).values())
    assert [data[index].target for index in range(3)] == [1, 0, 1]


@FILES
def test_numbers_are_targets_as_they_are(tmp_path: Path, name: str) -> None:
    save_tokenizer(tmp_path)
    rows = [{"text": "good", "target": "3"}, {"text": "bad", "target": "1.5"}]
    data = Text(write(tmp_path / name, rows))
    assert [data[0].target, data[1].target] == [3, 1.5]


def test_json_values_keep_their_type(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    rows = [{"text": "good", "target": 3}, {"text": "bad", "target": None}, {"text": "film", "target": [1, 2]}]
    data = Text(write(tmp_path / "d.jsonl", rows))
    assert [data[index].target for index in range(3)] == [3, None, [1, 2]]


def test_classes_give_the_order(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    write(tmp_path / "d.csv", ROWS)
    data = open_dataset(f"{tmp_path / 'd.csv'}:classes=yes;no,pad=6")
    assert [data[index].target for index in range(3)] == [0, 1, 0]
    with pytest.raises(DataError, match="Row 0 .*label 'yes' is none of the classes no"):
        open_dataset(f"{tmp_path / 'd.csv'}:classes=no")[0]


def test_text_targets_stay_text(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    assert Text(write(tmp_path / "d.csv", ROWS), target_type="text")[0].target == "yes"


def test_without_targets(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    assert Text(write(tmp_path / "d.csv", [{"text": "good"}]))[0].target is None


def test_pair_has_types(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    data = Text(write(tmp_path / "d.csv", [{"q": "good", "a": "bad film"}]), text="q", pair="a")
    assert inputs_of(data, 0)["input_ids"].tolist() == [2, 4, 3, 5, 6, 3]
    assert inputs_of(data, 0)["token_type_ids"].tolist() == [0, 0, 0, 1, 1, 1]


def test_padding_and_truncation(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    path = write(tmp_path / "d.csv", ROWS)
    padded = Text(path, pad=4)
    assert inputs_of(padded, 1)["input_ids"].tolist() == [2, 5, 3, 0]
    assert inputs_of(padded, 1)["attention_mask"].tolist() == [1, 1, 1, 0]
    assert inputs_of(padded, 2)["input_ids"].tolist() == [2, 6, 6, 3]
    assert inputs_of(Text(path, max_length=3), 2)["input_ids"].tolist() == [2, 6, 3]
    assert inputs_of(Text(path, pad=4, pad_id=1), 1)["input_ids"].tolist() == [2, 5, 3, 1]


def test_tokenizer_without_padding_token_needs_an_id(tmp_path: Path) -> None:
    save_tokenizer(tmp_path, ["a", "[UNK]", "[CLS]", "[SEP]"])
    path = write(tmp_path / "d.csv", ROWS)
    with pytest.raises(DataError, match="pad_id=ID"):
        Text(path, pad=4)
    assert len(inputs_of(Text(path, pad=9, pad_id=0), 0)["input_ids"]) == 9


def test_lengths_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="max_length=9 and pad=4"):
        Text(tmp_path / "d.csv", max_length=9, pad=4)


def test_tokenizer_elsewhere_missing_and_corrupt(tmp_path: Path) -> None:
    path = write(tmp_path / "d.csv", ROWS)
    with pytest.raises(DataError, match="tokenizer.json' of .*does not exist"):
        Text(path)
    (tmp_path / "other").mkdir()
    tokenizer = save_tokenizer(tmp_path / "other")
    assert len(Text(path, tokenizer=str(tokenizer))) == 3
    tokenizer.write_text("{}")
    with pytest.raises(DataError, match="tokenizer.json' cannot be read"):
        Text(path, tokenizer=str(tokenizer))


def test_unknown_columns_list_the_columns(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    path = write(tmp_path / "d.csv", ROWS)
    with pytest.raises(DataError, match="no column 'body'. Its columns: text, label"):
        Text(path, text="body")
    with pytest.raises(DataError, match="no column 'score'"):
        Text(path, target="score")
    both = write(tmp_path / "both.csv", [{"text": "a", "label": "1", "target": "2"}])
    with pytest.raises(DataError, match="target and label"):
        Text(both)


def test_text_that_is_none_names_the_row(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    data = Text(write(tmp_path / "d.jsonl", [{"text": "good"}, {"text": 3}]))
    with pytest.raises(DataError, match="Row 1 .* has a int as 'text'"):
        data[1]


@FILES
def test_empty_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(DataError, match=name):
        open_rows(tmp_path / name)


def test_header_alone_has_no_rows(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("text,label\n")
    with pytest.raises(DataError, match="has no rows"):
        open_rows(tmp_path / "d.csv")


def test_empty_parquet_has_no_rows(tmp_path: Path) -> None:
    parquet.write_table(pyarrow.table({"text": pyarrow.array([], pyarrow.string())}), tmp_path / "d.parquet")
    with pytest.raises(DataError, match="has no rows"):
        open_rows(tmp_path / "d.parquet")


def test_parquet_rows_across_batches(tmp_path: Path) -> None:
    rows = [{"text": f"row {index}"} for index in range(2500)]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "d.parquet", row_group_size=700)
    found = open_rows(tmp_path / "d.parquet")
    assert len(found) == 2500
    assert [found[index]["text"] for index in (0, 699, 700, 1023, 1024, 2499)] == [
        f"row {index}" for index in (0, 699, 700, 1023, 1024, 2499)
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,a\n1,2\n", "column 'a' badly"),
        ("a,\n1,2\n", "column '' badly"),
        ('a,b\n"open,2\n3,4\n', "Row 0 .*not CSV"),
    ],
)
def test_csv_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "d.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        Csv(tmp_path / "d.csv")


def test_csv_row_with_other_cells_is_named(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("a,b\n1,2\n1,2,3\n")
    with pytest.raises(DataError, match="Row 1 .* has 3 cells but the header has 2"):
        Csv(tmp_path / "d.csv")[1]


def test_csv_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_bytes("text\nMaß\n".encode("latin-1"))
    with pytest.raises(DataError, match="not UTF-8"):
        Csv(tmp_path / "d.csv")


def test_byte_order_mark_and_blank_lines_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_bytes(b"\xef\xbb\xbftext,label\r\n\r\nx,1\r\n\r\ny,2\r\n")
    rows = Csv(tmp_path / "d.csv")
    assert [rows[index]["text"] for index in range(len(rows))] == ["x", "y"]
    (tmp_path / "d.jsonl").write_bytes(b'\xef\xbb\xbf{"text": "x"}\n\n  \n{"text": "y"}')
    lines = JsonLines(tmp_path / "d.jsonl")
    assert [lines[index]["text"] for index in range(len(lines))] == ["x", "y"]


@pytest.mark.parametrize(("line", "message"), [("{", "Row 1 .*not JSON"), ("[1]", "Row 1 .*a list")])
def test_json_that_cannot_be_used(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "d.jsonl").write_text('{"a": 1}\n' + line + "\n")
    with pytest.raises(DataError, match=message):
        JsonLines(tmp_path / "d.jsonl")[1]


CELLS = st.text(st.sampled_from('ab",\n\r ;äß字'), max_size=8)


@settings(max_examples=80, deadline=None)
@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=8))
def test_csv_rows_by_index_are_what_csv_reads(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "d.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerows([("a", "b"), *rows])
    found = Csv(path)
    assert len(found) == len(rows)
    for index in reversed(range(len(rows))):
        assert tuple(found[index].values()) == rows[index]


def padding_in(data: Any) -> Padding | None:
    inputs = data[0].inputs
    assert isinstance(inputs, Tokens)
    return inputs.padding


def test_a_sample_says_how_its_rows_are_padded(tmp_path: Path) -> None:
    file = save_tokenizer(tmp_path)
    path = write(tmp_path / "d.csv", ROWS)
    assert padding_in(Text(path)) == Padding({"input_ids": 0, "attention_mask": 0, "token_type_ids": 0})
    assert padding_in(Text(path, pad_id=5)) == Padding({"input_ids": 5, "attention_mask": 0, "token_type_ids": 0})
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.enable_padding(direction="left", pad_id=4, pad_type_id=2, pad_token="good", length=50)
    tokenizer.save(str(file))
    assert padding_in(Text(path)) == Padding({"input_ids": 4, "attention_mask": 0, "token_type_ids": 2}, left=True)
    assert inputs_of(Text(path, pad=4), 1)["input_ids"].tolist() == [4, 2, 5, 3]
    assert inputs_of(Text(path), 1)["input_ids"].tolist() == [2, 5, 3]
    save_tokenizer(tmp_path, WORDS[1:])
    assert padding_in(Text(path)) is None


def test_padding_comes_through_a_sequence_and_a_pickle(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    data = Text(write(tmp_path / "d.csv", ROWS))
    assert padding_in(open_dataset(list(data))) == padding_in(data)
    copy = pickle.loads(pickle.dumps(data[0]))
    assert copy.inputs.padding == padding_in(data)
    assert copy.inputs["input_ids"].tolist() == inputs_of(data, 0)["input_ids"].tolist()
