"""JSON becomes a record only where every value is of its field's type."""

from dataclasses import dataclass
from typing import Any, Literal

import pytest

from ovquant.domain.typed import fits, number, read_json, typed


@dataclass(frozen=True)
class Made:
    name: str
    size: int
    share: float = 0.5
    kind: Literal["one", "other"] = "one"
    parts: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None


GOOD = {"name": "a", "size": 3, "share": 1, "kind": "other", "parts": ["x"], "limits": [0, 1]}


def test_values_that_fit_make_a_record() -> None:
    assert typed(Made, GOOD) == Made("a", 3, 1.0, "other", ("x",), (0.0, 1.0))
    assert typed(Made, {"size": 3}, name="given") == Made("given", 3)
    assert typed(Made, {**GOOD, "name": 5}, name="given").name == "given"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": None}, "Made.name is None: Expected `str`"),
        ({"size": "3"}, "Made.size is '3': Expected `int`"),
        ({"size": 3.5}, "Made.size is 3.5"),
        ({"size": True}, "Made.size is True"),
        ({"share": "much"}, "Made.share"),
        ({"kind": "third"}, "Made.kind is 'third'"),
        ({"parts": "x"}, "Made.parts"),
        ({"parts": [1]}, "Made.parts"),
        ({"limits": [0]}, "Made.limits"),
        ({"colour": "red"}, "Made has no field 'colour'"),
    ],
)
def test_a_field_that_does_not_fit_is_named(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        typed(Made, {**GOOD, **changed})


@pytest.mark.parametrize("values", [None, [], "text", 3])
def test_what_has_no_fields_is_refused(values: Any) -> None:
    with pytest.raises(ValueError, match="where fields by name are expected"):
        typed(Made, values)


def test_a_field_that_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match="Made lacks the field 'size'"):
        typed(Made, {"name": "a"})


def test_numbers_and_types() -> None:
    assert (number(3, "it"), number(float("inf"), "it")) == (3.0, float("inf"))
    for wrong in ("3", None, True, float("nan")):
        with pytest.raises(ValueError, match="it is"):
            number(wrong, "it")
    assert fits(3, float)
    assert not fits(True, int)
    assert not fits(None, str)


def test_json_is_read_but_for_nan_and_endless_nesting() -> None:
    assert read_json('{"a": [1, Infinity]}') == {"a": [1, float("inf")]}
    for wrong, said in (("{", "Expecting"), ("[NaN]", "it holds NaN"), ("[" * 100_000, "nested too deeply")):
        with pytest.raises(ValueError, match=said):
            read_json(wrong)
