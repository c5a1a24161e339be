"""What kind of file is it: magika on the beginnings of the files of this Python, labelled by their suffix."""

import json
import sysconfig
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from ovquant import Sample
from ovquant.demo.fetch import fetch

PACKAGE = "magika==1.0.3"
FOLDER = "magika/models/standard_v3_3"
CHECKSUMS = {
    "model.onnx": "fe2d2eb49c5f88a9e0a6c048e15d6ffdf86235519c2afc535044de433169ec8c",
    "config.min.json": "ae24c742205358f6ff6dfd5facb6743fb69743dbba8373e73da58ff0cbd695db",
}
KINDS = {
    "c": "c",
    "cmake": "cmake",
    "cpp": "cpp",
    "css": "css",
    "csv": "csv",
    "gz": "gzip",
    "hpp": "cpp",
    "html": "html",
    "js": "javascript",
    "json": "json",
    "md": "markdown",
    "npz": "npz",
    "png": "png",
    "py": "python",
    "pyc": "pythonbytecode",
    "pyi": "python",
    "rst": "rst",
    "sh": "shell",
    "so": "elf",
    "svg": "svg",
    "toml": "toml",
    "ttf": "ttf",
    "xml": "xml",
    "yaml": "yaml",
}
"""What the net calls a file with a suffix."""
EACH = 500
"""How many files of a suffix are taken at most."""
HALF, PADDING = 1024, 256
"""The net sees so many bytes of either end; what is missing has the padding's number."""


def model() -> str:
    """Return the path of the net's file, which takes [n, 2048] bytes as int32 and returns [n, 214] probabilities."""
    return str(fetch(PACKAGE, f"{FOLDER}/model.onnx", CHECKSUMS["model.onnx"]))


@cache
def classes() -> dict[str, int]:
    """Return the number of each class of the net."""
    path = fetch(PACKAGE, f"{FOLDER}/config.min.json", CHECKSUMS["config.min.json"])
    names = json.loads(path.read_text(encoding="utf-8"))["target_labels_space"]
    return {name: place for place, name in enumerate(names)}


@cache
def files() -> tuple[Path, ...]:
    """Return the files of this Python and its packages whose kind is known, mixed, at most so many of a suffix."""
    found: dict[str, list[Path]] = defaultdict(list)
    for folder in {sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")}:
        for path in Path(folder).rglob("*.*"):
            suffix = path.suffix.removeprefix(".")
            if suffix in KINDS and path.is_file() and path.stat().st_size >= 64:
                found[suffix].append(path)
    random = np.random.default_rng(0)
    kept = [path for suffix in sorted(found) for path in random.permutation(np.array(sorted(found[suffix])))[:EACH]]
    return tuple(kept[place] for place in random.permutation(len(kept)))


@cache
def pieces() -> tuple[tuple[np.ndarray, int], ...]:
    """Return the first bytes of each file, 48 to 4,096 of them, as the net sees them, with their class; equal ones come once."""
    random, found = np.random.default_rng(0), dict[bytes, tuple[np.ndarray, int]]()
    for path in files():
        length = round(2 ** random.uniform(np.log2(48), 12))
        seen = features(path.read_bytes()[:length])
        found.setdefault(seen.tobytes(), (seen, classes()[KINDS[path.suffix.removeprefix(".")]]))
    return tuple(found.values())


@dataclass(frozen=True)
class Files:
    """Beginnings of files, [2048] int32, with the number of their class; a part has one in three."""

    part: int = 0
    count: int = 1000

    def __len__(self) -> int:
        return min(self.count, len(pieces()[self.part :: 3]))

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return Sample(*pieces()[self.part :: 3][index])


def features(content: bytes) -> np.ndarray:
    """Return what the net sees of a file's content: its ends without white space around it, [2048] int32."""
    values = np.full(2 * HALF, PADDING, np.int32)
    begin, end = content[:4096].lstrip()[:HALF], content[-4096:].rstrip()[-HALF:]
    values[: len(begin)] = list(begin)
    values[len(values) - len(end) :] = list(end)
    return values
