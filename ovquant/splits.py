"""The roles of data: search and holdout, disjoint by content, and calibration drawn from search."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np

from ovquant.errors import DataError
from ovquant.protocols import Dataset, Sample

Step = Callable[[int, int], None]
"""Called with the samples done and the samples in all."""

SMALLEST_SPLIT = 50
"""Samples under which data are not split in two: neither half would say anything."""


@dataclass(frozen=True)
class Subset:
    """Some samples of a dataset, by index; itself a dataset."""

    dataset: Dataset
    indices: tuple[int, ...]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Sample:
        return self.dataset[self.indices[index]]

    def only(self, places: Sequence[int]) -> "Subset":
        """Return the samples at some places of this subset."""
        fingerprint = sha256(f"{self.fingerprint}:{list(places)}".encode()).hexdigest()[:16]
        return Subset(self.dataset, tuple(self.indices[place] for place in places), fingerprint)


@dataclass(frozen=True)
class Splits:
    """The three roles of the data of one run."""

    search: Subset
    holdout: Subset
    calibration: Subset


def digest(sample: Sample) -> str:
    """Return a fingerprint of a sample's inputs: equal bytes, equal fingerprint."""
    hasher = sha256()
    inputs = sample.inputs
    arrays: Iterable[Any]
    if isinstance(inputs, Mapping):
        arrays = [part for name in sorted(inputs) for part in (name, inputs[name])]
    elif isinstance(inputs, np.ndarray):
        arrays = [inputs]
    else:
        arrays = inputs
    for part in arrays:
        array = np.ascontiguousarray(part)
        hasher.update(f"{array.dtype}{array.shape}".encode())
        hasher.update(array.tobytes() if array.dtype != object else repr(part).encode())
    return hasher.hexdigest()


def digests(dataset: Dataset, step: Step = lambda done, total: None) -> list[str]:
    """Return the fingerprint of every sample, reading each once."""
    found = []
    for index in range(len(dataset)):
        found.append(digest(dataset[index]))
        step(index + 1, len(dataset))
    return found


def subset(dataset: Dataset, indices: Sequence[int], hashes: Sequence[str]) -> Subset:
    """Return a subset whose fingerprint depends on the content of its samples and their order."""
    hasher = sha256("".join(hashes[index] for index in indices).encode())
    return Subset(dataset, tuple(indices), hasher.hexdigest()[:16])


def whole(dataset: Dataset) -> Subset:
    """Return all samples of a dataset as a subset."""
    return subset(dataset, range(len(dataset)), digests(dataset))


def split_data(
    data: Dataset,
    *,
    holdout: Dataset | None = None,
    calibration: Dataset | None = None,
    seed: int = 0,
    step: Step = lambda done, total: None,
) -> Splits:
    """Give each sample its role.

    Without a separate holdout, half of the data is held out: which half a sample falls in depends on its content and
    the seed, so equal samples fall in the same half. Calibration samples are drawn from the search half unless given.
    Raises DataError when there are too few samples or when roles overlap.
    """
    hashes = digests(data, step)
    if holdout is None:
        kept, held = _halve(hashes, seed)
        holdout_subset = subset(data, held, hashes)
        held_hashes = {hashes[index] for index in held}
    else:
        kept = list(range(len(data)))
        their_hashes = digests(holdout, step)
        holdout_subset = subset(holdout, range(len(holdout)), their_hashes)
        held_hashes = set(their_hashes)
        _forbid_overlap(hashes, held_hashes, "--data", "--holdout")
    # Shuffled, since data often come sorted: so its first samples stand for all of it.
    search = subset(data, [kept[place] for place in np.random.default_rng(seed).permutation(len(kept))], hashes)
    if calibration is None:
        return Splits(search, holdout_subset, search)
    calibration_hashes = digests(calibration, step)
    _forbid_overlap(
        calibration_hashes, held_hashes, "--calibration", "--holdout" if holdout is not None else "the held-out half"
    )
    return Splits(search, holdout_subset, subset(calibration, range(len(calibration)), calibration_hashes))


def draw(samples: Subset, size: int, *, seed: int = 0) -> Subset:
    """Return at most `size` samples drawn without replacement, the same for the same seed."""
    if size >= len(samples):
        return samples
    picks = np.random.default_rng(seed).permutation(len(samples))[:size]
    indices = tuple(samples.indices[pick] for pick in picks)
    fingerprint = sha256(f"{samples.fingerprint}:{size}:{seed}".encode()).hexdigest()[:16]
    return Subset(samples.dataset, indices, fingerprint)


def _halve(hashes: Sequence[str], seed: int) -> tuple[list[int], list[int]]:
    unique = sorted(set(hashes))
    if len(unique) < SMALLEST_SPLIT:
        raise DataError(
            f"{len(hashes)} samples ({len(unique)} distinct) are too few to split into search and holdout; "
            f"{SMALLEST_SPLIT} distinct ones are the least, 200 or more make sense. "
            "Give more data, or a separate file with --holdout."
        )
    order = np.random.default_rng(seed).permutation(len(unique))
    held_content = {unique[pick] for pick in order[: len(unique) // 2]}
    kept = [index for index, value in enumerate(hashes) if value not in held_content]
    held = [index for index, value in enumerate(hashes) if value in held_content]
    return kept, held


def _forbid_overlap(mine: Sequence[str], theirs: set[str], my_role: str, their_role: str) -> None:
    shared = sum(value in theirs for value in mine)
    if shared:
        raise DataError(
            f"{shared} of the {len(mine)} samples of {my_role} are also in {their_role}. A score on samples that were "
            f"tuned on proves nothing: take them out of one of the two."
        )
