"""A Llama decoder as an openvino.Model, written operation by operation, as optimum-intel exports one: it keeps its past as state."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from openvino import opset13 as ops


@dataclass(frozen=True)
class Config:
    """The sizes of a Llama decoder, by the names of its config.json."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    rope_theta: float = 10_000.0
    rms_norm_eps: float = 1e-5
    max_position_embeddings: int = 2048

    @property
    def head(self) -> int:
        return self.hidden_size // self.num_attention_heads

    def to_json(self, **more: Any) -> dict[str, Any]:
        """Return what config.json holds; more: such as the ids of special tokens."""
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_act": "silu",
            "tie_word_embeddings": True,
            "torch_dtype": "float32",
            **self.__dict__,
            **more,
        }


def build(config: Config, weights: Mapping[str, np.ndarray], *, stateful: bool = True) -> openvino.Model:
    """Return the decoder of weights by Hugging Face's names, such as `model.layers.0.self_attn.q_proj.weight`.

    The head shares the embedding's weight. Inputs: input_ids, attention_mask and position_ids, int64 [batch, tokens], and, where it
    keeps state, beam_idx, int32 [batch]. Output: logits [batch, tokens, vocabulary].
    """
    return _Builder(config, weights, stateful).build()


def module(config: Config, weights: Mapping[str, np.ndarray]) -> Any:
    """Return the same decoder as Transformers has it in PyTorch, which can be trained."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    net = LlamaForCausalLM(LlamaConfig(**config.to_json()))
    given = {name: torch.from_numpy(np.array(values, np.float32)) for name, values in weights.items()}
    missing, unknown = net.load_state_dict(given, strict=False)
    assert not unknown
    assert set(missing) <= {"lm_head.weight"}
    net.tie_weights()
    return net.eval()


def weights_in(path: Path) -> dict[str, np.ndarray]:
    """Return the weights of a file that `build` made, by their names."""
    model = openvino.Core().read_model(path)
    named = (node for node in model.get_ordered_ops() if node.get_friendly_name().endswith(".weight"))
    return {node.get_friendly_name(): np.array(node.data) for node in named if node.get_type_name() == "Constant"}


class _Builder:
    def __init__(self, config: Config, weights: Mapping[str, np.ndarray], stateful: bool) -> None:
        self.config, self.weights, self.stateful = config, weights, stateful
        self.ids, self.mask, self.positions = (
            _parameter([-1, -1], np.int64, name) for name in ("input_ids", "attention_mask", "position_ids")
        )
        self.beams = _parameter([-1], np.int32, "beam_idx")
        self.sinks: list[Any] = []

    def build(self) -> openvino.Model:
        table = self._constant("model.embed_tokens.weight")
        state = _named(ops.gather(table, self.ids, _int(0)), "model.embed_tokens")
        mask, turns = self._causal(), self._turns()
        for layer in range(self.config.num_hidden_layers):
            name = f"model.layers.{layer}"
            state = ops.add(state, self._attention(name, self._norm(f"{name}.input_layernorm", state), mask, turns))
            state = ops.add(state, self._feed_forward(name, self._norm(f"{name}.post_attention_layernorm", state)))
        logits = _named(ops.matmul(self._norm("model.norm", state), table, False, True), "lm_head")
        inputs = [self.ids, self.mask, self.positions, *([self.beams] if self.stateful else [])]
        model = openvino.Model([ops.result(logits)], self.sinks, inputs, "llama")
        model.outputs[0].get_tensor().set_names({"logits"})
        return model

    def _constant(self, name: str) -> openvino.Node:
        return _named(ops.constant(np.ascontiguousarray(self.weights[name], np.float32)), name)

    def _linear(self, name: str, source: openvino.Node) -> openvino.Node:
        return _named(ops.matmul(source, self._constant(f"{name}.weight"), False, True), name)

    def _norm(self, name: str, source: openvino.Node) -> openvino.Node:
        power = ops.reduce_mean(ops.power(source, _float(2)), _int([-1]), keep_dims=True)
        scaled = ops.multiply(source, ops.divide(_float(1), ops.sqrt(ops.add(power, _float(self.config.rms_norm_eps)))))
        return ops.multiply(scaled, self._constant(f"{name}.weight"))

    def _turns(self) -> tuple[openvino.Node, openvino.Node]:
        """Return cosine and sine of each position's turns, [batch, 1, tokens, head]."""
        half = self.config.head // 2
        rates = self.config.rope_theta ** (-np.arange(half) / half)
        angles = ops.multiply(
            ops.convert(ops.unsqueeze(self.positions, _int([1, 3])), "f32"),
            ops.constant(rates.astype(np.float32).reshape(1, 1, 1, half)),
        )
        twice = ops.concat([angles, angles], -1)
        return ops.cos(twice), ops.sin(twice)

    def _causal(self) -> openvino.Node:
        """Return what is added to attention: nothing where a token may look, [batch, 1, tokens, past and tokens]."""
        # The last of the places that are asked for are those of the tokens; a token looks at none behind its own place.
        places = ops.range(_int(0), _size(self.mask, 1), _int(1), "i64")
        own = ops.slice(places, ops.subtract(_int([0]), _sizes(self.ids, 1)), _int([np.iinfo(np.int64).max]), _int([1]))
        seen = ops.less_equal(ops.unsqueeze(places, _int([0])), ops.unsqueeze(own, _int([1])))
        kept = ops.greater(ops.unsqueeze(self.mask, _int([1, 2])), _int(0))
        allowed = ops.logical_and(ops.unsqueeze(seen, _int([0, 1])), kept)
        return ops.select(allowed, _float(0), _float(np.finfo(np.float32).min))

    def _attention(self, name: str, source: openvino.Node, mask: openvino.Node, turns: Any) -> openvino.Node:
        config, name = self.config, f"{name}.self_attn"
        heads, shared = config.num_attention_heads, config.num_key_value_heads
        query = _turned(self._split(f"{name}.q_proj", source, heads), turns, config.head)
        key = self._kept(f"{name}.key", _turned(self._split(f"{name}.k_proj", source, shared), turns, config.head))
        value = self._kept(f"{name}.value", self._split(f"{name}.v_proj", source, shared))
        if shared < heads:
            key, value = (self._repeated(each, heads // shared) for each in (key, value))
        found = ops.scaled_dot_product_attention(query, key, value, mask, causal=False)
        joined = ops.reshape(
            ops.transpose(found, _int([0, 2, 1, 3])), _int([0, 0, config.hidden_size]), special_zero=True
        )
        return self._linear(f"{name}.o_proj", joined)

    def _split(self, name: str, source: openvino.Node, heads: int) -> openvino.Node:
        shaped = ops.reshape(self._linear(name, source), _int([0, 0, heads, self.config.head]), special_zero=True)
        return ops.transpose(shaped, _int([0, 2, 1, 3]))

    def _kept(self, name: str, new: openvino.Node) -> openvino.Node:
        """Return keys or values of the past and of the tokens, and keep them."""
        if not self.stateful:
            return new
        shape = [-1, self.config.num_key_value_heads, -1, self.config.head]
        nothing = ops.broadcast(_float(0), ops.concat([_sizes(self.ids, 0), _int([shape[1], 0, shape[3]])], 0))
        past = ops.read_value(nothing, name, openvino.Type.f32, openvino.PartialShape(shape))
        whole = ops.concat([ops.gather(past, self.beams, _int(0)), new], 2)
        self.sinks.append(ops.assign(whole, name))
        return whole

    def _repeated(self, shared: openvino.Node, times: int) -> openvino.Node:
        """Return heads, each as often as it is shared."""
        config = self.config
        apart = ops.unsqueeze(shared, _int([2]))
        many = ops.broadcast(apart, _int([1, 1, times, 1, 1]), broadcast_spec="BIDIRECTIONAL")
        return ops.reshape(many, _int([0, config.num_attention_heads, -1, config.head]), special_zero=True)

    def _feed_forward(self, name: str, source: openvino.Node) -> openvino.Node:
        gate, up = (self._linear(f"{name}.mlp.{part}_proj", source) for part in ("gate", "up"))
        return self._linear(f"{name}.mlp.down_proj", ops.multiply(ops.swish(gate), up))


def _turned(source: openvino.Node, turns: Any, head: int) -> openvino.Node:
    """Return queries or keys turned by their positions (RoFormer, Su et al., 2021), the halves of a head as pairs."""
    first, second = ops.split(source, _int(-1), 2).outputs()
    crossed = ops.concat([ops.negative(second), first], -1)
    return ops.add(ops.multiply(source, turns[0]), ops.multiply(crossed, turns[1]))


def _parameter(shape: list[int], kind: Any, name: str) -> openvino.Node:
    made = ops.parameter(shape, kind, name=name)
    made.output(0).get_tensor().set_names({name})
    return made


def _named(node: openvino.Node, name: str) -> openvino.Node:
    node.set_friendly_name(name)
    return node


def _int(values: Any) -> openvino.Node:
    return ops.constant(np.array(values, np.int64))


def _float(value: float) -> openvino.Node:
    return ops.constant(np.float32(value))


def _size(source: openvino.Node, axis: int) -> openvino.Node:
    return ops.squeeze(_sizes(source, axis), _int([0]))


def _sizes(source: openvino.Node, axis: int) -> openvino.Node:
    return ops.gather(ops.shape_of(source, "i64"), _int([axis]), _int(0))
