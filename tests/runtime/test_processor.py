"""The instruction sets are the processor's own flags."""

from pathlib import Path

import pytest

from ovquant.runtime.processor import WANTED, instructions


def test_they_are_flags_of_the_processor() -> None:
    source = Path("/proc/cpuinfo")
    if not source.exists():
        pytest.skip("the system has no /proc/cpuinfo")
    found = instructions()
    assert list(found) == [name for name in WANTED if f" {name} " in source.read_text().replace("\n", " ")]


def test_there_are_none_where_no_list_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda self: False)
    assert instructions() == ()
