"""A small decoder with random weights, with and without state, and texts for it."""

from collections.abc import Sequence

import numpy as np
import openvino
from llama import Config, build

from ovquant import Sample

SMALL = Config(
    vocab_size=120,
    hidden_size=64,
    intermediate_size=128,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
)


def weights(config: Config = SMALL, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    width, narrow = config.hidden_size, config.head * config.num_key_value_heads
    shapes = {
        "self_attn.q_proj": (width, width),
        "self_attn.k_proj": (narrow, width),
        "self_attn.v_proj": (narrow, width),
        "self_attn.o_proj": (width, width),
        "mlp.gate_proj": (config.intermediate_size, width),
        "mlp.up_proj": (config.intermediate_size, width),
        "mlp.down_proj": (width, config.intermediate_size),
    }
    found = {"model.embed_tokens.weight": random.standard_normal((config.vocab_size, width))}
    for layer in range(config.num_hidden_layers):
        for name, shape in shapes.items():
            found[f"model.layers.{layer}.{name}.weight"] = random.standard_normal(shape) * 0.2
    norms = [f"model.layers.{layer}.{name}_layernorm" for layer in range(2) for name in ("input", "post_attention")]
    return {**found, **{f"{name}.weight": np.ones(width) for name in ("model.norm", *norms)}}


def decoder(*, stateful: bool = True) -> openvino.Model:
    return build(SMALL, weights(), stateful=stateful)


def with_past_as_inputs() -> openvino.Model:
    """Return a decoder that takes what is past as inputs: a sum over all tokens so far stands for attention."""
    from openvino import opset13 as ops

    ids = ops.parameter([-1, -1], np.int64, name="input_ids")
    past = ops.parameter([-1, 1, -1, 8], np.float32, name="past_key_values.0.key")
    table = ops.constant(np.random.default_rng(1).standard_normal((120, 8)).astype(np.float32))
    new = ops.unsqueeze(ops.gather(table, ids, ops.constant(np.int64(0))), ops.constant(np.int64([1])))
    present = ops.concat([past, new], 2)
    total = ops.squeeze(ops.cum_sum(present, ops.constant(np.int64(2))), ops.constant(np.int64([1])))
    logits = ops.matmul(total, table, False, True)
    made = openvino.Model([ops.result(logits), ops.result(present)], [ids, past], "past")
    for port, name in zip(
        (*made.inputs, *made.outputs), ("input_ids", "past_key_values.0.key", "logits", "present.0.key"), strict=True
    ):
        port.get_tensor().set_names({name})
    return made


def pair(width: int = SMALL.hidden_size, *, seed: int = 3) -> tuple[openvino.Model, openvino.Model]:
    """Return an encoder and a decoder as optimum-intel writes them: the decoder above, which also attends to the encoder's output."""
    from openvino import opset13 as ops

    random = np.random.default_rng(seed)

    def linear(source: openvino.Node) -> openvino.Node:
        weight = (random.standard_normal((width, width)) * 0.2).astype(np.float32)
        return ops.matmul(source, ops.constant(weight), False, True)

    def attention(query: openvino.Node, read: openvino.Node, mask: openvino.Node) -> openvino.Node:
        away = ops.multiply(ops.subtract(ops.convert(mask, "f32"), np.float32(1)), np.float32(1e4))
        scores = ops.matmul(linear(query), linear(read), False, True)
        scores = ops.add(scores, ops.unsqueeze(away, ops.constant(np.int64([1]))))
        return ops.add(query, ops.matmul(ops.softmax(scores, -1), linear(read), False, False))

    ids, mask = (ops.parameter([-1, -1], np.int64, name=name) for name in ("input_ids", "attention_mask"))
    table = ops.constant(random.standard_normal((SMALL.vocab_size, width)).astype(np.float32))
    read = ops.gather(table, ids, ops.constant(np.int64(0)))
    encoder = openvino.Model([ops.result(ops.gelu(attention(read, read, mask), "erf"))], [ids, mask], "encoder")

    written = decoder()
    mask = ops.parameter([-1, -1], np.int64, name="encoder_attention_mask")
    hidden = ops.parameter([-1, -1, width], np.float32, name="encoder_hidden_states")
    head = written.get_results()[0].input_value(0).get_node()
    if width == SMALL.hidden_size:
        head.input(0).replace_source_output(attention(head.input_value(0), hidden, mask).output(0))
    written.add_parameters([hidden, mask])
    for port in (*encoder.inputs, hidden.output(0), mask.output(0)):
        port.get_tensor().set_names({port.get_node().get_friendly_name()})
    encoder.outputs[0].get_tensor().set_names({"last_hidden_state"})
    return encoder, written


class Texts(Sequence[Sample]):
    """Texts of random tokens, of lengths from 6 to 12."""

    def __init__(self, count: int = 40) -> None:
        random = np.random.default_rng(2)
        self.rows = [random.integers(0, SMALL.vocab_size, 6 + place % 7) for place in range(count)]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index):  # type: ignore[no-untyped-def, override]
        return Sample({"input_ids": self.rows[index]}, self.rows[index])
