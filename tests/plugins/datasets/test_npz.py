"""The .npz kind, and mapping its members into memory."""

import gc
import tempfile
import tracemalloc
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ovquant.errors import DataError
from ovquant.plugins.datasets import open_dataset
from ovquant.plugins.datasets.npz import Npz, map_members

SAVERS = pytest.mark.parametrize("save", [np.savez, np.savez_compressed])


def no_spool() -> Path:
    raise AssertionError("a stored member was extracted")


@SAVERS
def test_inputs_and_targets(tmp_path: Path, save: Any) -> None:
    images = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    save(tmp_path / "d.npz", inputs=images, targets=np.array([3, 2, 1, 0]))
    data = open_dataset(tmp_path / "d.npz")
    assert len(data) == 4
    assert isinstance(data[1].inputs, np.ndarray)
    assert np.array_equal(data[1].inputs, images[1])
    assert [sample.target for sample in (data[index] for index in range(4))] == [3, 2, 1, 0]
    assert type(data[0].target) is int
    assert data[-1].target == 0


def test_iteration_ends(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", inputs=np.zeros((3, 2)))
    assert len(list(open_dataset(tmp_path / "d.npz"))) == 3  # type: ignore[call-overload]


@SAVERS
def test_arrays_by_input_name(tmp_path: Path, save: Any) -> None:
    save(tmp_path / "d.npz", ids=np.ones((2, 5), np.int64), mask=np.zeros((2, 5), np.int64))
    sample = Npz(tmp_path / "d.npz")[0]
    assert isinstance(sample.inputs, Mapping)
    assert set(sample.inputs) == {"ids", "mask"}
    assert sample.target is None


def test_one_array_with_another_name_is_a_mapping(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", image=np.ones((2, 5)), targets=np.ones((2, 3)))
    sample = Npz(tmp_path / "d.npz")[0]
    assert isinstance(sample.inputs, Mapping)
    assert list(sample.inputs) == ["image"]
    assert sample.target.tolist() == [1, 1, 1]


def test_samples_are_copies(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", inputs=np.ones((2, 5)))
    data = Npz(tmp_path / "d.npz")
    first = data[0].inputs
    assert isinstance(first, np.ndarray)
    first[:] = 7
    assert np.array_equal(data[0].inputs, np.ones(5))


def test_lengths_that_differ_name_both(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", a=np.ones((2, 5)), b=np.ones((3, 5)))
    with pytest.raises(DataError, match="'a' of .*d.npz' has 2 samples but 'b' has 3"):
        Npz(tmp_path / "d.npz")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"targets": np.ones(3)}, "no inputs"),
        ({"inputs": np.ones((0, 3))}, "is empty"),
        ({"inputs": np.float32(3)}, "single value"),
        ({"inputs": np.ones(3), "mask": np.ones(3)}, "both 'inputs' and mask"),
        ({"inputs": np.array([{}, {}], object)}, "Python objects|Object arrays"),
    ],
)
@SAVERS
def test_contents_that_cannot_be_used(tmp_path: Path, save: Any, content: dict[str, Any], message: str) -> None:
    save(tmp_path / "d.npz", **content)
    with pytest.raises(DataError, match=message):
        Npz(tmp_path / "d.npz")


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 and no more"])
def test_corrupt_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "d.npz").write_bytes(content)
    with pytest.raises(DataError, match="d.npz' cannot be read as .npz"):
        Npz(tmp_path / "d.npz")


def test_cut_off_member_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "whole.npy", np.ones((4, 4)))
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        archive.writestr("inputs.npy", (tmp_path / "whole.npy").read_bytes()[:-8])
    with pytest.raises(DataError, match="inputs.npy is cut off"):
        Npz(tmp_path / "d.npz")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="d.npz' does not exist"):
        Npz(tmp_path / "d.npz")


DTYPES = st.one_of(arrays.scalar_dtypes(), arrays.unicode_string_dtypes(max_len=5))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_stored_members_are_mapped_as_numpy_reads_them(data: st.DataObject) -> None:
    shapes = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
    array = data.draw(DTYPES.flatmap(lambda dtype: arrays.arrays(dtype, shapes)))
    array = np.asfortranarray(array) if data.draw(st.booleans()) else array
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "d.npz"
        np.savez(path, **{"with a name": array, "second": np.arange(3)})
        mapped = map_members(path, no_spool)
        assert mapped["with a name"].dtype == array.dtype
        assert mapped["with a name"].shape == array.shape
        assert mapped["with a name"].tobytes() == array.tobytes()
        assert mapped["second"].tolist() == [0, 1, 2]
        del mapped


def test_header_of_a_structured_type_in_unicode_is_extracted(tmp_path: Path) -> None:
    array = np.zeros(3, np.dtype([("größe_字", np.float32)]))
    with pytest.warns(UserWarning, match="format 3.0"):
        np.savez(tmp_path / "d.npz", inputs=array)
    mapped = map_members(tmp_path / "d.npz", lambda: tmp_path)
    assert mapped["inputs"].dtype == array.dtype


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    size = 64 << 20
    np.savez(tmp_path / "d.npz", inputs=np.zeros((size >> 20, 1 << 20), np.uint8))
    tracemalloc.start()
    data = Npz(tmp_path / "d.npz")
    for index in range(len(data)):
        data[index]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < size // 8


def test_temporary_files_go_with_the_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "spool"))
    (tmp_path / "spool").mkdir()
    np.savez_compressed(tmp_path / "d.npz", inputs=np.ones((4, 4)))
    data = Npz(tmp_path / "d.npz")
    assert len(list((tmp_path / "spool").rglob("*.npy"))) == 1
    assert data[3].target is None
    del data
    gc.collect()
    assert list((tmp_path / "spool").iterdir()) == []
