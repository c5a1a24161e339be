"""What a model writes itself: the likeliest token each time, whatever it keeps of those before."""

import numpy as np
import openvino
import pytest

from ovquant.domain.sample import Generate, Sample
from ovquant.errors import DataError
from ovquant.graph.pairs import joined
from ovquant.runtime import Deployment, compile_model
from ovquant.runtime.writer import Writer
from tests.decoders import decoder, pair, with_past_as_inputs

IN_F32 = Deployment(properties={"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"})
PROMPT = np.array([5, 9, 40])
MODELS = {
    "state": decoder,
    "nothing": lambda: decoder(stateful=False),
    "inputs": with_past_as_inputs,
    "pair": lambda: joined(*pair()),
}


def sample_of(name: str, tokens: np.ndarray) -> Sample:
    if name == "pair":
        return Sample({"input_ids": PROMPT, "attention_mask": np.ones_like(PROMPT), "decoder_input_ids": tokens})
    return Sample({"input_ids": tokens})


def by_hand(compiled: openvino.CompiledModel, name: str, count: int, prompt: np.ndarray = PROMPT) -> list[int]:
    """Run the model on the whole text for each token."""
    text = prompt
    for _ in range(count):
        writer = Writer(compiled).write(sample_of(name, text), Generate(1))
        text = np.append(text, writer)
    return [int(token) for token in text[len(prompt) :]]


@pytest.mark.parametrize("name", MODELS)
def test_each_token_is_the_likeliest_after_those_before(name: str) -> None:
    compiled = compile_model(MODELS[name](), IN_F32)
    writer = Writer(compiled)
    found = writer.write(sample_of(name, PROMPT), Generate(6))
    assert len(found) == 6
    assert found == by_hand(compiled, name, 6)
    # A second text begins from a clean state, and a prompt can be a part of what is given.
    longer = np.append(PROMPT, [7, 7])
    assert writer.write(sample_of(name, longer), Generate(6, prompt=3)) == found
    assert writer.write(sample_of(name, longer), Generate(6)) == by_hand(compiled, name, 6, longer)
    stop = found[2]
    assert writer.write(sample_of(name, PROMPT), Generate(6, stop=(stop,))) == found[: found.index(stop)]


def test_an_encoder_that_is_known_apart_is_run_once_for_a_text() -> None:
    whole = joined(*pair())
    compiled = compile_model(whole, IN_F32)
    found = Writer(compiled).write(sample_of("pair", PROMPT), Generate(6))
    assert compiled.parts is not None
    encoder, decoder = compiled.parts()
    assert compiled.parts()[0] is encoder
    assert compiled.described(openvino.Core().compile_model(whole, "CPU")).parts is compiled.parts
    compiled.parts = None
    assert Writer(compiled).write(sample_of("pair", PROMPT), Generate(6)) == found
    assert [port.get_any_name() for port in encoder.outputs] == ["last_hidden_state"]
    assert "encoder_hidden_states" in [port.get_any_name() for port in decoder.inputs]


def test_nothing_is_written_where_logits_are_nan() -> None:
    broken = decoder(stateful=False)
    for operation in broken.get_ops():
        if operation.get_friendly_name() == "model.norm.weight":
            operation.output(0).replace(openvino.opset13.constant(np.full(64, np.nan, np.float32)).output(0))
    assert Writer(compile_model(broken, IN_F32)).write(sample_of("nothing", PROMPT), Generate(3)) == []


def test_a_model_that_takes_no_tokens_writes_nothing() -> None:
    from openvino import opset13 as ops

    image = ops.parameter([-1, 3], np.float32, name="image")
    compiled = compile_model(openvino.Model([ops.relu(image)], [image], "net"), IN_F32)
    with pytest.raises(DataError, match="it takes neither input_ids nor decoder_input_ids, but image"):
        Writer(compiled)
