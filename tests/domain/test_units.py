"""Times and sizes are read as people write them, and numbers are taken as they are."""

import pytest

from ovquant.domain.units import milliseconds, seconds, size_bytes
from ovquant.errors import UsageError


@pytest.mark.parametrize(
    ("text", "found"),
    [("90", 90), ("90s", 90), ("30m", 1800), ("1.5h", 5400), ("1h30m", 5400), ("2M", 120), (" 1 h 5 s", 3605), (7, 7)],
)
def test_seconds(text: str | int, found: float) -> None:
    assert seconds(text, "--time-budget") == found


@pytest.mark.parametrize("text", ["", "soon", "-5", "0", "5d", "m", "1h x", "5 minutes"])
def test_malformed_seconds(text: str) -> None:
    with pytest.raises(UsageError, match=f"--time-budget is '{text}'; write a time such as 90s, 30m or 1h"):
        seconds(text, "--time-budget")


@pytest.mark.parametrize(
    ("text", "found"), [("5ms", 5), ("0.8 ms", 0.8), ("500us", 0.5), ("1s", 1000), ("2", 2), (".5MS", 0.5), (3.5, 3.5)]
)
def test_milliseconds(text: str | float, found: float) -> None:
    assert milliseconds(text) == pytest.approx(found)


@pytest.mark.parametrize(
    ("text", "found"), [("10MB", 10**7), ("800kB", 800_000), ("10MiB", 10 * 2**20), ("1.5GB", 1.5e9), ("7b", 7), (9, 9)]
)
def test_bytes(text: str | int, found: float) -> None:
    assert size_bytes(text) == found


def test_nothing_is_nothing() -> None:
    assert (seconds(None, "--time-budget"), milliseconds(None), size_bytes(None)) == (None, None, None)


@pytest.mark.parametrize("text", ["", "fast", "-1ms", "0ms", "5 minutes", "1e3", "5MB"])
def test_malformed_milliseconds(text: str) -> None:
    with pytest.raises(UsageError, match="--max-latency is .* such as 5ms"):
        milliseconds(text)


@pytest.mark.parametrize("text", ["small", "0", "-3MB", "5ms"])
def test_malformed_bytes(text: str) -> None:
    with pytest.raises(UsageError, match="--max-size is .* such as 10MB"):
        size_bytes(text)
