"""Python objects as data."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from ovquant.domain.sample import Sample
from ovquant.errors import DataError
from ovquant.plugins.datasets import objects, open_dataset


def array_of(dataset: Any, index: int = 0) -> np.ndarray:
    inputs = dataset[index].inputs
    assert isinstance(inputs, np.ndarray)
    return inputs


class Counting:
    """A dataset that counts how often it is read, and fails at one index."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.reads = 0

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Any:
        self.reads += 1
        if index == 7:
            raise KeyError("lost")
        return np.full(2, index), index


class Stream(IterableDataset):
    """Samples without a length."""

    def __iter__(self) -> Iterator[Any]:
        return ((torch.full((2,), float(index)), index) for index in range(5))


def test_items_of_every_form() -> None:
    array = np.ones(3)
    data = open_dataset([Sample(array, 1), (array, 2), array, {"x": array}, [array, array], torch.ones(3), [1.0, 2.0]])
    assert [data[index].target for index in range(7)] == [1, 2, None, None, None, None, None]
    assert data[3].inputs["x"].tolist() == [1, 1, 1]  # type: ignore[call-overload, index]
    assert len(data[4].inputs) == 2
    assert array_of(data, 5).tolist() == [1, 1, 1]
    assert array_of(data, 6).tolist() == [1, 2]


def test_tensors_become_numpy() -> None:
    inputs = {"x": torch.ones(2, dtype=torch.bfloat16, requires_grad=True), "y": torch.tensor([1])}
    sample = open_dataset([(inputs, {"boxes": torch.ones(1, 4), "count": torch.tensor(3)})])[0]
    assert isinstance(sample.inputs, dict)
    assert [array.dtype for array in sample.inputs.values()] == [np.float32, np.int64]
    assert isinstance(sample.target["boxes"], np.ndarray)
    assert type(sample.target["count"]) is int


def test_reading_is_lazy() -> None:
    source = Counting(1000)
    data = open_dataset(source)
    assert source.reads == 1
    assert array_of(data, 999).tolist() == [999, 999]
    assert source.reads == 2


def test_item_that_fails_is_named() -> None:
    data = open_dataset(Counting(10))
    with pytest.raises(DataError, match="Sample 7 of the data cannot be read: KeyError: 'lost'"):
        data[7]


def test_index_outside_is_an_index_error() -> None:
    data = open_dataset(Counting(3))
    assert data[-1].target == 2
    for index in (3, -4):
        with pytest.raises(IndexError):
            data[index]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ((np.ones(2), 1, 2), "tuple of 3"),
        ("text", "inputs are a str"),
        (([], 1), "list that is empty"),
        ((["a"], 1), "not numbers"),
        (([[1], [1, 2]], 1), "different lengths"),
        (None, "inputs are a NoneType"),
    ],
)
def test_items_that_cannot_be_used(item: Any, message: str) -> None:
    with pytest.raises(DataError, match=f"Sample 0 of the data cannot be used: .*{message}"):
        open_dataset([item])


@pytest.mark.parametrize("source", [[], (), iter([]), np.zeros((0, 3)), (np.zeros((0, 3)), [])])
def test_empty_data_is_refused(source: Any) -> None:
    with pytest.raises(DataError, match="empty"):
        open_dataset(source)


@pytest.mark.parametrize("source", [3, None, {}, b"bytes", Sample(np.ones(2))])
def test_what_is_no_data_is_refused(source: Any) -> None:
    with pytest.raises(DataError, match="cannot be read as data|single Sample"):
        open_dataset(source)


def test_iterable_is_read_once() -> None:
    data = open_dataset((np.full(2, index), index) for index in range(3))
    assert [data[index].target for index in (2, 0, 2)] == [2, 0, 2]


def test_an_iterable_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "MOST_ITEMS", 1000)
    with pytest.raises(DataError, match=r"gave 1,001 samples, 0.0 GB, and may never end"):
        open_dataset((np.zeros(3), 0) for _ in count())
    monkeypatch.setattr(objects, "MOST_MEMORY", 1e-6)
    with pytest.raises(DataError, match="and may never end"):
        open_dataset({"x": [np.zeros(1000)]} for _ in count())


def test_iterable_that_fails_says_where() -> None:
    def broken() -> Iterator[Any]:
        yield np.ones(2)
        raise OSError("no more")

    with pytest.raises(DataError, match="failed after 1 samples: OSError: no more"):
        open_dataset(broken())


def test_tuple_of_arrays_is_inputs_and_targets() -> None:
    data = open_dataset((np.arange(6).reshape(3, 2), np.array([7, 8, 9])))
    assert (len(data), array_of(data, 1).tolist(), data[1].target) == (3, [2, 3], 8)
    named = open_dataset(({"x": torch.ones(3, 2), "y": torch.ones(3)}, ["a", "b", "c"]))
    assert named[2].target == "c"
    assert set(named[2].inputs) == {"x", "y"}  # type: ignore[arg-type]
    assert open_dataset((np.ones((3, 2)), None))[0].target is None


