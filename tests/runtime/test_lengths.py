"""Rows of tokens of unequal length are padded as their tokenizer says, or by a mask; what is padded changes no score."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops
from tokenizers import Tokenizer

from ovquant import Sample
from ovquant.domain.sample import Padding, Tokens
from ovquant.errors import DataError
from ovquant.plugins.datasets import open_dataset
from ovquant.runtime import filling_of, fit, request
from ovquant.runtime.lengths import Fill, fills_of
from tests.plugins.datasets.test_text import WORDS, save_tokenizer
from tests.runtime.test_requests import calibrated, outputs_seen, weights


def reader(batch: int, length: int, *, masked: bool = True) -> openvino.Model:
    """Return a model of token ids that leaves out what its mask leaves out, and counts where each word stands."""
    ids, mask = (ops.parameter([batch, length], np.int64, name=name) for name in ("input_ids", "attention_mask"))
    for port in (ids, mask):
        port.output(0).get_tensor().set_names({port.get_friendly_name()})
    words = ops.relu(
        ops.matmul(ops.gather(weights(len(WORDS), 32), ids, ops.constant(0)), weights(32, 32), False, False)
    )
    if not masked:
        return openvino.Model([ops.reduce_max(words, ops.constant(np.array([1])))], [ids], "reader")
    here = ops.unsqueeze(ops.convert(mask, "f32"), ops.constant(2))
    total = ops.reduce_sum(ops.multiply(words, here), ops.constant(np.array([1])))
    mean = ops.divide(total, ops.reduce_sum(here, ops.constant(np.array([1]))))
    return openvino.Model([ops.matmul(mean, weights(32, 5), False, False)], [ids, mask], "reader")


def texts(folder: Path, count: int = 120) -> Path:
    random = np.random.default_rng(0)
    rows = [
        {"text": " ".join(random.choice(WORDS[4:], random.integers(1, 9))), "label": place % 2}
        for place in range(count)
    ]
    save_tokenizer(folder)
    path = folder / "texts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def tokens(count: int = 6) -> list[Sample]:
    """Return rows of ids and a mask of one to `count` tokens, of no tokenizer."""
    return [
        Sample({"input_ids": np.arange(1, size + 1) % 7, "attention_mask": np.ones(size, np.int64)}, size)
        for size in range(1, count + 1)
    ]


def inputs_of(sample: Sample) -> Mapping[str, Any]:
    assert isinstance(sample.inputs, Mapping)
    return sample.inputs


@pytest.mark.parametrize(
    ("batch", "length", "options"), [(-1, -1, {"batch": 4}), (4, -1, {}), (1, 16, {}), (4, 16, {})]
)
def test_texts_of_unequal_length_fill_a_request(
    tmp_path: Path, batch: int, length: int, options: dict[str, int]
) -> None:
    """They raised the ValueError of numpy.concatenate, or did not fit."""
    path = texts(tmp_path)
    data: Any = open_dataset(path)
    expected = outputs_seen(reader(-1, -1), data)
    np.testing.assert_allclose(outputs_seen(reader(batch, length), data, **options), expected, rtol=1e-4, atol=1e-5)
    found, count = calibrated(reader(batch, length), str(path), **options)  # type: ignore[arg-type]
    assert found.trials[0].problem == ""
    assert count == (60 if batch == 1 else 15)


def test_rows_are_padded_as_the_tokenizer_says(tmp_path: Path) -> None:
    path = texts(tmp_path)
    file = tmp_path / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.enable_padding(direction="left", pad_id=1, pad_token="[UNK]")
    tokenizer.save(str(file))
    data, ports = open_dataset(path), reader(4, -1).inputs
    ids, mask = request(ports, data, 0, filling_of(ports, data))
    rows = [inputs_of(data[place])["input_ids"] for place in range(4)]
    longest = max(map(len, rows))
    assert len({len(row) for row in rows}) > 1
    for found, here, row in zip(ids, mask, rows, strict=True):
        assert found.tolist() == [1] * (longest - len(row)) + row.tolist()
        assert here.tolist() == [0] * (longest - len(row)) + [1] * len(row)
    chosen = open_dataset(f"{path}:pad_id=4")
    assert {4}.issuperset(request(ports, chosen, 0, filling_of(ports, chosen))[0][mask == 0])


def test_a_row_is_padded_to_the_length_of_the_model(tmp_path: Path) -> None:
    data = open_dataset(texts(tmp_path))
    ids, mask = fit(reader(1, 16).inputs, data[0])
    row = inputs_of(data[0])["input_ids"].tolist()
    assert ids.tolist() == [row + [0] * (16 - len(row))]
    assert mask.sum() == len(row)


def test_a_row_that_is_too_long_says_how_to_truncate_it(tmp_path: Path) -> None:
    data = open_dataset(texts(tmp_path))
    with pytest.raises(DataError, match=r"'input_ids' expects shape \[1,2\].*max_length=2"):
        fit(reader(1, 2).inputs, data[0])


def test_a_mask_says_what_is_padded_where_no_tokenizer_does() -> None:
    data, ports = tokens(), reader(2, -1).inputs
    ids, mask = request(ports, data, 2, filling_of(ports, data))
    assert ids.tolist() == [[1, 2, 3, 0], [1, 2, 3, 4]]
    assert mask.tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    expected = outputs_seen(reader(-1, -1), data)
    for found in (reader(2, -1), reader(1, 9), reader(3, 6)):
        np.testing.assert_allclose(outputs_seen(found, data), expected, rtol=1e-4, atol=1e-5)


def test_rows_that_nothing_tells_how_to_pad_are_refused() -> None:
    ports = reader(2, -1, masked=False).inputs
    with pytest.raises(DataError, match="'input_ids' sample 2 has.*sample 3 .*attention_mask.*--batch 1"):
        request(ports, tokens(), 2, filling_of(ports, tokens()))
    unknown = [Sample(Tokens(dict(inputs_of(sample)), None)) for sample in tokens()]
    with pytest.raises(DataError, match="'input_ids' sample 2 has"):
        request(ports, unknown, 2, filling_of(ports, unknown))
    with pytest.raises(DataError, match=r"expects shape \[1,9\].*Change the data's preprocessing"):
        fit(reader(1, 9, masked=False).inputs, tokens()[0])


def test_only_what_is_as_long_as_the_mask_is_padded() -> None:
    ports = reader(-1, -1).inputs
    mask = np.ones(3, np.int64)
    assert fills_of(ports, Sample({"input_ids": np.ones(3), "attention_mask": mask})) == [Fill(0, False)] * 2
    assert fills_of(ports, Sample({"input_ids": np.ones(2), "attention_mask": mask})) == [None, Fill(0, False)]
    assert fills_of(ports, Sample([np.ones(3), mask])) == [None, None]
    given = Tokens({"input_ids": np.ones(2), "attention_mask": mask}, Padding({"input_ids": 5}, left=True))
    assert fills_of(ports, Sample(given)) == [Fill(5, True), None]


@pytest.mark.parametrize(("left", "row"), [(False, [1, 1, 7, 7]), (True, [7, 7, 1, 1])])
def test_a_row_of_vectors_is_lengthened_along_its_second_axis(left: bool, row: list[int]) -> None:
    found = Fill(7, left).lengthen(np.ones((1, 2, 3)), 4)
    assert found.shape == (1, 4, 3)
    assert found[0, :, 0].tolist() == row
