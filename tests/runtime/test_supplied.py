"""What a language model takes beside its tokens is supplied where the data do not give it."""

import numpy as np
import pytest

from ovquant.domain.sample import Padding, Sample, Tokens
from ovquant.errors import DataError
from ovquant.graph.pairs import joined
from ovquant.measure.keys import check_keys
from ovquant.runtime import Deployment, compile_model, completed, fit, infer, request
from ovquant.runtime.requests import filling_of
from ovquant.runtime.supplied import past_of
from tests.decoders import Texts, decoder, pair, with_past_as_inputs


def supplied(sample: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    model = decoder()
    names = [port.get_any_name() for port in model.inputs]
    return dict(zip(names, fit(model.inputs, Sample(sample)), strict=True))


def test_mask_positions_and_beams_follow_from_the_tokens() -> None:
    found = supplied({"input_ids": np.array([5, 6, 7])})
    np.testing.assert_array_equal(found["attention_mask"], [[1, 1, 1]])
    np.testing.assert_array_equal(found["position_ids"], [[0, 1, 2]])
    np.testing.assert_array_equal(found["beam_idx"], [0])
    assert [found[name].dtype for name in ("position_ids", "beam_idx")] == [np.int64, np.int32]


def test_positions_count_what_the_mask_keeps() -> None:
    found = supplied({"input_ids": np.array([0, 0, 6, 7]), "attention_mask": np.array([0, 0, 1, 1])})
    np.testing.assert_array_equal(found["position_ids"], [[0, 0, 0, 1]])


def test_what_the_data_give_is_taken() -> None:
    found = supplied({"input_ids": np.array([5, 6]), "position_ids": np.array([7, 8])})
    np.testing.assert_array_equal(found["position_ids"], [[7, 8]])


def test_nothing_is_past_at_first() -> None:
    model = with_past_as_inputs()
    ids, past = fit(model.inputs, Sample({"input_ids": np.array([5, 6])}))
    assert (ids.shape, past.shape, past.dtype) == ((1, 2), (1, 1, 0, 8), np.float32)
    assert past_of(["input_ids", "past_key_values.0.key"], ["logits", "present.0.key"]) == {"past_key_values.0.key": 1}


def test_behind_an_encoder_the_decoder_has_a_mask_and_positions_of_its_own() -> None:
    model = joined(*pair())
    names = [port.get_any_name() for port in model.inputs]
    sample = Sample({"input_ids": np.array([5, 6, 7]), "decoder_input_ids": np.array([8, 9])})
    found = dict(zip(names, fit(model.inputs, sample), strict=True))
    np.testing.assert_array_equal(found["attention_mask"], [[1, 1, 1]])
    np.testing.assert_array_equal(found["decoder_attention_mask"], [[1, 1]])
    np.testing.assert_array_equal(found["position_ids"], [[0, 1]])


def test_what_does_not_follow_is_missed() -> None:
    with pytest.raises(DataError, match="'input_ids' is not in the data"):
        supplied({"tokens": np.array([5, 6]), "attention_mask": np.array([1, 1])})
    # Nor is a name that no input has, where nothing else is missing.
    check_keys(decoder().inputs, Sample({"input_ids": np.array([5]), "token_type_ids": np.array([0])}), "the data")


def test_padded_on_either_side_a_text_answers_as_alone() -> None:
    model = decoder(stateful=False)
    compiled = compile_model(model, Deployment(properties={"INFERENCE_PRECISION_HINT": "f32"}))
    short, long = np.array([5, 6, 7]), np.array([8, 9, 10, 11, 12])
    alone = next(iter(infer(compiled, [Sample({"input_ids": short})]))).outputs[0]["logits"]
    model.reshape({port: [2, -1] for port in model.inputs})
    for left in (False, True):
        padding = Padding({"input_ids": 0, "attention_mask": 0}, left)
        samples = [
            Sample(Tokens({"input_ids": ids, "attention_mask": np.ones_like(ids)}, padding)) for ids in (short, long)
        ]
        given = request(model.inputs, samples, 0, filling_of(model.inputs, samples))
        kept = slice(2, None) if left else slice(0, 3)
        found = compile_model(model, Deployment(properties={"INFERENCE_PRECISION_HINT": "f32"}))(given)[0]
        np.testing.assert_allclose(found[:1, kept], alone, atol=1e-4)


def test_other_samples_are_left_as_they_are() -> None:
    sample = Sample(np.zeros(3))
    assert completed(decoder().inputs, sample) is sample
    assert len(Texts()) == 40