def test_ragged_targets() -> None:
    assert open_dataset((np.ones((2, 2)), [[1], [1, 2]]))[1].target == [1, 2]


def test_lengths_that_differ_name_both() -> None:
    with pytest.raises(DataError, match="'inputs' of the data has 3 samples but 'targets' has 2"):
        open_dataset((np.ones((3, 2)), [1, 2]))


def test_tuple_of_pairs_is_a_sequence() -> None:
    data = open_dataset(((np.ones(2), 1), (np.ones(2), 2)))
    assert [data[0].target, data[1].target] == [1, 2]


def test_mapping_of_arrays_and_array() -> None:
    data = open_dataset({"x": np.ones((2, 3)), "targets": np.array([4, 5])})
    assert (set(data[0].inputs), data[1].target) == ({"x"}, 5)  # type: ignore[arg-type]
    assert array_of(open_dataset(np.arange(6).reshape(3, 2)), 2).tolist() == [4, 5]


def tensors() -> TensorDataset:
    return TensorDataset(torch.arange(10.0).reshape(5, 2), torch.arange(5))


@pytest.mark.parametrize("batch_size", [1, 2, 5, None])
def test_loader_is_split_into_samples(batch_size: int | None) -> None:
    data = open_dataset(DataLoader(tensors(), batch_size=batch_size))
    assert [data[index].target for index in range(5)] == [0, 1, 2, 3, 4]
    assert array_of(data, 3).tolist() == [6, 7]


def test_loader_drops_what_it_drops() -> None:
    assert len(open_dataset(DataLoader(tensors(), batch_size=2, drop_last=True))) == 4


def test_shuffled_loader_has_one_order() -> None:
    data = open_dataset(DataLoader(tensors(), batch_size=2, shuffle=True))
    first = [data[index].target for index in range(5)]
    assert [data[index].target for index in range(5)] == first
    assert sorted(first) == [0, 1, 2, 3, 4]
    assert [array_of(data, index)[0] / 2 for index in range(5)] == first


def test_loader_is_lazy() -> None:
    source = Counting(1000)
    data = open_dataset(DataLoader(source, batch_size=100))  # type: ignore[arg-type]
    assert source.reads == 1
    assert data[500].target == 500
    assert source.reads == 2


def test_loader_over_a_stream() -> None:
    data = open_dataset(DataLoader(Stream(), batch_size=2))
    assert [data[index].target for index in range(len(data))] == [0, 1, 2, 3, 4]


def test_loader_of_mappings_takes_labels() -> None:
    rows = [{"ids": torch.tensor([index, 1]), "labels": index} for index in range(3)]
    data = open_dataset(DataLoader(rows, batch_size=2))  # type: ignore[arg-type]
    assert (set(data[2].inputs), data[2].target) == ({"ids"}, 2)  # type: ignore[arg-type]


def test_loader_of_several_inputs() -> None:
    rows = [((torch.ones(2), torch.zeros(3)), index) for index in range(3)]
    data = open_dataset(DataLoader(rows, batch_size=2))  # type: ignore[arg-type]
    assert [array.shape for array in data[2].inputs] == [(2,), (3,)]  # type: ignore[union-attr]
    assert data[2].target == 2


def test_loader_of_three_parts_is_refused() -> None:
    rows = [(torch.ones(2), torch.zeros(3), index) for index in range(3)]
    with pytest.raises(DataError, match="batch has 3 parts"):
        open_dataset(DataLoader(rows))  # type: ignore[arg-type]


def test_empty_loader_is_refused() -> None:
    with pytest.raises(DataError, match="drop_last"):
        open_dataset(DataLoader(tensors(), batch_size=9, drop_last=True))


class Batches:
    """A loader of one's own: batches one after the other, the last of them short."""

    def __init__(self, batch_size: Any, step: int = 4) -> None:
        self.batch_size, self.step = batch_size, step

    def __iter__(self) -> Any:
        rows = np.arange(20, dtype=np.float32).reshape(10, 2)
        for begin in range(0, 10, self.step):
            yield rows[begin : begin + self.step], np.arange(begin, min(begin + self.step, 10))


def test_batches_of_a_loader_that_tells_their_size_are_counted_as_samples() -> None:
    data = open_dataset(Batches(4))
    assert len(data) == 10
    assert [data[place].target for place in range(10)] == list(range(10))
    assert np.asarray(data[9].inputs).tolist() == [18, 19]


@pytest.mark.parametrize("size", [None, 3, "4", True])
def test_what_is_not_as_long_as_a_batch_stays_as_it_is(size: Any) -> None:
    data = open_dataset(Batches(size))
    assert len(data) == 3
    assert np.shape(data[0].inputs) == (4, 2)


def test_items_that_are_no_batch_stay_as_they_are() -> None:
    class Lists(Batches):
        def __iter__(self) -> Any:
            yield [np.zeros(4), np.ones(4), np.ones(4)]

    (sample,) = open_dataset(Lists(4))
    assert isinstance(sample.inputs, list)
    assert len(sample.inputs) == 3
