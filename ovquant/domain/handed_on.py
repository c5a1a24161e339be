"""Splits handed on to another process, which reads the same data and need not compare all of it again."""

from dataclasses import replace

from ovquant.domain.cache import Room, SampleCache
from ovquant.domain.sample import Dataset
from ovquant.domain.split import CONTENT_BYTES, Splits, Subset, digest_of
from ovquant.errors import DataError


def detached(splits: Splits) -> Splits:
    """Return splits without their data: which sample has which role, and what its content is."""
    parts = (splits.search, splits.holdout, splits.calibration)
    search, holdout, calibration = (replace(part, dataset=()) for part in parts)
    return replace(splits, search=search, holdout=holdout, calibration=calibration, training=None)


def attached(
    known: Splits, data: Dataset, *, holdout: Dataset | None = None, calibration: Dataset | None = None, room: Room
) -> Splits:
    """Give each sample the role that it has in splits of the same data, which another process has made.

    room: for samples that are slow to read. Raises DataError where the first sample of a role is another one here.
    """
    whole = SampleCache(data, room)

    def given(part: Subset, dataset: Dataset | None) -> Subset:
        source, cache = (data, whole) if dataset is None else (dataset, SampleCache(dataset, room))
        first = part.indices[0]
        if not part.content.startswith(bytes.fromhex(digest_of(source, cache[first], first))[:CONTENT_BYTES]):
            raise DataError(
                f"Sample {first} of the {type(source).__name__} differs from one process to another. What draws at random "
                "needs a seed of its own."
            )
        return replace(part, dataset=cache)

    search, held_out, calibrating = (
        given(part, dataset)
        for part, dataset in ((known.search, None), (known.holdout, holdout), (known.calibration, calibration))
    )
    return replace(known, search=search, holdout=held_out, calibration=calibrating)
