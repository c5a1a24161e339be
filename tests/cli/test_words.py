"""The small grammars and wordings of the command line."""

import math
import os
import subprocess
import sys

import pytest
import typer

from ovquant.cli.errors import guarded
from ovquant.cli.parsing import default_output, properties
from ovquant.cli.text import details, exit_code, plain, seconds_text, show, table_of
from ovquant.errors import UsageError


def test_properties() -> None:
    assert properties(["A=1", "B= x=y"]) == {"A": "1", "B": "x=y"}
    for wrong in (["A"], ["=1"], ["A="], ["A=1", "A=2"]):
        with pytest.raises(UsageError, match="--property"):
            properties(wrong)


@pytest.mark.parametrize(
    ("model", "folder"),
    [
        ("models/net.onnx", "net-ovquant"),
        ("saved_model", "saved_model-ovquant"),
        ("my/factory.py:make", "factory-ovquant"),
        ("v1.2.xml", "v1.2-ovquant"),
        ("/", "model-ovquant"),
    ],
)
def test_default_output(model: str, folder: str) -> None:
    assert str(default_output(model)) == folder


def test_exit_codes() -> None:
    verdicts = ("met", "float", "infeasible", "missed", "inconclusive")
    assert [exit_code(verdict) for verdict in verdicts] == [0, 3, 3, 3, 4]
    assert exit_code("float", allow_float=True) == 0
    assert exit_code("infeasible", allow_float=True) == 3


def test_what_json_has_no_word_for_is_null() -> None:
    assert plain({"a": (math.nan, math.inf, 1.5), "b": [True, None, "x"]}) == {
        "a": [None, None, 1.5],
        "b": [True, None, "x"],
    }


def test_durations_as_people_read_them() -> None:
    assert [seconds_text(seconds) for seconds in (3.4, 200)] == ["3 s", "3 min 20 s"]


def test_names_do_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    bad = "net\x1b[2J\x07"
    show(bad, details({bad: bad}), table_of(bad, {"name": False}, [[bad]]))
    with pytest.raises(typer.Exit), guarded(as_json=False):
        raise UsageError(f"There is no '{bad}'.")
    with pytest.raises(typer.Exit), guarded(as_json=False):
        raise MemoryError
    written = capsys.readouterr()
    assert "\x1b" not in written.out + written.err
    assert "net\N{REPLACEMENT CHARACTER}[2J" in written.out
    assert "Memory ran out. Give fewer samples" in written.err


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_an_encoding_that_lacks_characters_does_not_fail_a_command(encoding: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ovquant", "devices"],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        timeout=120,
    )
    assert (done.returncode, b"CPU" in done.stdout) == (0, True)
