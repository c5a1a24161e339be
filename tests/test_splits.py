"""The roles of data: disjoint by content, the same for the same seed."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ovquant.errors import DataError
from ovquant.protocols import Sample
from ovquant.splits import SMALLEST_SPLIT, Subset, digest, digests, draw, split_data, whole


def samples(values: Sequence[int]) -> list[Sample]:
    return [Sample(np.array([value], np.int64), value % 3) for value in values]


def contents(subset: Subset) -> set[int]:
    return {int(subset[place].inputs[0]) for place in range(len(subset))}


def test_halves_are_disjoint_and_hold_everything() -> None:
    splits = split_data(samples(range(201)))
    search, holdout = contents(splits.search), contents(splits.holdout)
    assert not search & holdout
    assert search | holdout == set(range(201))
    assert abs(len(search) - len(holdout)) <= 1


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 90), min_size=300, max_size=400), st.integers(0, 5))
def test_equal_samples_fall_on_one_side(values: list[int], seed: int) -> None:
    splits = split_data(samples([*values, *range(91)]), seed=seed)
    assert not contents(splits.search) & contents(splits.holdout)
    assert len(splits.search) + len(splits.holdout) == len(values) + 91


def test_same_seed_same_halves() -> None:
    data = samples(range(100))
    assert split_data(data, seed=3) == split_data(data, seed=3)
    assert split_data(data, seed=3).holdout.indices != split_data(data, seed=4).holdout.indices


def test_the_half_of_a_sample_follows_from_content_and_not_from_order() -> None:
    ahead, back = split_data(samples(range(100))), split_data(samples(range(99, -1, -1)))
    assert contents(ahead.holdout) == contents(back.holdout)


def test_a_target_is_no_content() -> None:
    """The same input under two labels is one sample to a model: it may not be tuned on and held out."""
    data = [Sample(np.array([place % 60]), place // 60) for place in range(120)]
    splits = split_data(data)
    assert not contents(splits.search) & contents(splits.holdout)


@pytest.mark.parametrize("count", [0, 1, SMALLEST_SPLIT - 1])
def test_too_few_are_refused(count: int) -> None:
    with pytest.raises(DataError, match=f"{count} samples .* too few.*--holdout"):
        split_data(samples(range(count)))


def test_copies_do_not_count() -> None:
    with pytest.raises(DataError, match=r"400 samples \(10 distinct\)"):
        split_data(samples([place % 10 for place in range(400)]))


def test_calibration_is_drawn_from_search_unless_given() -> None:
    assert split_data(samples(range(100))).calibration == split_data(samples(range(100))).search
    given_data = samples(range(1000, 1010))
    splits = split_data(samples(range(100)), calibration=given_data)
    assert contents(splits.calibration) == set(range(1000, 1010))


def test_a_separate_holdout_leaves_the_data_whole() -> None:
    splits = split_data(samples(range(10)), holdout=samples(range(10, 15)))
    assert contents(splits.search) == set(range(10))
    assert contents(splits.holdout) == set(range(10, 15))


@pytest.mark.parametrize("shared", [1, 4])
def test_an_overlap_with_the_holdout_is_counted(shared: int) -> None:
    with pytest.raises(DataError, match=f"{shared} of the 10 samples of --data are also in --holdout"):
        split_data(samples(range(10)), holdout=samples(range(10 - shared, 20)))


def test_an_overlap_of_calibration_is_counted() -> None:
    with pytest.raises(DataError, match="3 of the 5 samples of --calibration are also in --holdout"):
        split_data(samples(range(10)), holdout=samples(range(20, 30)), calibration=samples([0, 1, 20, 21, 22]))


def test_an_overlap_of_calibration_with_the_held_out_half_is_counted() -> None:
    data = samples(range(100))
    held = sorted(contents(split_data(data).holdout))
    with pytest.raises(DataError, match="2 of the 3 samples of --calibration are also in the held-out half"):
        split_data(data, calibration=samples([*held[:2], 5000]))


def test_digests_see_content_type_and_shape() -> None:
    arrays = [
        np.zeros(4, np.float32),
        np.zeros(4, np.float64),
        np.zeros((2, 2), np.float32),
        np.ones(4, np.float32),
        np.zeros(8, np.float32),
    ]
    assert len({digest(Sample(array)) for array in arrays}) == len(arrays)


def test_digests_see_names_but_not_their_order() -> None:
    a, b = np.zeros(2), np.ones(2)
    assert digest(Sample({"a": a, "b": b})) == digest(Sample({"b": b, "a": a}))
    assert digest(Sample({"a": a, "b": b})) != digest(Sample({"a": b, "b": a}))
    assert digest(Sample([a, b])) != digest(Sample([b, a]))
    assert digest(Sample([a])) == digest(Sample((a,)))


def test_digests_see_texts() -> None:
    assert digest(Sample(np.array(["ab"], object))) != digest(Sample(np.array(["cd"], object)))


def test_a_view_is_as_good_as_a_copy() -> None:
    array = np.arange(12).reshape(3, 4)
    assert digest(Sample(array[:, ::2])) == digest(Sample(array[:, ::2].copy()))


def test_fingerprints_follow_from_content_and_order() -> None:
    data = samples(range(6))
    assert whole(data).fingerprint == whole(samples(range(6))).fingerprint
    assert whole(data).fingerprint != whole(samples([1, 0, 2, 3, 4, 5])).fingerprint
    assert whole(data).fingerprint != whole(data[:5]).fingerprint


def test_each_sample_is_read_once() -> None:
    class Counting(list[Sample]):
        read = 0

        def __getitem__(self, index):  # type: ignore[no-untyped-def]
            self.read += 1
            return super().__getitem__(index)

    data = Counting(samples(range(7)))
    assert len(digests(data)) == 7
    assert data.read == 7


def test_drawing_is_without_replacement_and_repeatable() -> None:
    everything = whole(samples(range(50)))
    drawn = draw(everything, 20, seed=1)
    assert len(contents(drawn)) == len(drawn) == 20
    assert draw(everything, 20, seed=1) == drawn
    assert draw(everything, 20, seed=2).indices != drawn.indices
    assert len({draw(everything, size, seed=1).fingerprint for size in (5, 10, 20)}) == 3


def test_a_smaller_draw_is_the_beginning_of_a_larger_one() -> None:
    everything = whole(samples(range(50)))
    sizes = [draw(everything, size).indices for size in (5, 10, 40)]
    assert all(larger[: len(smaller)] == smaller for smaller, larger in pairwise(sizes))


def test_drawing_more_than_there_are_gives_all() -> None:
    everything = whole(samples(range(5)))
    assert draw(everything, 5) == draw(everything, 500) == everything
