"""The wheel holds all that an installation needs: pipx makes a working command of it."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.cli import models

ROOT = Path(__file__).resolve().parents[1]
ANSWERS = (0, 3, 4)
"""The exit codes of a run that came to an answer; which one depends on a net this small."""
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


def test_pipx_makes_a_working_command_of_it(wheel: Path, tmp_path: Path) -> None:
    # It brings what pyproject.toml names and nothing else: no torch, and no package that the tests alone need.
    homes = {"PIPX_HOME": "home", "PIPX_BIN_DIR": "bin", "PIPX_MAN_DIR": "man"}
    environment = {**os.environ, **{name: str(tmp_path / place) for name, place in homes.items()}}

    def run(*command: str | Path) -> str:
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=900
        )
        assert done.returncode in ANSWERS, done.stderr
        return done.stdout

    run(sys.executable, "-m", "pipx", "install", "--python", sys.executable, wheel)
    venv = tmp_path / "home" / "venvs" / "ovquant"
    assert run(venv / "bin" / "python", "-c", LOOK, venv).split()[1] == "quantize"
    ovquant = tmp_path / "bin" / "ovquant"
    assert run(ovquant, "--version").strip() == version("ovquant")
    model, data = models.write(tmp_path, models.image_net(), {"image": models.samples((3, 16, 16), 400, 3)})
    how = ("--metric", "fidelity", "--max-drop", "50pt", "--recipe", "default", "-o", "out", "--json")
    told = json.loads(run(ovquant, "quantize", model, "--data", data, *how))
    assert told["verdict"] in ("met", "float", "inconclusive")
    assert (tmp_path / "out" / "report.html").is_file()
