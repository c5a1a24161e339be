"""The command line as it was typed, so that a result can be made again."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ovquant.errors import UsageError


def properties(texts: Sequence[str]) -> dict[str, str]:
    """Return the compile properties of `KEY=VALUE` texts."""
    found: dict[str, str] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name.strip() or not value.strip():
            raise UsageError(f"--property is '{text}'; write KEY=VALUE, such as NUM_STREAMS=1.")
        if name.strip() in found:
            raise UsageError(f"--property gives {name.strip()} twice; give it once.")
        found[name.strip()] = value.strip()
    return found


def default_output(model: str) -> Path:
    """Return the folder for a model's result when none is given: `<model>-ovquant` in the current folder."""
    name, separator, _ = model.partition(".py:")
    return Path(f"{Path(name if separator else model).resolve().stem or 'model'}-ovquant")


def given(**values: Any) -> dict[str, Any]:
    """Return the options that were given: those left out keep the default of the Python function."""
    return {name: value for name, value in values.items() if value is not None and value != [] and value != {}}


def typed() -> str:
    """Return this run's command line."""
    return shlex.join(["ovquant", *sys.argv[1:]])
