"""A sample is inputs and maybe a target, and a dataset is what has a length and samples by place."""

from collections.abc import Iterator

import numpy as np

from ovquant.domain.sample import IGNORED, Dataset, Padding, Sample, Tokens, own_tokens


def test_a_sample_has_no_target_unless_it_is_given() -> None:
    row = np.zeros(3)
    assert Sample(row).target is None
    assert Sample(row, 2).target == 2
    inputs, target = Sample({"x": row}, "label")
    assert (list(inputs), target) == (["x"], "label")


def test_a_text_is_its_own_target_but_for_what_stands_for_none() -> None:
    ids, mask = np.array([2, 5, 6, 3, 0]), np.array([1, 1, 1, 1, 0])
    assert own_tokens(Sample(ids)) is None
    assert own_tokens(Sample({"x": ids})) is None
    whole = own_tokens(Sample({"input_ids": ids}))
    assert whole is not None
    assert whole.tolist() == ids.tolist()
    marked = own_tokens(Sample(Tokens({"input_ids": ids, "attention_mask": mask}, None, frozenset({2, 3}))))
    assert marked is not None
    assert marked.tolist() == [IGNORED, 5, 6, IGNORED, IGNORED]


class Squares:
    """A dataset that is read lazily."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int, /) -> Sample:
        return Sample(np.array([float(index)]), index**2)


class Stream:
    """Samples one after the other, of which nobody knows how many there are."""

    def __iter__(self) -> Iterator[Sample]:
        yield Sample(np.zeros(1))


class Bag:
    """Something with a length alone."""

    def __len__(self) -> int:
        return 4


def test_what_has_a_length_and_samples_by_place_is_a_dataset() -> None:
    assert isinstance(Squares(), Dataset)
    assert isinstance([Sample(np.zeros(1))], Dataset)
    assert not isinstance(Stream(), Dataset)
    assert not isinstance(Bag(), Dataset)


def test_tokens_are_a_mapping_that_knows_how_it_is_padded() -> None:
    found = Tokens({"ids": np.ones(2)}, Padding({"ids": 3}))
    assert list(found) == ["ids"]
    assert found.padding == Padding({"ids": 3}, left=False)
