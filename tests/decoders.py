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


def pair(width: int = 32, *, seed: int = 3) -> tuple[openvino.Model, openvino.Model]:
    """Return an encoder and a decoder as optimum-intel writes them: attention to the encoder's output, and a state."""
    from openvino import opset13 as ops

    random = np.random.default_rng(seed)

    def matrix(rows: int = width) -> openvino.Node:
        return ops.constant((random.standard_normal((rows, width)) * 0.3).astype(np.float32))

    def tokens(name: str) -> openvino.Node:
        return ops.parameter([-1, -1], np.int64, name=name)

    def embedded(ids: openvino.Node) -> openvino.Node:
        return ops.gather(matrix(120), ids, ops.constant(np.int64(0)))

    def attention(query: openvino.Node, read: openvino.Node, bias: openvino.Node | None = None) -> openvino.Node:
        scores = ops.matmul(
            ops.matmul(query, matrix(), False, True), ops.matmul(read, matrix(), False, True), False, True
        )
        scores = scores if bias is None else ops.add(scores, bias)
        return ops.add(
            query, ops.matmul(ops.softmax(scores, -1), ops.matmul(read, matrix(), False, True), False, False)
        )

    def hidden_by(mask: openvino.Node) -> openvino.Node:
        away = ops.multiply(ops.subtract(ops.convert(mask, "f32"), np.float32(1)), np.float32(1e4))
        return ops.unsqueeze(away, ops.constant(np.int64([1])))

    ids, mask = tokens("input_ids"), tokens("attention_mask")
    read = embedded(ids)
    read = ops.gelu(ops.matmul(attention(read, read, hidden_by(mask)), matrix(), False, True), "erf")
    encoder = openvino.Model([ops.result(read)], [ids, mask], "encoder")

    ids, mask, beams = (
        tokens("input_ids"),
        tokens("encoder_attention_mask"),
        ops.parameter([-1], np.int32, name="beam_idx"),
    )
    hidden = ops.parameter([-1, -1, width], np.float32, name="encoder_hidden_states")
    new = embedded(ids)
    sizes = ops.shape_of(ids)
    rows, length = (ops.gather(sizes, ops.constant(np.int64([axis])), ops.constant(np.int64(0))) for axis in (0, 1))
    # A length that is known to be zero would stay so.
    none = ops.broadcast(np.float32(0), ops.concat([rows, ops.subtract(length, length), np.int64([width])], 0))
    kept = ops.read_value(none, "past", openvino.Type.f32, openvino.PartialShape([-1, -1, width]))
    past = ops.concat([ops.gather(kept, beams, ops.constant(np.int64(0))), new], 1)
    # A running mean of what was written, of which this request's part is looked at.
    total = ops.cum_sum(past, ops.constant(np.int64(1)))
    own = ops.slice(total, ops.negative(length), np.int64([2**31]), np.int64([1]), np.int64([1]))
    logits = ops.matmul(attention(own, hidden, hidden_by(mask)), matrix(120), False, True)
    decoder = openvino.Model([ops.result(logits)], [ops.assign(past, "past")], [ids, hidden, mask, beams], "decoder")
    for model, outputs in ((encoder, "last_hidden_state"), (decoder, "logits")):
        for port in model.inputs:
            port.get_tensor().set_names({port.get_node().get_friendly_name()})
        model.outputs[0].get_tensor().set_names({outputs})
    return encoder, decoder


class Texts(Sequence[Sample]):
    """Texts of random tokens, of lengths from 6 to 12."""

    def __init__(self, count: int = 40) -> None:
        random = np.random.default_rng(2)
        self.rows = [random.integers(0, SMALL.vocab_size, 6 + place % 7) for place in range(count)]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index):  # type: ignore[no-untyped-def, override]
        return Sample({"input_ids": self.rows[index]}, self.rows[index])
