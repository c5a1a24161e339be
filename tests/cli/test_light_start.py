"""Help starts fast: it loads neither openvino, nncf nor torch."""

import subprocess
import sys

import pytest

HEAVY = ("nncf", "numpy", "openvino", "scipy", "torch")
CODE = """
import sys
sys.argv = ["ovquant", *{arguments!r}]
from ovquant.cli import main
try:
    main()
except SystemExit as end:
    code = end.code
print("loaded", [name for name in {heavy!r} if name in sys.modules], "code", code, file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [("--help",), ("quantize", "--help"), ("demo", "--help"), ("--version",)])
def test_help_loads_nothing_heavy(arguments: tuple[str, ...]) -> None:
    code = CODE.format(arguments=arguments, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip().endswith("loaded [] code 0")
    assert done.stdout
