"""The log of holdout uses: how often held-out samples have decided something, and at which level each use is tested."""

from collections.abc import Mapping
from typing import Any

from ovquant.domain.profile import Profile
from ovquant.domain.split import Subset, shared


def log_use(profile: Profile, holdout: Subset, what: Mapping[str, Any]) -> int:
    """Log a use of a holdout in a profile and return its number, counting all uses of samples that it shares.

    what: what was decided by it. The same decision made again, as by a run that goes on, is the same use.
    """
    key = {"holdout": holdout.fingerprint, **what}
    known = profile.recall("look", key)
    if known is not None:
        return int(known["look"])
    contents = {str(seen["fingerprint"]): str(content) for seen, content in profile.entries("samples")}
    number = 1
    for before, _ in profile.entries("look"):
        content = bytes.fromhex(contents.get(str(before["holdout"]), ""))
        number += before["holdout"] == holdout.fingerprint or shared(holdout.content, content) > 0
    remember(profile, holdout)
    profile.record("look", key, {"look": number})
    return number


def carry(old: Profile, new: Profile) -> None:
    """Copy the holdout uses of a result into the profile of the one that replaces it."""
    for kind in ("samples", "look"):
        for key, value in old.entries(kind):
            new.measured(kind, key, lambda value=value: value)  # type: ignore[misc]


def remember(profile: Profile, samples: Subset) -> None:
    """Keep which samples a role had, so that other data can be compared with it."""
    profile.measured("samples", {"fingerprint": samples.fingerprint}, samples.content.hex)


def level_of(confidence: float | None, number: int) -> float | None:
    """Return the level of error of a use, None without a confidence.

    All uses that there can ever be, together, stay within the confidence: each is tested at half the level of the one before.
    """
    return None if confidence is None else float((1 - confidence) * 0.5**number)


def worn(number: int) -> list[str]:
    """Return a note for a holdout that was used before."""
    again = f"This is use {number} of these held-out samples: they are not fresh any more."
    return [again] if number > 1 else []
