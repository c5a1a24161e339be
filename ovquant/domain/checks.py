"""Which int8 arithmetic a result holds for: the one that it was measured with, and those that a check has passed on."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ovquant.domain.typed import read_json
from ovquant.errors import OutputError

BOTH = "both"
"""What a model says that was measured with either arithmetic."""
CHECKS = "checks.jsonl"
"""The file beside a result that records its checks, one per line. The last one for an arithmetic counts."""


def measured_with(device: Mapping[str, Any], processors: str = "this") -> str:
    """Return the int8 arithmetic that a result was measured with: its device's, or BOTH where it had to hold on any processor.

    For earlier results the device's instructions tell it.
    """
    if processors == "any":
        return BOTH
    if "int8" in device:
        return str(device["int8"])
    instructions = set(device.get("instructions", ()))
    return "exact" if not instructions or instructions & {"avx512_vnni", "avx_vnni", "amx_int8"} else "saturating"


def record_check(folder: Path, *, int8: str, digest: str, verdict: str) -> None:
    """Record what a check found of a model, by its digest, with an arithmetic. Raises OutputError if it cannot be written."""
    entry = {"int8": int8, "model_digest": digest, "verdict": verdict, "time": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
    try:
        with (folder / CHECKS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
    except OSError as error:
        raise OutputError(
            f"The check cannot be recorded in '{folder}': {error.strerror}. Make the folder writable, so that the result is "
            "served here."
        ) from error


def passed_on(folder: Path, digest: str) -> frozenset[str]:
    """Return the arithmetics on which the last check of this very model was passed."""
    try:
        lines = (folder / CHECKS).read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    verdicts: dict[str, str] = {}
    for line in lines:
        try:
            entry = read_json(line)
            if entry["model_digest"] == digest:
                verdicts[str(entry["int8"])] = str(entry["verdict"])
        except (ValueError, KeyError, TypeError):  # a line that is torn, or not ours, proves nothing
            continue
    return frozenset(int8 for int8, verdict in verdicts.items() if verdict == "met")


def doubt(folder: Path, digest: str, *, measured: str, here: str) -> str:
    """Say why a model's accuracy is not known here; "" where it was measured, or checked, with the arithmetic of this machine.

    digest: the model's. measured and here: how int8 products were added where it was measured, and are here.
    """
    if measured in (BOTH, here) or here in passed_on(folder, digest):
        return ""
    return (
        f"was measured where sums of int8 products are {measured}, and here they are {here}: its answers are others, and its "
        f"accuracy here is not known. Run `ovquant check {folder} --data DATA` here; once it has passed, the result is served"
    )
