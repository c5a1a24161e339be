"""The roles of data: disjoint by content, the same for the same seed."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ovquant.domain.sample import Generate, Padding, Sample, Tokens
from ovquant.domain.split import SMALLEST_SPLIT, Subset, digest, draw, read_contents, split_data, whole, with_training
from ovquant.errors import DataError


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
    everything = [*values, *range(91)]
    assert contents(splits.search) | contents(splits.holdout) == set(everything)
    assert len(splits.search) == sum(value in contents(splits.search) for value in everything)
    # A copy proves nothing.
    assert len(splits.holdout) == len(contents(splits.holdout))


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


def test_what_is_trained_on_holds_no_held_out_sample() -> None:
    splits = split_data(samples(range(100)), holdout=samples(range(100, 200)))
    assert splits.lessons == splits.search
    assert contents(with_training(splits, samples(range(300, 330))).lessons) == set(range(300, 330))
    with pytest.raises(DataError, match="5 of the 30 samples of --train-data are also in the held-out data"):
        with_training(splits, samples(range(195, 225)))


def test_an_overlap_of_calibration_with_the_held_out_half_is_counted() -> None:
    data = samples(range(100))
    held = sorted(contents(split_data(data).holdout))
    with pytest.raises(DataError, match="2 of the 3 samples of --calibration are also in the held-out half"):
        split_data(data, calibration=samples([*held[:2], 5000]))


def test_copies_in_the_holdout_count_once_and_are_told() -> None:
    splits = split_data(samples(range(10)), holdout=samples([20, 21, 20, 22, 20]))
    assert [int(splits.holdout[place].inputs[0]) for place in range(3)] == [20, 21, 22]
    assert splits.notes == ("2 of 5 held-out samples are copies of others; each content counts once.",)
    assert split_data(samples(range(10)), holdout=samples([20, 21])).notes == ()


def test_each_class_is_halved() -> None:
    rare = [Sample(np.array([place]), 1 if place % 20 == 0 else 0) for place in range(400)]
    for seed in range(5):
        held = split_data(rare, seed=seed).holdout
        assert sum(held[place].target for place in range(len(held))) == 10


def test_whole_numbers_of_which_most_differ_are_no_classes() -> None:
    assert read_contents([Sample(np.array([place]), place) for place in range(60)]).classes == ()
    assert read_contents([Sample(np.array([place]), float(place % 2)) for place in range(60)]).classes == ()
    assert set(read_contents([Sample(np.array([place]), np.int64(place % 2)) for place in range(60)]).classes) == {
        "0",
        "1",
    }


class Spoken(list[Sample]):
    """Samples that know their speaker."""

    def column(self, name: str) -> list[str]:
        if name == "short":
            return ["one"]
        assert name == "speaker"
        return [f"speaker{int(sample.inputs[0]) // 10}" for sample in self]


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 100))
def test_groups_never_straddle_the_split(seed: int) -> None:
    splits = split_data(Spoken(samples(range(200))), group_by="speaker", seed=seed)
    assert not set(splits.search.groups) & set(splits.holdout.groups)
    assert abs(len(splits.search) - len(splits.holdout)) <= 20
    assert splits.holdout.groups[3] == f"speaker{int(splits.holdout[3].inputs[0]) // 10}"


def test_groups_that_share_a_sample_stay_together() -> None:
    data = Spoken([*samples(range(200)), *samples(range(9, 200, 10))])
    by = lambda sample: f"{int(sample.inputs[0]) // 10}"  # noqa: E731
    splits = split_data(data, group_by=by)
    assert not contents(splits.search) & contents(splits.holdout)


def test_too_few_groups_are_refused() -> None:
    with pytest.raises(DataError, match="have 5 groups that share no sample; 10 are the least"):
        split_data(Spoken(samples(range(50))), group_by="speaker")


def test_groups_in_both_files_are_counted() -> None:
    with pytest.raises(DataError, match="1 groups of --data, such as 'speaker1', are also in --holdout"):
        split_data(Spoken(samples(range(15))), holdout=Spoken(samples(range(15, 40))), group_by="speaker")


def test_slices_follow_their_samples() -> None:
    splits = split_data(samples(range(100)), slice_by="target")
    assert splits.holdout.slices == tuple(str(splits.holdout[place].target) for place in range(len(splits.holdout)))
    part = splits.search.only([5, 2])
    assert part.slices == (splits.search.slices[5], splits.search.slices[2])
    assert part.content == splits.search.content[30:36] + splits.search.content[12:18]


@pytest.mark.parametrize(
    ("by", "message"), [("speaker", "have no column 'speaker'"), ("short", "1 entries for 60 samples")]
)
def test_a_column_that_is_not_there_is_named(by: str, message: str) -> None:
    data = samples(range(60)) if by == "speaker" else Spoken(samples(range(60)))
    with pytest.raises(DataError, match=message):
        split_data(data, slice_by=by)


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


def test_each_sample_is_read_once_and_the_first_twice_more() -> None:
    class Counting(list[Sample]):
        read = 0

        def __getitem__(self, index):  # type: ignore[no-untyped-def]
            self.read += 1
            return super().__getitem__(index)

    data = Counting(samples(range(70)))
    assert len(read_contents(data).hashes) == 70
    # The first are read again, twice, to see that they are the same data each time.
    assert data.read == 70 + 2 * 32


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


def test_samples_that_hold_no_numbers_are_named() -> None:
    data = samples(range(80))
    assert split_data(data).notes == ()
    broken = [
        sample._replace(inputs=np.array([np.nan if place == 7 else -np.inf])) if place in (7, 9) else sample
        for place, sample in enumerate(data)
    ]
    assert split_data(broken).notes == (
        "2 of 80 samples hold NaN or infinity, sample 7 first: check how they are made.",
    )
    apart = split_data(data, holdout=[broken[9], *samples(range(100, 160))])
    assert any("sample 0 first" in note for note in apart.notes)


def test_what_is_written_counts_for_scores_and_not_for_copies() -> None:
    def read(generate: Generate | None) -> Subset:
        return whole([Sample(Tokens({"x": np.full(2, place)}, generate=generate), place) for place in range(3)])

    asked = [None, Generate(3), Generate(4), Generate(3, 1), Generate(3, 0, (7,)), Generate(3, decode=str)]
    asked += [Generate(3, decode=lambda ids: f"{ids}"), Generate(3, decode=lambda ids: f"{ids}!")]
    found = [read(generate) for generate in asked]
    assert len({subset.fingerprint for subset in found}) == len(asked)
    assert len({subset.content for subset in found}) == 1
    assert read(Generate(4)).fingerprint == found[2].fingerprint
    # Functions within functions have an address of their own in each process.
    nested = [Generate(3, decode=eval("lambda ids: [(lambda: token)() for token in ids]")) for _ in range(2)]
    assert read(nested[0]).fingerprint == read(nested[1]).fingerprint


def test_how_rows_are_padded_counts_for_scores_and_not_for_copies() -> None:
    def read(padding: Padding | None) -> Subset:
        return whole([Sample(Tokens({"x": np.full(2, place)}, padding), place) for place in range(3)])

    plain = whole([Sample({"x": np.full(2, place)}, place) for place in range(3)])
    unknown, zeros, ones = (read(padding) for padding in (None, Padding({"x": 0}), Padding({"x": 1})))
    assert unknown.fingerprint == plain.fingerprint
    assert len({found.fingerprint for found in (unknown, zeros, ones)}) == 3
    assert len({found.inputs for found in (unknown, zeros, ones)}) == 3
    assert zeros.content == ones.content == plain.content
