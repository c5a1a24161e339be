"""Encoder and decoder as one model, and taken apart again."""

from pathlib import Path

import numpy as np
import openvino
import pytest

from ovquant.errors import ModelError
from ovquant.graph.normalise import normalised
from ovquant.graph.pairs import CUT, HIDDEN, is_pair, joined, parted
from tests.decoders import decoder, pair

IN_F32 = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
READ, MASK = np.array([[5, 9, 40, 7], [8, 3, 2, 0]]), np.array([[1, 1, 1, 1], [1, 1, 1, 0]])
WRITTEN, BEAMS = np.array([[1, 4, 60], [1, 7, 30]]), np.arange(2, dtype=np.int32)


def as_pair(encoder: openvino.Model, decoder: openvino.Model, *, steps: tuple[int, ...] = (3,)) -> np.ndarray:
    """Return the logits of the two, the one fed with what the other gives, in so many requests."""
    core = openvino.Core()
    hidden = core.compile_model(encoder, "CPU", IN_F32)({"input_ids": READ, "attention_mask": MASK})[0]
    request = core.compile_model(decoder, "CPU", IN_F32).create_infer_request()
    found, end = [], 0
    for step in steps:
        begin, end = end, end + step
        given = {HIDDEN: hidden, "encoder_attention_mask": MASK, **of_tokens(begin, end)}
        found.append(request.infer(given)["logits"].copy())
    return np.concatenate(found, axis=1)


def of_tokens(begin: int, end: int, tokens: str = "input_ids", mask: str = "attention_mask") -> dict[str, np.ndarray]:
    """Return what a decoder takes for some of the tokens, the others being past."""
    places = np.tile(np.arange(begin, end), (2, 1))
    return {tokens: WRITTEN[:, begin:end], mask: np.ones((2, end), np.int64), "position_ids": places, "beam_idx": BEAMS}


def as_one(whole: openvino.Model) -> np.ndarray:
    given = {"input_ids": READ, "attention_mask": MASK}
    given |= of_tokens(0, WRITTEN.shape[1], "decoder_input_ids", "decoder_attention_mask")
    found: np.ndarray = openvino.Core().compile_model(whole, "CPU", IN_F32)(given)["logits"]
    return found


def test_the_whole_computes_what_the_two_do() -> None:
    whole = joined(*pair())
    names = {"decoder_input_ids", "decoder_attention_mask", "position_ids", "beam_idx"}
    assert {port.get_any_name() for port in whole.inputs} == {"input_ids", "attention_mask", *names}
    assert [port.get_any_name() for port in whole.outputs] == ["logits", CUT]
    assert is_pair(whole)
    assert not is_pair(decoder())
    expected = as_pair(*pair())
    assert np.abs(as_one(whole) - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("normal", [False, True])
def test_it_is_taken_apart_again_and_keeps_state(tmp_path: Path, normal: bool) -> None:
    whole = joined(*pair())
    whole.set_rt_info("u8", ["runtime_options", "KV_CACHE_PRECISION"])
    whole = normalised(whole).model if normal else whole
    openvino.save_model(whole, tmp_path / "whole.xml", compress_to_fp16=False)
    encoder, decoder = parted(openvino.Core().read_model(tmp_path / "whole.xml"))
    assert [port.get_any_name() for port in encoder.inputs] == ["input_ids", "attention_mask"]
    assert encoder.outputs[0].get_any_name() == "last_hidden_state"
    names = {"input_ids", "attention_mask", "position_ids", "beam_idx", HIDDEN, "encoder_attention_mask"}
    assert {port.get_any_name() for port in decoder.inputs} == names
    assert len(decoder.get_sinks()) == 4
    assert decoder.get_rt_info(["runtime_options", "KV_CACHE_PRECISION"]).value == "u8"
    for name, part in (("encoder", encoder), ("decoder", decoder)):
        openvino.save_model(part, tmp_path / f"{name}.xml", compress_to_fp16=False)
    again = [openvino.Core().read_model(tmp_path / f"{name}.xml") for name in ("encoder", "decoder")]
    expected = as_pair(*pair())
    for steps in ((3,), (1, 1, 1)):
        assert np.abs(as_pair(*again, steps=steps) - expected).max() < 1e-4 * np.abs(expected).max()


def test_what_does_not_fit_is_named() -> None:
    encoder, reader = pair()
    with pytest.raises(ModelError, match="no input 'encoder_hidden_states'"):
        joined(encoder, decoder())
    with pytest.raises(ModelError, match="not of one network"):
        joined(pair(16)[0], reader)


def test_a_decoder_that_reads_inside_its_encoder_is_not_taken_apart() -> None:
    from openvino import opset13 as ops

    whole = joined(*pair())
    ids = whole.input("input_ids").get_node()
    logits = whole.get_results()[0]
    more = ops.reduce_sum(ops.convert(ids, "f32"), np.int64([1]), True)
    logits.input(0).replace_source_output(ops.add(logits.input_value(0), ops.unsqueeze(more, np.int64([2]))).output(0))
    whole.validate_nodes_and_infer_types()
    with pytest.raises(ModelError, match="reads 'input_ids', an input of the encoder's"):
        parted(whole)
