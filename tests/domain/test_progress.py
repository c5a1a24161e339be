"""Progress is told with what is being done, or not at all."""

import pytest

from ovquant.domain.progress import silent, told


def test_what_is_being_done_is_told_with_each_step() -> None:
    calls: list[tuple[str, int, int]] = []
    tell = told(lambda what, done, total: calls.append((what, done, total)), "scoring")
    tell(1, 3)
    tell(3, 3)
    assert calls == [("scoring", 1, 3), ("scoring", 3, 3)]


def test_silence_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    told(silent, "scoring")(1, 3)
    silent("timing", 3, 3)
    assert tuple(capsys.readouterr()) == ("", "")
