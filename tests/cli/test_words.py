"""The small grammars and wordings of the command line."""

import math

import pytest

from ovquant.cli.parsing import default_output, properties
from ovquant.cli.text import exit_code, plain, seconds_text
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
