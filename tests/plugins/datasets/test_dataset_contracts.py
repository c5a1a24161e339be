"""Run the public contract suite on every built-in kind of dataset."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from ovquant.live.record import Recorder
from ovquant.plugins.registry import Registry
from ovquant.plugins.spec import create
from ovquant.testing import DatasetReaderContract


def arrays(folder: Path) -> dict[str, Any]:
    np.savez(folder / "data.npz", inputs=np.arange(24, dtype=np.float32).reshape(4, 6), targets=np.arange(4))
    return {"path": folder / "data.npz"}


def compressed(folder: Path) -> dict[str, Any]:
    np.savez_compressed(folder / "data.npz", ids=np.ones((3, 5), np.int64), mask=np.zeros((3, 5), np.int64))
    return {"path": folder / "data.npz"}


def pictures(folder: Path) -> dict[str, Any]:
    for place, name in enumerate(("cat", "dog")):
        (folder / name).mkdir()
        Image.new("RGB", (6, 4), (40 * place + 9, 0, 200)).save(folder / name / "1.png")
    return {"path": folder}


def sounds(folder: Path) -> dict[str, Any]:
    rows = ["file,target"]
    for place in range(2):
        tone = np.sin(np.arange(400) * (place + 1) / 9).astype(np.float32)
        soundfile.write(folder / f"{place}.wav", tone, 8000, subtype="FLOAT")
        rows.append(f"{place}.wav,word {place}")
    (folder / "targets.csv").write_text("\n".join(rows) + "\n")
    return {"path": folder, "rate": "16000", "length": "500"}


def lines(folder: Path) -> dict[str, Any]:
    words = {word: place for place, word in enumerate(["[PAD]", "[UNK]", "good", "bad", "film"])}
    tokenizer = Tokenizer(WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    rows = [{"text": "good film", "label": 1}, {"text": "bad film", "label": 0}]
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {"path": folder / "data.jsonl"}


def questions(folder: Path) -> dict[str, Any]:
    lines(folder)
    row = {"prompt": "good film", "choices": [" good", " bad"], "answer": 0}
    (folder / "questions.jsonl").write_text(json.dumps(row) + "\n")
    return {"path": folder / "questions.jsonl"}


def prompts(folder: Path) -> dict[str, Any]:
    lines(folder)
    row = {"prompt": "good film", "completion": "bad"}
    (folder / "prompts.jsonl").write_text(json.dumps(row) + "\n")
    return {"path": folder / "prompts.jsonl"}


def queries(folder: Path) -> dict[str, Any]:
    lines(folder)
    row = {"query": "good film", "passages": ["good", "bad"], "relevance": [1, 0]}
    (folder / "queries.jsonl").write_text(json.dumps(row) + "\n")
    return {"path": folder / "queries.jsonl"}


def pairs(folder: Path) -> dict[str, Any]:
    lines(folder)
    row = {"first": "good film", "second": "good", "similarity": 4}
    (folder / "pairs.jsonl").write_text(json.dumps(row) + "\n")
    return {"path": folder / "pairs.jsonl"}


def recording(folder: Path) -> dict[str, Any]:
    with Recorder(folder / "calib", ["x", "y"], count=4) as recorder:
        for value in range(3):
            with recorder.recording([np.full((1, 2), value, np.float32), np.array([[value]])], None):
                pass
    return {"path": folder / "calib"}


KINDS: dict[str, tuple[str, Callable[[Path], dict[str, Any]]]] = {
    "audio": ("audio", sounds),
    "choices": ("choices", questions),
    "completions": ("completions", prompts),
    "images": ("images", pictures),
    "npz": ("npz", arrays),
    "npz, compressed": ("npz", compressed),
    "pairs": ("pairs", pairs),
    "recorded": ("recorded", recording),
    "retrieval": ("retrieval", queries),
    "text": ("text", lines),
}


@pytest.mark.parametrize("case", KINDS)
class TestBuiltIn(DatasetReaderContract):
    """Every built-in kind of dataset."""

    @pytest.fixture
    def dataset(self, case: str, tmp_path: Path) -> Any:
        name, write = KINDS[case]
        folder = tmp_path / "data"
        folder.mkdir()
        options = write(folder)
        return create(Registry("datasets").get(name), options, what=name)
