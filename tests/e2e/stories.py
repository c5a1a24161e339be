"""A small decoder and tales for it, as several tests train and read them."""

import json
from pathlib import Path

import storyteller
import torch


def decoder(folder: Path, steps: int) -> Path:
    """Train a decoder for so many steps, and return its folder."""
    # Beside other tests more threads only wait for each other.
    torch.set_num_threads(1)
    storyteller.write(folder, steps)
    return folder


def tales(folder: Path, count: int) -> Path:
    """Return a file of about so many pieces of tales, evenly spread."""
    path, rows = folder / "tales.jsonl", list(storyteller.tales())
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows[:: len(rows) // count]), encoding="utf-8")
    return path
