"""Digests of values by what they hold, the same in every process: targets, and the options and state of plugins."""

import dataclasses
import enum
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

SIMPLE = (type(None), bool, int, float, complex, str, bytes)


def content_digest(value: Any, *, trusting: bool = False) -> str:
    """Return a digest of a value: equal content, equal digest.

    Arrays count with their type and shape, mappings whatever their order, and objects with their class and their state.
    What cannot be read, such as an open file, counts as itself alone: it equals nothing in another process, or where
    that is `trusting` as anything of its class.
    """
    hasher = sha256()
    for piece in _Reading(trusting).pieces(value):
        hasher.update(f"{len(piece)}:".encode())
        hasher.update(piece)
    return hasher.hexdigest()


class _Reading:
    """One reading of a value; what was met is kept, so that a cycle ends and its id cannot become another's."""

    def __init__(self, trusting: bool) -> None:
        self._trusting = trusting
        self._seen: dict[int, Any] = {}
        self._places: dict[int, int] = {}

    def pieces(self, value: Any) -> Iterator[bytes]:
        """Yield bytes that stand for a value."""
        if isinstance(value, SIMPLE):
            yield f"{type(value).__name__} {value!r}".encode()
        elif isinstance(value, np.ndarray | np.generic):
            yield from self._array(np.asarray(value))
        elif isinstance(value, Path | enum.Enum | np.dtype | type):
            yield f"{type(value).__qualname__} {value!s}".encode()
        elif id(value) in self._seen:
            yield f"again {self._places[id(value)]}".encode()
        else:
            self._seen[id(value)], self._places[id(value)] = value, len(self._places)
            yield from self._container(value)

    def _array(self, array: "np.ndarray[Any, Any]") -> Iterator[bytes]:
        yield f"array {array.dtype} {array.shape}".encode()
        if array.dtype.hasobject:
            for item in array.ravel().tolist():
                yield from self.pieces(item)
        else:
            yield np.ascontiguousarray(array).tobytes()

    def _container(self, value: Any) -> Iterator[bytes]:
        if isinstance(value, Mapping):
            yield f"mapping {len(value)}".encode()
            named = sorted(((content_digest(key), item) for key, item in value.items()), key=lambda pair: pair[0])
            for key, item in named:
                yield key.encode()
                yield from self.pieces(item)
        elif isinstance(value, list | tuple):
            yield f"sequence {len(value)}".encode()
            for item in value:
                yield from self.pieces(item)
        elif isinstance(value, set | frozenset):
            yield f"set {sorted(content_digest(item) for item in value)}".encode()
        elif (array := _as_array(value)) is not None:
            yield from self._array(array)
        else:
            yield from self._object(value)

    def _object(self, value: Any) -> Iterator[bytes]:
        kind = type(value)
        yield f"object {kind.__module__}.{kind.__qualname__}".encode()
        if callable(value) and hasattr(value, "__qualname__"):
            yield f"{getattr(value, '__module__', '')}.{value.__qualname__}".encode()
        elif dataclasses.is_dataclass(value):
            for item in dataclasses.fields(value):
                yield item.name.encode()
                yield from self.pieces(getattr(value, item.name))
        else:
            state = getattr(value, "__dict__", None)
            yield from self.pieces(self._reduced(value) if state is None else state)

    def _reduced(self, value: Any) -> Any:
        """Return what pickling would keep of an object, or else what it is alone."""
        try:
            found = value.__reduce_ex__(4)
        except Exception:  # whatever a class raises, it cannot be read
            return "unreadable" if self._trusting else f"unreadable {id(value)} of process {os.getpid()}"
        if isinstance(found, str):
            return found
        _, arguments, *rest = found
        return [arguments, *(list(item) if isinstance(item, Iterator) else item for item in rest)]


def _as_array(value: Any) -> "np.ndarray[Any, Any] | None":
    """Return what offers itself as an array, such as a tensor or an image; None for anything else."""
    if not hasattr(value, "__array__") or isinstance(value, type):
        return None
    with suppress(Exception):
        plain = value.detach().cpu() if hasattr(value, "detach") else value
        return np.asarray(plain)
    return None
