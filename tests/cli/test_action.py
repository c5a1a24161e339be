"""The GitHub Action: its steps are run by bash, as a runner runs them."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.cli.conftest import QUICK, Case, Run

ACTION = Path(__file__).resolve().parents[2] / ".github" / "actions" / "check" / "action.yml"


def act(folder: Path, **inputs: str) -> tuple[int, dict[str, str], str]:
    """Run the action; return the exit code of the step that failed, or 0, the outputs, and the summary."""
    action = yaml.safe_load(ACTION.read_text(encoding="utf-8"))
    given = {name: inputs.get(name, about.get("default")) for name, about in action["inputs"].items()}
    output, summary = folder / "output", folder / "summary"
    output.touch()
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "RUNNER_TEMP": str(folder),
        "GITHUB_OUTPUT": str(output),
        "GITHUB_STEP_SUMMARY": str(summary),
    }
    for step in action["runs"]["steps"]:
        own = {name: filled(text, given) for name, text in step["env"].items()}
        ended = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            env={**environment, **own},
            check=False,
        )
        if ended.returncode != 0:
            break
    values = dict(line.split("=", 1) for line in output.read_text().splitlines())
    return ended.returncode, values, summary.read_text() if summary.exists() else ""


def filled(text: str, given: Mapping[str, str | None]) -> str:
    """Return a text with the inputs that it names."""
    return re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda found: str(given[found[1]]), text)


@pytest.fixture
def halves(net: Case, tmp_path: Path) -> tuple[Path, Path]:
    """Return the samples of a net in two files."""
    found = []
    for place in range(2):
        path = tmp_path / f"{place}.npz"
        np.savez(path, **{name: values[place::2] for name, values in net.arrays.items()})
        found.append(path)
    return found[0], found[1]


def test_it_passes_where_the_budget_holds_and_fails_where_it_cannot_tell(
    run: Run, net: Case, halves: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "result"
    run("quantize", net.model, "--data", halves[0], "--metric", "accuracy", "--max-drop", "20%", *QUICK, "-o", folder)
    code, values, summary = act(tmp_path, result=str(folder), data=str(halves[1]), install="")
    assert (code, values) == (0, {"verdict": "met"})
    assert '"verdict": "met"' in summary
    code, values, _ = act(tmp_path, result=str(tmp_path), data=str(halves[1]), install="")
    assert (code, values) == (1, {"verdict": "error"})
