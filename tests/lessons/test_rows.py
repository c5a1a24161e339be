"""Samples to a batch, and what a module answers."""

from collections import OrderedDict

import numpy as np
import pytest
import torch

from ovquant.errors import DataError
from ovquant.lessons.rows import batch_of, called, outputs_of


def test_token_ids_are_cut_to_the_length_that_all_have() -> None:
    rows = [{"ids": np.arange(n, dtype=np.int64)[None], "mask": np.ones((1, n), np.int64)} for n in (5, 3, 4)]
    batch = batch_of(rows)
    assert batch["ids"].tolist() == [[0, 1, 2]] * 3
    assert batch["mask"].shape == (3, 3)


def test_arrays_and_sequences_go_by_place() -> None:
    assert batch_of([np.zeros((1, 2), np.float32)] * 4)[0].shape == (4, 2)
    assert batch_of([(np.zeros((1, 2)), np.ones((1, 3)))] * 2)[1].shape == (2, 3)


def test_images_of_different_sizes_are_refused_by_shape() -> None:
    rows = [np.zeros((1, 3, size, 8), np.float32) for size in (4, 6)]
    with pytest.raises(DataError, match=r"shapes \[3, 4, 8\] and \[3, 6, 8\] for the input '0'.*batch=1"):
        batch_of(rows)


class Named(torch.nn.Module):
    def forward(self, ids: torch.Tensor, use_cache: bool = True, **more: object) -> OrderedDict[str, torch.Tensor]:
        assert not more
        assert not use_cache
        return OrderedDict(logits=ids.float()[..., None], past=ids.float())


def test_a_module_is_given_what_it_names_and_of_several_outputs_logits_count() -> None:
    batch = batch_of([{"ids": np.ones((1, 2), np.int64), "mask": np.ones((1, 2), np.int64)}])
    (found,) = called(Named())(batch)
    assert found.shape == (1, 2, 1)


def test_the_only_input_may_have_a_name_of_the_datas_own() -> None:
    (found,) = called(torch.nn.Linear(2, 3))(batch_of([{"pixels": np.ones((1, 2), np.float32)}]))
    assert found.shape == (1, 3)


def test_what_is_no_float_is_left_out() -> None:
    given = (torch.ones(2), [torch.ones(3, dtype=torch.int64), torch.ones(4, dtype=torch.bfloat16)], None)
    assert [(found.dtype, len(found)) for found in outputs_of(given)] == [(torch.float32, 2), (torch.float32, 4)]
