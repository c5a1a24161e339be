"""An environment of its own with OpenVINO GenAI and optimum-intel, and this script run again in it."""

import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path

FOLDER = Path("out/genai-venv")


def run_inside(folder: Path = FOLDER) -> int | None:
    """Run this command again in the environment and return its exit code; None where it already runs there."""
    if Path(sys.prefix).resolve() == folder.resolve():
        return None
    return subprocess.run([str(_interpreter(folder)), *sys.argv], check=False).returncode


def _interpreter(folder: Path) -> Path:
    """Return the interpreter of an environment with both libraries for this openvino, which is made where there is none."""
    openvino = version("openvino").partition("-")[0]
    python, stamp = folder / "bin" / "python", folder / "installed.stamp"
    if not stamp.exists():
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
        same = [f"{name}=={openvino}.*" for name in ("openvino", "openvino-genai", "openvino-tokenizers")]
        subprocess.run([*pip, "install", "-q", "torch==2.13.0", "optimum-intel", *same], check=True)
        # It comes with optimum-intel, is for another build of torch, and is not needed for text.
        subprocess.run([*pip, "uninstall", "-q", "-y", "torchvision"], check=True)
        stamp.touch()
    return python
