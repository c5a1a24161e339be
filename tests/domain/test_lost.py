"""What is kept of a lost sample is plain data."""

from dataclasses import asdict

from ovquant.domain.lost import LostSample
from ovquant.domain.typed import typed


def test_it_is_read_as_it_was_written() -> None:
    made = LostSample(7, "cat", "3", "5", 1.0, 0.0, "data:image/png;base64,AA==")
    assert typed(LostSample, asdict(made)) == made
