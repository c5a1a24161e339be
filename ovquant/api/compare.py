"""Set saved results side by side."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ovquant.api.result import Result
from ovquant.errors import UsageError

Asked = Callable[[Result], str]


@dataclass(frozen=True)
class Compared:
    """Results by name, each as `Result.summary` tells it with its budget, objective and device, and what keeps them from being compared."""

    results: Mapping[str, Mapping[str, Any]]
    notes: tuple[str, ...]


def compare(folders: Sequence[str | Path]) -> Compared:
    """Set saved results side by side, and say in what their circumstances differ. Raises UsageError for fewer than two."""
    if len(folders) < 2:
        raise UsageError("Give the folders of two results or more.")
    loaded = [Result.load(folder) for folder in folders]
    names = _names([Path(folder) for folder in folders])
    results = {name: _told(result) for name, result in zip(names, loaded, strict=True)}
    notes = [
        f"{what}: {', '.join(f'{value} ({name})' for name, value in zip(names, values, strict=True))}.{meaning}"
        for what, meaning, ask in DIFFERENCES
        if len(set(values := [ask(result) for result in loaded])) > 1
    ]
    return Compared(results, tuple(notes))


def _names(folders: Sequence[Path]) -> list[str]:
    """Return short names, or the paths where these are the same."""
    short = [folder.resolve().name for folder in folders]
    return short if len(set(short)) == len(short) else [str(folder) for folder in folders]


def _told(result: Result) -> dict[str, Any]:
    return {
        **result.summary(),
        "budget": str(result.budget),
        "objective": result.provenance.objective,
        "device": _device(result),
    }


def _device(result: Result) -> str:
    device = result.provenance.device
    return f"{device['device']}, {device['full_name']}"


def _versions(result: Result) -> str:
    return " ".join(f"{name} {version}" for name, version in sorted(result.provenance.versions.items()))


def _holdout(result: Result) -> str:
    held = result.provenance.data["holdout"]
    return f"{held.samples:,} samples {held.fingerprint[:8]}"


DIFFERENCES: tuple[tuple[str, str, Asked], ...] = (
    (
        "The float models differ",
        "",
        lambda result: f"{result.provenance.model_name} {result.provenance.model_fingerprint[:8]}",
    ),
    ("The metrics differ", " Scores and drops cannot be compared.", lambda result: result.metric),
    ("The held-out data differ", " Differences between drops may be the data's.", _holdout),
    ("The objectives differ", "", lambda result: str(result.provenance.objective)),
    ("The devices differ", " Times cannot be compared; speed-ups are over float on each.", _device),
    ("The versions differ", "", _versions),
)
"""What a difference is called, what it means, and how it is told of a result."""
