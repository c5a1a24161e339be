"""NNCF for openvino models alone: it imports torch where that is installed, which takes more time and memory than all else."""

import sys
from typing import Any, cast

ELSEWHERE = ("is_torch_model", "is_torch_fx_model", "is_onnx_model")
"""What NNCF asks of each model, importing torch or onnx to do so, before it asks whether it is one of openvino's."""


def import_alone() -> None:
    """Import NNCF as if torch were not installed, for a process that no one else uses NNCF in.

    Nothing is done where torch or NNCF is there already: who imported it may use both.
    """
    modules = cast(dict[str, Any], sys.modules)
    if "torch" in modules or "nncf" in modules:
        return
    modules["torch"] = None
    try:
        from nncf.common.utils import backend
    finally:
        del modules["torch"]
    for name in ELSEWHERE:
        setattr(backend, name, _no)


def _no(model: Any) -> bool:
    return False
