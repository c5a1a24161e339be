"""The wheel holds all that an installation needs: an installed copy runs, and renders its reports."""

import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LOOK = """
import sys
from importlib.metadata import entry_points
from pathlib import Path

import ovquant
from ovquant.plugins.reports.html import template

assert Path(ovquant.__file__).is_relative_to(sys.argv[1]), ovquant.__file__
assert template().filename.startswith(sys.argv[1])
print(len(entry_points(group="ovquant.recipes")), ovquant.quantize.__name__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel that was built from a copy of what it is made of, since building leaves files behind."""
    work = tmp_path_factory.mktemp("wheel")
    source = work / "source"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "ovquant", source / "ovquant", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, source / name)
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(work),
        str(source),
    ]
    subprocess.run(build, check=True, capture_output=True)
    (made,) = work.glob("ovquant-*.whl")
    return made


def test_it_holds_what_is_no_module(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {"ovquant/py.typed", "ovquant/__init__.pyi"} <= {*names}
    kept = {path.relative_to(ROOT).as_posix() for path in (ROOT / "ovquant").rglob("*") if path.is_file()}
    others = {name for name in kept if not name.endswith((".pyc", ".py"))}
    assert others <= {*names}
    assert not [name for name in names if name.startswith(("tests", "plugins", "examples"))]


def test_an_installed_copy_runs(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-compile",
        "--target",
        str(target),
        str(wheel),
    ]
    subprocess.run(install, check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": str(target)}
    run = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True, "check": True}
    told = subprocess.run([sys.executable, "-c", LOOK, str(target)], **run).stdout  # type: ignore[call-overload]
    assert told.split()[1] == "quantize"
    said = subprocess.run([target / "bin" / "ovquant", "--version"], **run).stdout  # type: ignore[call-overload]
    assert said.strip() == version("ovquant")
