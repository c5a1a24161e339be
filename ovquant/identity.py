"""A text that says which metric or plugin something is, the same in every process."""

import dataclasses
import functools
import inspect
from hashlib import sha256
from typing import Any


def identity(thing: Any) -> str:
    """Return the module, name, options and, for a user's function, the source of an object."""
    if inspect.isfunction(thing) or inspect.ismethod(thing):
        return f"{thing.__module__}.{thing.__qualname__}#{_source(thing)}"
    if isinstance(thing, functools.partial):
        return f"partial({identity(thing.func)}, {thing.args!r}, {thing.keywords!r})"
    kind = type(thing)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if dataclasses.is_dataclass(thing):
        values = [f"{item.name}={_value(getattr(thing, item.name))}" for item in dataclasses.fields(thing)]
        return f"{name}({', '.join(values)})"
    return f"{name}#{_source(kind)}"


def _value(value: Any) -> str:
    simple = value is None or isinstance(value, str | int | float | bool | tuple | dict | list)
    return repr(value) if simple else identity(value)


def _source(thing: Any) -> str:
    try:
        return sha256(inspect.getsource(thing).encode()).hexdigest()[:12]
    except (OSError, TypeError):
        return "unknown"
