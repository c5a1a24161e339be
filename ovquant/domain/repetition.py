"""Data that are read again must be the same data: a loader that augments at random gives each model others."""

from ovquant.domain.content import content_digest
from ovquant.domain.sample import Dataset
from ovquant.errors import DataError

READ_TWICE = 32
"""Samples that are read twice: a random change of each is seen at once, and one of a few in a hundred mostly."""


def check_repetition(dataset: Dataset, what: str = "the data") -> None:
    """Read the first samples twice; raise DataError where one is not the same again, in its inputs or its target."""
    count = min(READ_TWICE, len(dataset))
    # One after the other and then again, not each twice in a row: a dataset may keep the last sample that it made.
    first = [dataset[index] for index in range(count)]
    for index, before in enumerate(first):
        after = dataset[index]
        for part, old, new in (("inputs", before.inputs, after.inputs), ("target", before.target, after.target)):
            if content_digest(old, trusting=True) != content_digest(new, trusting=True):
                raise DataError(
                    f"Sample {index} of {what} has other {part} each time it is read, so that two models are not scored "
                    "on the same data. Take what is random, such as augmentation, out of the data, or seed it by the "
                    "sample: numpy.random.default_rng(index) or torch.manual_seed(index) in __getitem__."
                )
