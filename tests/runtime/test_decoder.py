"""Decoders fed a prompt and then one token after another: what they answer is what they answer to all tokens at once."""

import numpy as np
import openvino
import pytest

from ovquant.domain.objective import Generation
from ovquant.domain.sample import Sample
from ovquant.errors import DataError, UsageError
from ovquant.graph.pairs import joined
from ovquant.runtime import Deployment, check_generates, compile_model, interleave_tokens, prompts_of
from ovquant.runtime.decoder import Behind, Feeder, feeder_of
from tests.decoders import Texts, decoder, pair, with_past_as_inputs
from tests.runtime.conftest import doubler

EXACT = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
TOKENS = np.random.default_rng(3).integers(0, 120, (1, 9))


def compiled(model: openvino.Model) -> openvino.CompiledModel:
    return compile_model(model, Deployment(properties=EXACT))


def answers(model: openvino.CompiledModel, parts: list[int]) -> np.ndarray:
    """Return the logits of the last token after each part."""
    feeder, begin, found = Feeder(model), 0, []
    feeder.begin()
    for size in parts:
        assert feeder.feed(TOKENS[:, begin : begin + size]) > 0
        begin += size
        found.append(feeder.logits()[0, -1])
    return np.array(found)


@pytest.mark.parametrize(
    "make", [decoder, lambda: decoder(stateful=False), with_past_as_inputs], ids=["state", "none", "inputs"]
)
def test_one_token_after_another_is_all_at_once(make) -> None:  # type: ignore[no-untyped-def]
    model = compiled(make())
    stepwise = answers(model, [6, 1, 1, 1])
    for place, length in enumerate((6, 7, 8, 9)):
        np.testing.assert_allclose(stepwise[place], answers(model, [length])[0], atol=1e-4)
    # It begins anew each time.
    np.testing.assert_array_equal(answers(model, [6, 1, 1, 1]), stepwise)


def test_what_keeps_nothing_is_given_all_tokens_again() -> None:
    feeder = Feeder(compiled(decoder(stateful=False)))
    feeder.begin()
    for size, seen in ((6, 6), (1, 7)):
        feeder.feed(TOKENS[:, :size])
        assert feeder.logits().shape[1] == seen


def test_rounds_are_prompts_or_tokens() -> None:
    models = [compiled(decoder()), compiled(decoder(stateful=False))]
    requests = [[TOKENS[:, :5], TOKENS[:, 5:]]]
    prompts = interleave_tokens(models, requests, seconds=0, least=3, most=10, first=True)
    tokens = interleave_tokens(models, requests, seconds=0, least=6, most=10)
    assert (prompts.shape, tokens.shape) == ((3, 2), (6, 2))
    assert (prompts > 0).all()
    assert (tokens > 0).all()
    assert len(interleave_tokens(models, requests, seconds=60, least=3, most=5)) == 5


def test_prompts_are_texts_one_after_another() -> None:
    texts, model = Texts(), compiled(decoder())
    found = prompts_of(model, texts, Generation(15, 4))
    assert all((prompt.shape, after.shape) == ((1, 15), (1, 4)) for prompt, after in found)
    np.testing.assert_array_equal(np.concatenate(found[0], axis=1)[0], np.concatenate(texts.rows[:3])[:19])
    assert len(found) == 16
    (only,) = prompts_of(model, texts, Generation(1000, 4))
    np.testing.assert_array_equal(only[0][0, :10], np.concatenate(texts.rows)[:10])


def test_texts_without_tokens_are_refused() -> None:
    with pytest.raises(DataError, match="hold no tokens"):
        prompts_of(compiled(decoder()), [Sample({"input_ids": np.zeros(0, np.int64)})], Generation(4, 2))


def test_more_tokens_than_a_model_takes_are_an_error() -> None:
    model = decoder(stateful=False)
    model.reshape({port: [1, 6] for port in model.inputs})
    feeder = Feeder(compiled(model))
    feeder.begin()
    feeder.feed(TOKENS[:, :6])
    with pytest.raises(DataError, match="fails on 7 tokens.*--prompt-tokens"):
        feeder.feed(TOKENS[:, :1])


def test_models_that_do_not_generate_are_refused() -> None:
    from openvino import opset13 as ops

    check_generates(decoder().inputs)
    check_generates(with_past_as_inputs().inputs)
    image = ops.parameter([1, 3], np.float32, name="image")
    image.output(0).get_tensor().set_names({"image"})
    with pytest.raises(UsageError, match="has no input 'input_ids'"):
        check_generates([image.output(0)])
    with pytest.raises(UsageError, match="also takes 'image'"):
        check_generates([*decoder().inputs, image.output(0)])
    with pytest.raises(UsageError, match="has no input 'input_ids'"):
        prompts_of(compiled(doubler([1, 2])), [Sample(np.zeros(2))], Generation(4, 2))


def test_the_first_tokens_behind_an_encoder_take_its_time_too() -> None:
    model = compiled(joined(*pair()))
    data = [
        Sample({"input_ids": np.arange(1, 5 + place), "decoder_input_ids": np.arange(7, 10 + place)})
        for place in range(6)
    ]
    requests = prompts_of(model, data, Generation(4, 3))
    prompt, following, *sample = requests[0]
    # The tokens of two samples, and what the second reads.
    assert (prompt.tolist(), following.tolist()) == ([[7, 8, 9, 7]], [[8, 9, 10]])
    feeder = feeder_of(model)
    assert isinstance(feeder, Behind)
    feeder.begin(sample)
    assert feeder.feed(prompt) > 0
    once = feeder.logits()[0, -1]
    feeder.begin(sample)
    for token in prompt[0]:
        feeder.feed(np.array([[token]]))
    np.testing.assert_allclose(feeder.logits()[0, -1], once, atol=1e-3)
    for first in (True, False):
        assert interleave_tokens([model, model], requests, seconds=0, least=3, most=3, first=first).shape == (3, 2)
    unknown = compiled(joined(*pair()))
    unknown.parts = None
    with pytest.raises(UsageError, match="not known which part of it is the encoder"):
        prompts_of(unknown, data, Generation(4, 3))
