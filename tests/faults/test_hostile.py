"""Files that were changed at random are read or refused by name; `python tests/hostile.py` tries 5,000 changes of each kind."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.hostile import Read, Reader, models, samples, tried

SAMPLES = (
    *("record", "csv", "jsonl", "parquet", "image", "preprocessing", "sound", "table", "recording"),
    *("plan", "result", "store", "profile", "npz", "npz, compressed"),
)
Kinds = dict[str, tuple[Path, Read]]


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kinds]:
    folder = tmp_path_factory.mktemp("hostile")
    with closing(Reader()) as reader:
        yield samples(folder / "files") | models(folder, reader)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [*SAMPLES, "model", "weights"])
def test_what_is_broken_is_answered(kinds: Kinds, kind: str) -> None:
    path, read = kinds[kind]
    assert tried(path, read, 200, seed=1) == []


def test_all_kinds_are_tried(kinds: Kinds) -> None:
    assert set(kinds) == {*SAMPLES, "model", "weights"}
