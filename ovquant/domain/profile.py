"""The profile: everything measured on the way, append-only on disk.

Each line is one measurement under a key made of all that it depends on. Whoever needs a measurement asks the
profile first, so a stopped run goes on where it was and a new budget measures nothing again.
"""

import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from ovquant.domain.typed import read_json, typed
from ovquant.errors import UsageError

T = TypeVar("T")

PROFILE_SCHEMA = 2
COMPARABLE = ("model", "device", "circumstances", "batch", "data", "metric", "objective")
"""The parts of a key that trials must share to be compared."""
_HEAD = b'{"schema": '
"""How each line begins."""


@dataclass(frozen=True)
class Entry:
    """A line of the file."""

    schema: int
    kind: str
    key: dict[str, Any]
    value: Any


class Profile:
    """Measurements by kind and key, kept in memory and, where a path is given, appended to a file."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._values: dict[tuple[str, str], Any] = {}
        self._keys: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._torn_at: int | None = None
        if path is not None and path.exists():
            self._read(path)

    def measured(
        self,
        kind: str,
        key: Mapping[str, Any],
        measure: Callable[[], Any],
        read: Callable[[Any], T] = lambda value: value,
    ) -> T:
        """Return the value recorded under a key, or measure it, record it and return it; values are plain JSON.

        read: makes of the value what is returned; one that it cannot read is measured again, with a warning.
        """
        slot = (kind, _digest(key))
        if slot in self._values:
            try:
                return read(self._values[slot])
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                self._warn(f"a {kind} in it cannot be read and is measured again: {error}")
        self.record(kind, key, measure())
        return read(self._values[slot])

    def record(self, kind: str, key: Mapping[str, Any], value: Any) -> None:
        """Keep a value, replacing what was recorded under the same key."""
        slot = (kind, _digest(key))
        self._values[slot], self._keys[slot] = value, key
        if self.path is not None:
            line = {"schema": PROFILE_SCHEMA, "kind": kind, "key": key, "value": value}
            self._drop_torn(self.path)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
                file.flush()
                os.fsync(file.fileno())

    def recall(self, kind: str, key: Mapping[str, Any]) -> Any | None:
        """Return the value recorded under a key, or None."""
        return self._values.get((kind, _digest(key)))

    def entries(self, kind: str) -> Iterator[tuple[Mapping[str, Any], Any]]:
        """Yield the key and value of every measurement of a kind, oldest first."""
        for slot, value in self._values.items():
            if slot[0] == kind:
                yield self._keys[slot], value

    def _read(self, path: Path) -> None:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UsageError(f"The profile '{path}' cannot be read: {error.strerror}.") from error
        *lines, torn = content.split(b"\n")
        for number, line in enumerate(lines, start=1):
            try:
                entry = typed(Entry, read_json(line))
                if entry.schema != PROFILE_SCHEMA:
                    raise ValueError(f"it has schema {entry.schema}; this version reads {PROFILE_SCHEMA}")
            except (ValueError, KeyError, TypeError) as error:
                if number == 1:
                    raise UsageError(f"Line 1 of '{path}' is not a valid profile entry: {error}.") from error
                self._warn(f"line {number} is not a valid profile entry and is left out: {error}")
                continue
            slot = (entry.kind, _digest(entry.key))
            self._values[slot], self._keys[slot] = entry.value, entry.key
        if torn and not (torn.startswith(_HEAD) or _HEAD.startswith(torn)):
            raise UsageError(f"The end of '{path}' is not a valid profile entry, and ovquant did not write it.")
        self._torn_at = len(content) - len(torn) if torn else None

    def _warn(self, what: str) -> None:
        warnings.warn(f"The profile '{self.path}' is damaged: {what}.", stacklevel=3)

    def mend(self) -> None:
        """Drop what follows the last line feed before more is written: another process was lost while it wrote it."""
        if self.path is not None and self.path.exists():
            content = self.path.read_bytes()
            whole = content.rfind(b"\n") + 1
            self._torn_at = whole if whole < len(content) else None

    def _drop_torn(self, path: Path) -> None:
        """Before more is written, drop what follows the last line feed: it was half written when a run was killed."""
        if self._torn_at is not None:
            os.truncate(path, self._torn_at)
            self._torn_at = None


def _digest(key: Mapping[str, Any]) -> str:
    return sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
