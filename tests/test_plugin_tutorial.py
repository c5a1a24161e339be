"""Follow docs/plugins.md to the letter, and hold it to name every kind of plugin."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ovquant import protocols, testing
from ovquant.plugins.registry import KINDS

PAGE = Path(__file__).parent.parent / "docs" / "plugins.md"


def block_after(name: str) -> str:
    """Return the first code block after the mention of a file."""
    found = re.search(r"```\w+\n(.*?)```", PAGE.read_text(encoding="utf-8").partition(f"`{name}`")[2], re.DOTALL)
    assert found, f"no code after {name}"
    return found[1]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Write the tutorial's files as an installer would leave them."""
    for name in ("ovquant_within.py", "test_within.py"):
        (tmp_path / name).write_text(block_after(name), encoding="utf-8")
    project = tomllib.loads(block_after("pyproject.toml"))["project"]
    metadata = tmp_path / f"ovquant_within-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    groups = project["entry-points"].items()
    text = "".join(f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()) for group, points in groups)
    (metadata / "entry_points.txt").write_text(text)
    return tmp_path


def run(package: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(package)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=package, env=environment, capture_output=True, text=True, check=False
    )


def test_the_tutorial_s_tests_pass(package: Path) -> None:
    done = run(package, "-m", "pytest", "-q", "test_within.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout


def test_the_tutorial_s_metric_is_found_by_name_and_by_file(package: Path) -> None:
    code = "from ovquant.plugins.metrics import resolve_metric as r; print(r('within:tolerance=0.2'), r('{}:Within'))"
    done = run(package, "-c", code.format("ovquant_within.py"))
    assert done.stdout.split() == ["Within(tolerance=0.2)", "Within(tolerance=0.1)"], done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_documented_with_a_protocol_and_a_suite(kind: str) -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{kind}` |")]
    assert len(rows) == 1
    protocol, suite = (cell.strip().strip("`") for cell in rows[0].split("|")[2:4])
    assert hasattr(protocols, protocol)
    assert hasattr(testing, suite)
