"""Compare what plugins give: nested arrays, mappings and sequences."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ovquant.domain.sample import Inputs
from ovquant.errors import UsageError
from ovquant.plugins.spec import create

HEAVY = (
    "cv2",
    "jiwer",
    "matplotlib",
    "nncf",
    "openvino",
    "pandas",
    "PIL",
    "pyarrow",
    "pycocotools",
    "scipy",
    "skimage",
    "sklearn",
    "soundfile",
    "tensorflow",
    "tokenizers",
    "torch",
    "transformers",
)
"""Modules that a plugin may import in its functions, never when it is itself imported."""


class PluginContract:
    """Check what every kind of plugin has in common. Give the fixture `plugin`, an instance.

    Set `heavy` to the modules that the plugin's own module must not import, if they are others.
    """

    heavy: tuple[str, ...] = HEAVY

    @pytest.fixture
    def plugin(self) -> Any:
        """Return an instance of the plugin."""
        raise NotImplementedError("Override the fixture 'plugin' with an instance.")

    def test_is_a_frozen_dataclass(self, plugin: Any) -> None:
        assert dataclasses.is_dataclass(plugin), "a plugin is a dataclass whose fields are its options"
        parameters = getattr(type(plugin), "__dataclass_params__", None)
        assert getattr(parameters, "frozen", False), "a plugin is frozen: @dataclass(frozen=True)"

    def test_has_a_summary(self, plugin: Any) -> None:
        summary = (type(plugin).__doc__ or "").strip().partition("\n")[0]
        assert summary, "the docstring's first line is listed"
        assert not summary.startswith(type(plugin).__name__ + "("), "the docstring's first line is listed"

    def test_options_round_trip_as_text(self, plugin: Any) -> None:
        made = create(type(plugin), option_values(plugin), what=type(plugin).__name__)
        assert made == plugin

    def test_unknown_option_is_an_error(self, plugin: Any) -> None:
        with pytest.raises(UsageError, match="no option 'no_such_option'"):
            create(type(plugin), {**option_values(plugin), "no_such_option": "1"}, what="plugin")

    def test_imports_nothing_heavy(self, plugin: Any) -> None:
        module = type(plugin).__module__
        found = _heavy_imports(module, self.heavy)
        assert not found, f"importing {module} imports {found}; import them in the functions that need them"


def option_values(plugin: Any) -> dict[str, Any]:
    """Return the options of an instance as a user would write them; objects that have no text stay objects."""
    return {field.name: _option_text(getattr(plugin, field.name)) for field in dataclasses.fields(plugin) if field.init}


def _option_text(value: Any) -> Any:
    if isinstance(value, tuple):
        return ";".join(str(_option_text(part)) for part in value)
    if isinstance(value, (bool, int, float, str, Path)):
        return str(value)
    return value


def _heavy_imports(module: str, heavy: tuple[str, ...]) -> list[str]:
    """Import a module in a fresh interpreter and return what it pulled in."""
    code = f"import sys, {module}; print(*(set({heavy!r}) & set(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"importing {module} on its own fails:\n{done.stderr}"
    return sorted(done.stdout.split())


def same(left: Any, right: Any) -> bool:
    """Tell whether two values are equal, arrays within mappings and sequences by their content and dtype."""
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        return _same_arrays(np.asarray(left), np.asarray(right))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(same(*pair) for pair in zip(left, right, strict=True))
    return bool(left == right)


def _same_arrays(left: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> bool:
    if left.dtype != right.dtype:
        return False
    return np.array_equal(left, right, equal_nan=left.dtype.kind in "fc")


def arrays_of(inputs: Inputs) -> list[Any]:
    """Return the arrays of a sample's inputs."""
    if isinstance(inputs, Mapping):
        return list(inputs.values())
    return list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
