"""Texts of another tokenizer, and prompts that are too long for a model, are refused by name."""

import json
from pathlib import Path

import numpy as np
import pytest

from ovquant.domain.objective import Generation
from ovquant.domain.sample import Sample
from ovquant.errors import DataError, UsageError
from ovquant.measure.texts import check_positions, check_tokens, length_notes
from tests.decoders import SMALL, Texts, decoder


def test_tokens_of_the_vocabulary_are_fine() -> None:
    check_tokens(decoder(), Texts(), "search data")


@pytest.mark.parametrize("odd", [-1, SMALL.vocab_size])
def test_a_token_that_the_model_does_not_know_is_named(odd: int) -> None:
    ids = np.array([1, 2, odd])
    data = [Sample({"input_ids": ids[:2]}), Sample({"input_ids": ids})]
    said = f"Sample 1 of the search data has the token {odd} in 'input_ids', and the model knows {SMALL.vocab_size}, from 0 on"
    with pytest.raises(DataError, match=said):
        check_tokens(decoder(), data, "search data")


def test_short_texts_are_told_where_long_prompts_are_served() -> None:
    (note,) = length_notes(decoder(), Texts(), Generation(128, 4))
    assert note.startswith("Prompts of 128 tokens are timed, and the longest of the first 40 texts has 12")
    assert length_notes(decoder(), Texts(), Generation(24, 4)) == []


def test_prompts_are_no_longer_than_the_model_is_made_for(tmp_path: Path) -> None:
    (tmp_path / "openvino_model.xml").write_text("<net/>")
    check_positions(str(tmp_path), Generation(1000, 1000))
    (tmp_path / "config.json").write_text(json.dumps({"max_position_embeddings": 512}))
    check_positions(str(tmp_path), Generation(500, 12))
    check_positions("", Generation(1000, 1000))
    with pytest.raises(UsageError, match="are 513 tokens, and the model is made for 512"):
        check_positions(str(tmp_path), Generation(500, 13))
    (tmp_path / "config.json").write_text("[]")
    check_positions(str(tmp_path), Generation(500, 13))
