"""The profile: nothing is measured twice, and a run that was killed goes on."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovquant.domain.profile import PROFILE_SCHEMA, Profile
from ovquant.errors import UsageError

keys = st.dictionaries(st.text(max_size=6), st.none() | st.integers() | st.text(max_size=6), max_size=4)


def forbidden() -> Any:
    raise AssertionError("measured again")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a profile with three measurements."""
    profile = Profile(tmp_path / "profile.jsonl")
    for place in range(3):
        profile.record("score", {"plan": place}, place * 10)
    return tmp_path / "profile.jsonl"


def test_measures_once(tmp_path: Path) -> None:
    profile = Profile(tmp_path / "p.jsonl")
    assert profile.measured("score", {"plan": 1}, lambda: 7) == 7
    assert profile.measured("score", {"plan": 1}, forbidden) == 7


def test_kind_and_key_tell_measurements_apart() -> None:
    profile = Profile()
    profile.record("score", {"plan": 1}, 7)
    assert profile.measured("score", {"plan": 2}, lambda: 8) == 8
    assert profile.measured("size", {"plan": 1}, lambda: 9) == 9
    assert profile.recall("score", {"plan": 1}) == 7
    assert profile.recall("score", {"plan": 3}) is None


def test_the_order_of_a_key_does_not_matter() -> None:
    profile = Profile()
    profile.record("score", {"a": 1, "b": 2}, 7)
    assert profile.recall("score", {"b": 2, "a": 1}) == 7


def test_a_measurement_that_fails_is_not_recorded(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(AssertionError, match="measured again"):
        Profile(path).measured("score", {"plan": 9}, forbidden)
    assert path.read_bytes() == before


def test_none_is_a_value_that_is_not_measured_again() -> None:
    profile = Profile()
    assert profile.measured("score", {}, lambda: None) is None
    assert profile.measured("score", {}, forbidden) is None


def test_read_back(path: Path) -> None:
    assert Profile(path).measured("score", {"plan": 2}, forbidden) == 20
    assert list(Profile(path).entries("score")) == [({"plan": 0}, 0), ({"plan": 1}, 10), ({"plan": 2}, 20)]
    assert list(Profile(path).entries("size")) == []


def test_only_appends(path: Path) -> None:
    before = path.read_bytes()
    profile = Profile(path)
    profile.record("score", {"plan": 1}, "again")
    profile.record("score", {"plan": 3}, 30)
    assert path.read_bytes().startswith(before)
    assert len(path.read_text().splitlines()) == 5
    assert Profile(path).recall("score", {"plan": 1}) == "again"


@pytest.mark.parametrize("cut", [1, 2, 10, 40])
def test_goes_on_after_a_torn_last_line(path: Path, cut: int) -> None:
    path.write_bytes(path.read_bytes()[:-cut])
    profile = Profile(path)
    assert profile.recall("score", {"plan": 1}) == 10
    profile.record("score", {"plan": 3}, 30)
    again = Profile(path)
    assert [again.recall("score", {"plan": place}) for place in (0, 1, 3)] == [0, 10, 30]
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_goes_on_after_a_line_torn_within_a_character(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    profile = Profile(path)
    profile.record("score", {"plan": "a"}, 1)
    line = json.dumps({"schema": 1, "kind": "score", "key": {"plan": "é"}, "value": 2}, ensure_ascii=False).encode()
    path.write_bytes(path.read_bytes() + line[: line.index("é".encode()) + 1])
    assert Profile(path).recall("score", {"plan": "a"}) == 1


@pytest.mark.parametrize("line", ["", "torn", "{}", "[]", '{"schema": 1}'])
def test_a_bad_line_in_the_middle_is_named_and_left_out(path: Path, line: str) -> None:
    before, lines = list(Profile(path).entries("score")), path.read_text().splitlines()
    path.write_text("\n".join([lines[0], line, *lines[1:]]) + "\n")
    with pytest.warns(UserWarning, match=r"profile.jsonl' is damaged: line 2 is not a valid profile entry"):
        assert list(Profile(path).entries("score")) == before


@pytest.mark.parametrize("line", ["# Notes", "torn", "{}", "[]", '{"schema": 2}', "[" * 10_000])
def test_a_file_that_begins_otherwise_is_not_a_profile(path: Path, line: str) -> None:
    path.write_text(line + "\n" + path.read_text())
    with pytest.raises(UsageError, match=r"Line 1 of '.*profile.jsonl' is not a valid profile entry"):
        Profile(path)


def test_what_cannot_be_read_is_measured_again(path: Path) -> None:
    profile = Profile(path)
    profile.record("score", {"plan": "a"}, "torn")
    with pytest.warns(UserWarning, match="a score in it cannot be read and is measured again"):
        assert profile.measured("score", {"plan": "a"}, lambda: 0.5, lambda value: value / 1) == 0.5
    assert Profile(path).recall("score", {"plan": "a"}) == 0.5


def test_another_schema_is_refused(path: Path) -> None:
    entry = {"schema": PROFILE_SCHEMA + 1, "kind": "score", "key": {}, "value": 1}
    path.write_text(json.dumps(entry) + "\n")
    with pytest.raises(UsageError, match=f"this version reads {PROFILE_SCHEMA}"):
        Profile(path)


def test_an_empty_file_is_an_empty_profile(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").touch()
    assert list(Profile(tmp_path / "p.jsonl").entries("score")) == []


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_bytes(b"\xff\xfe\n\x00\n{}\n")
    with pytest.raises(UsageError, match="not a valid profile entry"):
        Profile(tmp_path / "p.jsonl")


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), keys, st.floats(allow_nan=False)), max_size=6))
def test_what_is_recorded_is_read(tmp_path_factory: pytest.TempPathFactory, entries: list[Any]) -> None:
    path = tmp_path_factory.mktemp("profile") / "p.jsonl"
    written = Profile(path)
    for kind, key, value in entries:
        written.record(kind, key, value)
    for kind in ("a", "b"):
        assert list(Profile(path).entries(kind)) == list(written.entries(kind))
