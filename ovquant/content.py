"""Digests of values by what they hold, the same in every process: targets, and the options and state of plugins."""

import dataclasses
import enum
from collections.abc import Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

SIMPLE = (type(None), bool, int, float, complex, str, bytes)


def content_digest(value: Any) -> str:
    """Return a digest of a value: equal content, equal digest.

    Arrays count with their type and shape, mappings whatever their order, and objects with their class and their state.
    What cannot be read, such as an open file, counts as itself alone: it equals nothing in another process.
    """
    hasher = sha256()
    seen: dict[int, Any] = {}
    for piece in _pieces(value, seen):
        hasher.update(f"{len(piece)}:".encode())
        hasher.update(piece)
    return hasher.hexdigest()


def _pieces(value: Any, seen: dict[int, Any]) -> Iterator[bytes]:
    """Yield bytes that stand for a value; `seen` keeps what is being read, so that a cycle ends."""
    if isinstance(value, SIMPLE):
        yield f"{type(value).__name__} {value!r}".encode()
    elif isinstance(value, np.ndarray | np.generic):
        yield from _array(np.asarray(value), seen)
    elif isinstance(value, Path | enum.Enum | np.dtype | type):
        yield f"{type(value).__qualname__} {value!s}".encode()
    elif id(value) in seen:
        yield f"again {list(seen).index(id(value))}".encode()
    else:
        # The value is kept, so that its id cannot become another's.
        seen[id(value)] = value
        yield from _container(value, seen)


def _array(array: "np.ndarray[Any, Any]", seen: dict[int, Any]) -> Iterator[bytes]:
    yield f"array {array.dtype} {array.shape}".encode()
    if array.dtype.hasobject:
        for item in array.ravel().tolist():
            yield from _pieces(item, seen)
    else:
        yield np.ascontiguousarray(array).tobytes()


def _container(value: Any, seen: dict[int, Any]) -> Iterator[bytes]:
    if isinstance(value, Mapping):
        yield f"mapping {len(value)}".encode()
        for key, item in sorted(((content_digest(key), item) for key, item in value.items()), key=lambda pair: pair[0]):
            yield key.encode()
            yield from _pieces(item, seen)
    elif isinstance(value, list | tuple):
        yield f"sequence {len(value)}".encode()
        for item in value:
            yield from _pieces(item, seen)
    elif isinstance(value, set | frozenset):
        yield f"set {sorted(content_digest(item) for item in value)}".encode()
    elif (array := _as_array(value)) is not None:
        yield from _array(array, seen)
    else:
        yield from _object(value, seen)


def _as_array(value: Any) -> "np.ndarray[Any, Any] | None":
    """Return what offers itself as an array, such as a tensor or an image; None for anything else."""
    if not hasattr(value, "__array__") or isinstance(value, type):
        return None
    with suppress(Exception):
        plain = value.detach().cpu() if hasattr(value, "detach") else value
        return np.asarray(plain)
    return None


def _object(value: Any, seen: dict[int, Any]) -> Iterator[bytes]:
    kind = type(value)
    yield f"object {kind.__module__}.{kind.__qualname__}".encode()
    if callable(value) and hasattr(value, "__qualname__"):
        yield f"{getattr(value, '__module__', '')}.{value.__qualname__}".encode()
        return
    if dataclasses.is_dataclass(value):
        for item in dataclasses.fields(value):
            yield item.name.encode()
            yield from _pieces(getattr(value, item.name), seen)
        return
    state = getattr(value, "__dict__", None)
    if state is None:
        state = _reduced(value)
    yield from _pieces(state, seen)


def _reduced(value: Any) -> Any:
    """Return what pickling would keep of an object, or else what it is alone."""
    try:
        found = value.__reduce_ex__(4)
    except Exception:  # whatever a class raises, it cannot be read
        return f"unreadable {id(value)}"
    if isinstance(found, str):
        return found
    _, arguments, *rest = found
    return [arguments, *(list(item) if isinstance(item, Iterator) else item for item in rest)]
