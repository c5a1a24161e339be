"""JSON to records: every value must be of the type that its field is annotated with."""

import functools
import json
import math
import typing
from collections.abc import Hashable, Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar, cast

import msgspec

T = TypeVar("T")


def read_json(text: str | bytes) -> Any:
    """Return the value of a JSON text; raises ValueError for what is not JSON, nested too deeply, or NaN."""
    try:
        return json.loads(text, parse_constant=_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def fits(value: Any, hint: Any) -> bool:
    """Tell whether a plain value is of an annotated type; whole numbers are as good as others, and True is no number."""
    try:
        msgspec.convert(value, hint)
    except msgspec.ValidationError:
        return False
    return True


def typed(kind: type[T], values: Any, /, **made: Any) -> T:
    """Return a record, a dataclass, of plain values by the names of its fields; made: fields that are records already.

    Raises ValueError naming the field that is missing, unknown, or of another type.
    """
    name = kind.__name__
    if not isinstance(values, Mapping):
        raise ValueError(f"{name} is {values!r:.60}, where fields by name are expected")
    hints = _hints(cast(Hashable, kind))
    unknown = next((key for key in values if key not in hints), None)
    if unknown is not None:
        raise ValueError(f"{name} has no field {unknown!r:.60}")
    needed = [item.name for item in fields(kind) if item.default is MISSING and item.default_factory is MISSING]  # type: ignore[arg-type]
    missing = next((key for key in needed if key not in values and key not in made), None)
    if missing is not None:
        raise ValueError(f"{name} lacks the field '{missing}'")
    found = {key: _value(f"{name}.{key}", value, hints[key]) for key, value in values.items() if key not in made}
    return kind(**found, **made)


def number(value: Any, what: str) -> float:
    """Return a number; raises ValueError for anything else, NaN included."""
    found: float = _value(what, value, float)
    if math.isnan(found):
        raise ValueError(f"{what} is not a number")
    return found


def _value(what: str, value: Any, hint: Any) -> Any:
    try:
        return msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        raise ValueError(f"{what} is {value!r:.60}: {error}") from error


def _constant(text: str) -> float:
    if text == "NaN":
        raise ValueError("it holds NaN")
    return float(text)


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)
