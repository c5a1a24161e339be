"""Hold a dataset, and a kind of dataset that is read from a path, to their protocols."""

import copy
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ovquant.domain.sample import Dataset, Sample
from ovquant.plugins.protocols import DatasetReader
from ovquant.testing.plugins import PluginContract, arrays_of, same


class DatasetContract:
    """Check a dataset. Give the fixture `dataset`, with at least one sample."""

    @pytest.fixture
    def dataset(self) -> Dataset:
        """Return the dataset."""
        raise NotImplementedError("Override the fixture 'dataset'.")

    def test_fits_the_protocol(self, dataset: Dataset) -> None:
        assert isinstance(dataset, Dataset)

    def test_is_sized(self, dataset: Dataset) -> None:
        assert isinstance(len(dataset), int)
        assert len(dataset) > 0

    def test_gives_samples(self, dataset: Dataset) -> None:
        for index in {0, len(dataset) - 1}:
            sample = dataset[index]
            assert isinstance(sample, Sample)
            assert arrays_of(sample.inputs), "a sample holds at least one array"
            assert all(isinstance(array, np.ndarray) for array in arrays_of(sample.inputs))

    def test_same_index_gives_same_content(self, dataset: Dataset) -> None:
        first = copy.deepcopy(dataset[0])
        dataset[len(dataset) - 1]
        assert same(first, dataset[0])

    def test_a_changed_sample_leaves_the_dataset_alone(self, dataset: Dataset) -> None:
        first = copy.deepcopy(dataset[0])
        for array in arrays_of(dataset[0].inputs):
            if array.flags.writeable:
                array[...] = np.zeros((), dtype=array.dtype)
        assert same(first, dataset[0])

    def test_index_out_of_range(self, dataset: Dataset) -> None:
        for index in (len(dataset), len(dataset) + 10):
            with pytest.raises(IndexError):
                dataset[index]


class DatasetReaderContract(DatasetContract, PluginContract):
    """Check a kind of dataset that is read from a path. Give the fixture `dataset`, read from a path that exists."""

    @pytest.fixture
    def plugin(self, dataset: Dataset) -> Any:
        """Return the dataset."""
        return dataset

    def test_reads_a_path(self, dataset: Any) -> None:
        assert isinstance(dataset, DatasetReader)
        assert dataclasses.fields(dataset)[0].name == "path", "the first field is the path"  # type: ignore[arg-type]

    def test_accepts_its_own_path(self, dataset: Any) -> None:
        assert dataset.accepts(dataset.path) is True

    def test_accepts_no_missing_path(self, dataset: Any, tmp_path: Path) -> None:
        assert dataset.accepts(tmp_path / f"missing{dataset.path.suffix}") is False

    def test_accepts_no_foreign_path(self, dataset: Any, tmp_path: Path) -> None:
        foreign = tmp_path / "notes.unknown-kind"
        foreign.write_text("hello")
        assert dataset.accepts(foreign) is False
