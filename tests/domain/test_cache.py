"""What is slow to read is read once, within a size, and is handed out as if it had been read again."""

import time
from typing import Any

import numpy as np
import pytest

from ovquant.domain.cache import SLOW_SECONDS, Room, SampleCache
from ovquant.domain.sample import Padding, Sample, Tokens

SIZE = 10**6


class Slow:
    """Samples of 800 bytes whose reading takes a while; `reads` has which were read."""

    def __init__(self, target: Any = 1, seconds: float = 4 * SLOW_SECONDS) -> None:
        self.target, self.seconds, self.reads = target, seconds, list[int]()

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> Sample:
        self.reads.append(index)
        time.sleep(self.seconds)
        return Sample(np.full(100, float(index)), self.target)


def test_a_sample_is_read_once_and_handed_out_anew() -> None:
    data = Slow({"boxes": np.ones((2, 4)), "names": ["a", "b"]})
    cache = SampleCache(data, Room(SIZE))
    first = cache[3]
    first.inputs[:] = -1.0
    first.target["names"].append("c")
    again = cache[3]
    assert data.reads == [3]
    assert (again.inputs == 3.0).all()
    assert again.target["names"] == ["a", "b"]
    assert len(cache) == 8


def test_what_is_quick_to_read_is_not_kept() -> None:
    data = Slow(seconds=0.0)
    cache = SampleCache(data, Room(SIZE))
    for index in [*range(8)] * 2:
        cache[index]
    # A pause of the machine can make a reading long, but not each.
    assert len(data.reads) > 8


def test_no_more_is_kept_than_there_is_room_for_in_all() -> None:
    data, others, room = Slow(), Slow(), Room(2000)
    cache, beside = SampleCache(data, room), SampleCache(others, room)
    for _ in range(2):
        cache[0]
        for index in range(3):
            beside[index]
    assert data.reads == [0]
    assert others.reads == [0, 1, 2, 1, 2]


def test_others_make_room_for_what_is_preferred() -> None:
    data = Slow()
    cache = SampleCache(data, Room(2000))
    for index in range(3):
        cache[index]
    cache.prefer({1, 2})
    for index in (0, 2, 2, 1, 0):
        cache[index]
    # Sample 0 was kept until 2 came.
    assert data.reads == [0, 1, 2, 2, 0]


@pytest.mark.parametrize("target", [object(), [object()], np.array([object()])])
def test_what_nobody_can_size_is_read_again(target: Any) -> None:
    data = Slow(target)
    cache = SampleCache(data, Room(SIZE))
    assert cache[0].target is cache[0].target is target
    assert data.reads == [0, 0]


def test_tokens_keep_their_padding() -> None:
    padding = Padding({"ids": 7}, left=True)

    class Texts(Slow):
        def __getitem__(self, index: int) -> Sample:
            return Sample(Tokens({"ids": super().__getitem__(index).inputs}, padding))

    data = Texts()
    cache = SampleCache(data, Room(SIZE))
    for _ in range(2):
        found = cache[0].inputs
        assert isinstance(found, Tokens)
        assert found.padding == padding
    assert data.reads == [0]
