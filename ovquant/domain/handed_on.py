"""Splits handed on to another process, which reads the same data and compares what it reads with what was read."""

from collections.abc import Iterator
from dataclasses import replace

from ovquant.domain.cache import Room, SampleCache
from ovquant.domain.content import content_digest
from ovquant.domain.sample import Dataset, Sample
from ovquant.domain.split import CONTENT_BYTES, Splits, Subset, digest_of, short_digest
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

    Nothing is read for that; a sample that is another one here raises DataError when it is read. room: for samples that are slow
    to read.
    """
    roles = ((known.search, data), (known.holdout, holdout), (known.calibration, calibration))
    given = [(part, data if source is None else source) for part, source in roles]
    read = {id(source): (source, [part for part, other in given if other is source]) for _, source in given}
    compared = {key: Compared(source, parts, room) for key, (source, parts) in read.items()}
    search, held_out, calibrating = (replace(part, dataset=compared[id(source)]) for part, source in given)
    return replace(known, search=search, holdout=held_out, calibration=calibrating)


class Compared:
    """A dataset whose samples must be those that another process has read, as far as they have a role."""

    def __init__(self, dataset: Dataset, parts: list[Subset], room: Room) -> None:
        """Take the dataset, its parts that have a role, and the room for samples that are slow to read."""
        self._dataset, self._cache = dataset, SampleCache(dataset, room)
        self._expected = {index: pieces for part in parts for index, pieces in _pieces(part)}

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> Sample:
        sample = self._cache[index]
        expected = self._expected.get(index)
        if expected is None:
            return sample
        found = digest_of(self._dataset, sample, index), content_digest(sample.target)
        if tuple(map(short_digest, found)) != expected:
            raise DataError(
                f"Sample {index} of {len(self)} was another one when the data were read before, or elsewhere. Give data that are "
                "read alike each time, and the same on every machine."
            )
        # What is the same once is not compared again.
        del self._expected[index]
        return sample


def _pieces(part: Subset) -> Iterator[tuple[int, tuple[bytes, ...]]]:
    for place, index in enumerate(part.indices):
        begin, end = CONTENT_BYTES * place, CONTENT_BYTES * (place + 1)
        yield index, (part.content[begin:end], part.answers[begin:end])
