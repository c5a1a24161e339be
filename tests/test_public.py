"""The public names: exactly these, imported when they are first used."""

import subprocess
import sys
import types
from pathlib import Path

import ovquant

PUBLIC = {
    "AsyncInferQueue",
    "Budget",
    "Checked",
    "Compared",
    "Comparison",
    "Contender",
    "Core",
    "DataError",
    "DeviceError",
    "Difference",
    "DriftError",
    "DriftWarning",
    "Drop",
    "Generate",
    "GuardedModel",
    "Inspection",
    "MetricError",
    "ModelError",
    "NotServedWarning",
    "Options",
    "OutputError",
    "OvquantError",
    "Plan",
    "PluginError",
    "Preview",
    "Recipe",
    "RecordedModel",
    "Result",
    "Sample",
    "Score",
    "Timing",
    "Tokens",
    "Trial",
    "UnknownPluginError",
    "UsageError",
    "__version__",
    "apply",
    "benchmark",
    "check",
    "compare",
    "compile_model",
    "diff",
    "evaluate",
    "export",
    "fake_quantize",
    "guard",
    "inspect",
    "plan",
    "preview",
    "profile",
    "quantize",
    "record",
    "refresh",
    "report",
}
HEAVY = ("nncf", "numpy", "openvino", "scipy", "torch", "typer")


def test_all_is_exactly_the_public_names() -> None:
    assert set(ovquant.__all__) == PUBLIC
    assert len(ovquant.__all__) == len(PUBLIC)


def test_every_public_name_exists_and_is_listed() -> None:
    assert set(dir(ovquant)) >= PUBLIC
    for name in PUBLIC:
        assert not isinstance(getattr(ovquant, name), types.ModuleType)


def test_no_submodule_is_named_like_a_public_name() -> None:
    folder = Path(ovquant.__file__).parent
    assert not {path.stem for path in folder.iterdir()} & (PUBLIC - {"__version__"})


def test_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(ovquant, "quantise")


def test_import_is_light() -> None:
    code = f"import sys, ovquant; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
