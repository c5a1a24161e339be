"""A model without its states answers as one does whose states are clean."""

import numpy as np
import openvino
import pytest
from llama import Config, build
from openvino._offline_transformations import apply_make_stateful_transformation
from openvino.opset13 import add, parameter, result

from ovquant.graph.states import without_states

CONFIG = Config(64, 32, 64, 2, 4, 2)
F32 = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}


@pytest.fixture(scope="module")
def decoder() -> openvino.Model:
    random = np.random.default_rng(0)
    sizes = {"q_proj": (32, 32), "k_proj": (16, 32), "v_proj": (16, 32), "o_proj": (32, 32)}
    weights = {"model.embed_tokens.weight": random.standard_normal((64, 32)), "model.norm.weight": np.ones(32)}
    for layer in range(CONFIG.num_hidden_layers):
        name = f"model.layers.{layer}"
        weights |= {f"{name}.self_attn.{part}.weight": random.standard_normal(size) for part, size in sizes.items()}
        weights |= {f"{name}.mlp.{part}.weight": random.standard_normal((64, 32)) for part in ("gate_proj", "up_proj")}
        weights[f"{name}.mlp.down_proj.weight"] = random.standard_normal((32, 64))
        weights |= {f"{name}.{norm}.weight": np.ones(32) for norm in ("input_layernorm", "post_attention_layernorm")}
    return build(CONFIG, {name: values.astype(np.float32) for name, values in weights.items()})


def test_it_answers_as_from_a_clean_state(decoder: openvino.Model) -> None:
    plain = without_states(decoder)
    assert plain is not None
    assert not plain.get_sinks()
    assert len(decoder.get_sinks()) == 2 * CONFIG.num_hidden_layers
    kept, without = (openvino.Core().compile_model(model, "CPU", F32) for model in (decoder, plain))
    request = kept.create_infer_request()
    for tokens in (3, 17, 5):
        given = {
            "input_ids": np.arange(tokens)[None],
            "attention_mask": np.ones((1, tokens), np.int64),
            "position_ids": np.arange(tokens)[None],
            "beam_idx": np.zeros(1, np.int32),
        }
        request.reset_state()
        np.testing.assert_allclose(without(given)["logits"], request.infer(given)["logits"], rtol=1e-3, atol=1e-4)


def test_what_has_none_or_does_not_say_how_one_begins_is_left_as_it_is() -> None:
    value, past = (parameter([1, 4], np.float32, name=name) for name in ("value", "past"))
    model = openvino.Model([result(add(value, past), name="present")], [value, past], "counter")
    assert without_states(model) is None
    model.inputs[1].get_tensor().set_names({"past"})
    model.outputs[0].get_tensor().set_names({"present"})
    apply_make_stateful_transformation(model, {"past": "present"})
    assert model.get_sinks()
    assert without_states(model) is None
