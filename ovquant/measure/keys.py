"""Samples that name their arrays: a name that no input has is told, with the near ones."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from ovquant.domain.sample import Sample
from ovquant.errors import DataError
from ovquant.graph.names import names_of
from ovquant.runtime import completed

TARGETS = "targets"
"""What targets are called in data by name."""


def check_keys(inputs: Sequence[Any], sample: Sample, what: str) -> None:
    """Raise DataError for a sample with a name that no input has, where an input has no array.

    The only array is that of the only input, whatever it is called. inputs: the model's input ports.
    """
    unknown = unknown_keys(inputs, sample)
    missing = _missing(inputs, sample)
    if unknown and missing and not _alone(inputs, sample):
        key = next((key for key in unknown if _near(key, missing)), unknown[0])
        near = _near(key, missing)
        suggestion = f"did you mean '{near}'?" if near else f"the input '{missing[0]}' has none."
        raise DataError(
            f"{what[0].upper()}{what[1:]} has {', '.join(map(str, sample.inputs))}, and no input of the model is called '{key}': "
            f"{suggestion} The model's inputs: {', '.join(names_of(inputs))}. Rename the arrays to these."
        )


def key_notes(inputs: Sequence[Any], sample: Sample) -> tuple[str, ...]:
    """Say that the only array was taken for the only input, where its name looks like a slip."""
    unknown = unknown_keys(inputs, sample)
    if not (unknown and _alone(inputs, sample)):
        return ()
    near = _near(unknown[0], names_of(inputs))
    return (f"The data's '{unknown[0]}' was taken for the model's only input, '{near}'.",) if near else ()


def targets_hint(inputs: Sequence[Any], sample: Sample) -> str:
    """Say what to do about missing targets: what no input takes may be them."""
    left = unknown_keys(inputs, sample)
    if left and not (_alone(inputs, sample)):
        key = next(iter(get_close_matches(TARGETS, left, n=1)), left[0])
        return f"No input of the model takes '{key}', which they have: if these are the targets, call them '{TARGETS}'."
    return "Add targets, or use the label-free metric fidelity, which compares with the float model."


def unknown_keys(inputs: Sequence[Any], sample: Sample) -> list[str]:
    """Return the names of a sample's arrays that no input has."""
    known = {name for port in inputs for name in port.get_names()} | set(names_of(inputs))
    return [key for key in sample.inputs if key not in known] if isinstance(sample.inputs, Mapping) else []


def _missing(inputs: Sequence[Any], sample: Sample) -> list[str]:
    sample = completed(inputs, sample)
    given = set(sample.inputs) if isinstance(sample.inputs, Mapping) else set()
    named = zip(inputs, names_of(inputs), strict=True)
    return [name for port, name in named if not given & {name, *port.get_names()}]


def _alone(inputs: Sequence[Any], sample: Sample) -> bool:
    return len(inputs) == len(sample.inputs) == 1


def _near(key: str, names: Sequence[str]) -> str:
    """Return the name that is nearest to a key, whatever their case, or "" where none is near."""
    lowered = {name.lower(): name for name in names}
    return next((lowered[found] for found in get_close_matches(key.lower(), lowered, n=1)), "")
