"""What is asked of workers elsewhere: an object that each of them makes, and calls of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Job:
    """What every worker of a team holds: an object of a class, given as `module:Class`, that is made of `given`.

    The class is called without arguments. `record(device)` of the object returns what its answers depend on, and a worker is taken
    whose record is this one; `begin(given, threads)` follows once, and `measure(method, *arguments)` with each task. `threads` are
    those that a worker may keep busy.
    """

    target: str
    given: bytes
    device: str = "CPU"
    record: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """One call of a method: paths of models, which may lie elsewhere there, and further arguments."""

    method: str
    models: tuple[Path, ...] = ()
    arguments: tuple[Any, ...] = ()
